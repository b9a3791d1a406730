// SPDX-License-Identifier: MIT
//
// A set in a manager's process, which others share.
//
//   Set<std::string> s = manager.Set<std::string>({"a", "b"});
//   s->insert("c"); s->contains("c"); s->erase("c");    // the arrow: the set
//   const std::set<std::string> both = s->intersection({"b", "c"});
//   s |= {"d"};                                         // the dot: the proxy
//   for (const std::string& one : s) …                  // in chunks, which notices changes
//
// Values are in the order of insertion, and equal if their encodings are: -0.0 differs from 0.0,
// and a NaN equals itself. Values are returned as copies.
//
// Threads:  thread-safe: each call is atomic.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for a value that is not in it; BadValue for a proxy of another
//           type; the errors of a call to a manager (shared_proxy.h).
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h; the operators <= and <:
//           use issubset(). == compares references.
#ifndef REMOTEOBJ_MANAGER_SET_H_
#define REMOTEOBJ_MANAGER_SET_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/elements.h"
#include "remoteobj/manager/internal/arrow_with_more.h"
#include "remoteobj/manager/internal/containers.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj {

// The operations of a set: `s->` leads to them. The manager implements them for values of any type
// (T is AnyValue there, and a copy is in the order of insertion).
template <typename T,
          typename Copy =
              ElementsIn<std::conditional_t<std::totally_ordered<T>, std::set<T>, std::vector<T>>>>
class SetInterface {
 public:
  // Some values, made of any range, or in braces: std::set, std::vector, another Set, {1, 2}.
  using Others = Elements<T>;
  // A copy of the values: a std::set if they can be sorted, else a std::vector.
  using Values = Copy;

  virtual ~SetInterface() = default;

  virtual std::size_t size() const = 0;
  bool empty() const { return size() == 0; }
  virtual bool contains(const T& value) const = 0;
  virtual Values copy() const = 0;

  // Returns true if the value is new.
  virtual bool insert(T value) = 0;
  // Returns the number of erased values: 0 or 1.
  virtual std::size_t erase(const T& value) = 0;
  // Throws std::out_of_range if it is not there.
  virtual void remove(const T& value) = 0;
  // Removes and returns the oldest value. Throws std::out_of_range if the set is empty.
  virtual T pop() = 0;
  virtual void clear() = 0;

  // Copies.
  virtual Values union_with(Others others) const = 0;
  virtual Values intersection(Others others) const = 0;
  virtual Values difference(Others others) const = 0;
  virtual Values symmetric_difference(Others others) const = 0;
  virtual bool isdisjoint(const Others& others) const = 0;
  virtual bool issubset(Others others) const = 0;
  virtual bool issuperset(const Others& others) const = 0;

  // In place.
  virtual void update(Others others) = 0;
  virtual void intersection_update(Others others) = 0;
  virtual void difference_update(const Others& others) = 0;
  virtual void symmetric_difference_update(Others others) = 0;

  // {1, 2, 3}, cut short.
  virtual std::string to_string() const = 0;

  // The implementation of iterations: see DictInterface::chunk.
  virtual std::pair<std::uint64_t, Others> chunk(const Others& after, std::uint64_t size,
                                                 std::uint64_t count) const = 0;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T, typename Copy), (SetInterface<T, Copy>), size, empty,
                            contains, copy, insert, erase, remove, pop, clear, union_with,
                            intersection, difference, symmetric_difference, isdisjoint, issubset,
                            issuperset, update, intersection_update, difference_update,
                            symmetric_difference_update, to_string, chunk)

template <typename T>
class SetArrow final : public manager_internal::ArrowWithMore<SetInterface<T>> {
 public:
  using manager_internal::ArrowWithMore<SetInterface<T>>::ArrowWithMore;

  // The values, in chunks. Throws std::runtime_error at the next chunk if the number of values has
  // changed, or the last value of the chunk before is gone.
  Chunks<T> Iterate(std::size_t chunk_size = manager_internal::kChunk) const {
    return manager_internal::ChunksBehindKeys<T, typename SetInterface<T>::Others>(
        this->object(), chunk_size, [](const auto& value) -> T { return value; });
  }

  const SetArrow* operator->() const { return this; }
};

template <typename T>
class Set final : public SharedProxy<Set<T>, SetInterface<T>, SetArrow<T>> {
  static_assert(manager_internal::kStorable<T>,
                "remoteobj: a Set needs values (T here) that can be sent and received by value: "
                "describe them with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");

 public:
  using Values = typename SetInterface<T>::Values;
  using Others = typename SetInterface<T>::Others;

  static constexpr std::string_view kTypeId = "Set";
  static std::string Type() { return absl::StrCat("Set<", TypeName<T>(), ">"); }
  // The initial contents.
  using Contents = std::vector<T>;
  static AnyValue Arguments(Contents values = {}, Attachments& offers = Attachments::None()) {
    return manager_internal::OneArgument(Others(std::move(values)), offers);
  }

  using SharedProxy<Set, SetInterface<T>, SetArrow<T>>::SharedProxy;

  // The values, in chunks of 256: see SetArrow::Iterate. begin() is a call. For a status, put the
  // loop into remoteobj::Try.
  auto begin() const { return (*this)->Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // Copies: one call each. The twins of the operators are those of their functions:
  // s->union_with.TryCall(), s->update.TryCall(), ...
  friend Values operator|(const Set& s, const Others& others) { return s->union_with(others); }
  friend Values operator&(const Set& s, const Others& others) { return s->intersection(others); }
  friend Values operator-(const Set& s, const Others& others) { return s->difference(others); }
  friend Values operator^(const Set& s, const Others& others) {
    return s->symmetric_difference(others);
  }
  // In place.
  const Set& operator|=(const Others& others) const {
    (*this)->update(others);
    return *this;
  }
  const Set& operator&=(const Others& others) const {
    (*this)->intersection_update(others);
    return *this;
  }
  const Set& operator-=(const Others& others) const {
    (*this)->difference_update(others);
    return *this;
  }
  const Set& operator^=(const Others& others) const {
    (*this)->symmetric_difference_update(others);
    return *this;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SET_H_
