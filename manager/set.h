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
// Values are in the order in which they were inserted, and equal if they are encoded alike: -0.0 is
// not 0.0, and a NaN is in it as others are. What is got is a copy.
//
// Threads:  thread-safe: each call is one step, whoever else calls.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for a value that is not in it; BadValue for a proxy of another type.
// Not here: the order of sets: == is of the same object, and <= is issubset.
#ifndef REMOTEOBJ_MANAGER_SET_H_
#define REMOTEOBJ_MANAGER_SET_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/elements.h"
#include "remoteobj/manager/internal/item.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

template <typename T>
class Set;

namespace manager_internal {

// Any range of values, or some in braces.
template <typename T>
class SomeOf {
 public:
  SomeOf(std::initializer_list<T> values) : elements_{values} {}
  template <RangeOf<T> R>
  SomeOf(R&& values) : elements_{ToVector<T>(values)} {}

  const Elements<T>& elements() const { return elements_; }

 private:
  Elements<T> elements_;
};

}  // namespace manager_internal

// What the arrow leads to.
template <typename T>
class SetMethods : public manager_internal::MethodsOf<Set<T>> {
  using Elements = manager_internal::Elements<T>;

 public:
  // A copy of the values: sorted, if they can be.
  using Values = std::conditional_t<std::totally_ordered<T>, std::set<T>, std::vector<T>>;
  // std::set, std::vector, another Set, {1, 2}, …
  using Others = manager_internal::SomeOf<T>;

  std::size_t size() const { return this->template Ask<std::uint64_t>("size"); }
  bool empty() const { return size() == 0; }
  bool contains(const T& value) const { return this->template Ask<bool>("contains", value); }
  Values copy() const { return AskFor("copy"); }
  // The values, got in chunks of that size. Throws std::runtime_error when it gets one and the
  // number of values is no longer what it was, or the last one has gone.
  manager_internal::Chunks<T> Iterate(std::size_t chunk_size = manager_internal::kChunk) const;

  // Returns whether it is new.
  bool insert(const T& value) const { return this->template Ask<bool>("insert", value); }
  // How many it has erased: 0 or 1.
  std::size_t erase(const T& value) const {
    return this->template Ask<bool>("erase", value) ? 1 : 0;
  }
  void remove(const T& value) const { this->template Ask<void>("remove", value); }
  // One of them: that which has been in it for longest.
  T pop() const { return this->template Ask<T>("pop"); }
  void clear() const { this->template Ask<void>("clear"); }

  Values union_with(const Others& others) const { return AskFor("union_with", others); }
  Values intersection(const Others& others) const { return AskFor("intersection", others); }
  Values difference(const Others& others) const { return AskFor("difference", others); }
  Values symmetric_difference(const Others& others) const {
    return AskFor("symmetric_difference", others);
  }
  bool isdisjoint(const Others& others) const {
    return this->template Ask<bool>("isdisjoint", others.elements());
  }
  bool issubset(const Others& others) const {
    return this->template Ask<bool>("issubset", others.elements());
  }
  bool issuperset(const Others& others) const {
    return this->template Ask<bool>("issuperset", others.elements());
  }

  // In place.
  void update(const Others& others) const { Tell("update", others); }
  void intersection_update(const Others& others) const { Tell("intersection_update", others); }
  void difference_update(const Others& others) const { Tell("difference_update", others); }
  void symmetric_difference_update(const Others& others) const {
    Tell("symmetric_difference_update", others);
  }

  // {1, 2, 3}, cut short.
  std::string to_string() const { return this->template Ask<std::string>("to_string"); }

 private:
  friend class Set<T>;
  SetMethods() = default;
  SetMethods(const SetMethods&) = default;
  SetMethods& operator=(const SetMethods&) = default;

  template <typename... O>
  Values AskFor(std::string_view method, const O&... others) const {
    Elements got = this->template Ask<Elements>(method, others.elements()...);
    if constexpr (std::is_same_v<Values, std::vector<T>>) {
      return std::move(got.values);
    } else {
      return Values(std::make_move_iterator(got.values.begin()),
                    std::make_move_iterator(got.values.end()));
    }
  }
  void Tell(std::string_view method, const Others& others) const {
    this->template Ask<void>(method, others.elements());
  }
};

template <typename T>
class Set : public manager_internal::Shared, private SetMethods<T> {
  static_assert(manager_internal::kStorable<T>,
                "remoteobj: a Set needs values (T here) that can be sent and received by value: "
                "describe them with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Methods = SetMethods<T>;

 public:
  using Values = typename Methods::Values;
  using Others = typename Methods::Others;

  static constexpr std::string_view kTypeId = "Set";
  static std::string Type() { return absl::StrCat("Set<", TypeName<T>(), ">"); }
  // What a new one is made of.
  using Contents = std::vector<T>;
  static AnyValue Arguments(Contents values = {}) {
    return manager_internal::OneArgument(manager_internal::Elements<T>{std::move(values)});
  }

  // Of no object, until another is assigned to it.
  Set() = default;
  explicit Set(const Reference& reference) : Shared(reference, Type()) {}

  const Methods* operator->() const { return this; }
  // The values, in chunks: see Iterate.
  auto begin() const { return Methods::Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // Copies.
  friend Values operator|(const Set& s, const Others& others) { return s->union_with(others); }
  friend Values operator&(const Set& s, const Others& others) { return s->intersection(others); }
  friend Values operator-(const Set& s, const Others& others) { return s->difference(others); }
  friend Values operator^(const Set& s, const Others& others) {
    return s->symmetric_difference(others);
  }
  // In place.
  const Set& operator|=(const Others& others) const {
    Methods::update(others);
    return *this;
  }
  const Set& operator&=(const Others& others) const {
    Methods::intersection_update(others);
    return *this;
  }
  const Set& operator-=(const Others& others) const {
    Methods::difference_update(others);
    return *this;
  }
  const Set& operator^=(const Others& others) const {
    Methods::symmetric_difference_update(others);
    return *this;
  }

 private:
  friend Methods;
  friend manager_internal::MethodsOf<Set>;
};

template <typename T>
manager_internal::Chunks<T> SetMethods<T>::Iterate(std::size_t chunk_size) const {
  return manager_internal::Chunks<T>(
      chunk_size, [set = this->self(), size = std::uint64_t{0},
                   after = std::vector<T>()](std::size_t count) mutable {
        using Chunk = std::pair<std::uint64_t, Elements>;
        auto [size_now, values] = set.template Call<Chunk>("chunk", Elements{after}, size,
                                                           static_cast<std::uint64_t>(count));
        if (!values.values.empty()) after.assign(1, values.values.back());
        size = size_now;
        return std::move(values.values);
      });
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SET_H_
