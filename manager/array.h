// SPDX-License-Identifier: MIT
//
// Numbers of one type in a manager's process, which others share: one beside the other, and as many
// as there were at first.
//
//   Array<double> a = manager.Array<double>({1, 2, 3});
//   a[0] = 0.5;                                         // the dot, and the brackets: the proxy
//   a[-1] += 1;                                         // atomic: it is added there
//   a->assign(0, 2, {7, 8});                            // the arrow: the array
//   std::vector<double> all = a->copy();                // as fast as a copy of memory
//
// Indexes are Python's: negative ones count from the end.
//
// Threads:  thread-safe: each call is one step, whoever else calls.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for an index beyond the ends; std::invalid_argument for a slice of
//           another size; BadValue for a proxy of another type.
#ifndef REMOTEOBJ_MANAGER_ARRAY_H_
#define REMOTEOBJ_MANAGER_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/elements.h"
#include "remoteobj/manager/internal/item.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

template <typename T>
class Array;

// What the arrow leads to.
template <typename T>
class ArrayMethods : public manager_internal::MethodsOf<Array<T>> {
 public:
  // As the end of a slice: to the end.
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  std::size_t size() const { return this->template Ask<std::uint64_t>("size"); }
  bool empty() const { return size() == 0; }

  T at(std::int64_t index) const { return this->template Ask<T>("at", index); }
  T front() const { return at(0); }
  T back() const { return at(-1); }
  std::vector<T> slice(std::int64_t begin, std::int64_t end = kEnd) const {
    return this->template Ask<std::vector<T>>("slice", begin, end);
  }
  std::vector<T> copy() const { return slice(0); }
  // The numbers, got in chunks of that size, each as it is by then.
  manager_internal::Chunks<T> Iterate(std::size_t chunk_size = kChunk) const {
    return manager_internal::Chunks<T>(
        chunk_size, [array = this->self(), at = std::int64_t{0}](std::size_t count) mutable {
          std::vector<T> numbers = array->slice(at, at + static_cast<std::int64_t>(count));
          at += static_cast<std::int64_t>(numbers.size());
          return numbers;
        });
  }

  // Instead of that slice, whose size they have.
  void assign(std::int64_t begin, std::int64_t end, std::initializer_list<T> numbers) const {
    Assign(begin, end, {numbers});
  }
  template <manager_internal::RangeOf<T> R>
  void assign(std::int64_t begin, std::int64_t end, R&& numbers) const {
    Assign(begin, end, manager_internal::ToVector<T>(numbers));
  }
  void fill(T number) const { this->template Ask<void>("fill", number); }
  bool compare_exchange(std::int64_t index, T expected, T desired) const {
    return this->template Ask<bool>("compare_exchange", index, expected, desired);
  }

  // [1, 2, 3], cut short.
  std::string to_string() const { return this->template Ask<std::string>("to_string"); }

 private:
  // Numbers are small.
  static constexpr std::size_t kChunk = 8192;

  friend class Array<T>;
  ArrayMethods() = default;
  ArrayMethods(const ArrayMethods&) = default;
  ArrayMethods& operator=(const ArrayMethods&) = default;

  void Assign(std::int64_t begin, std::int64_t end, const std::vector<T>& numbers) const {
    this->template Ask<void>("assign", begin, end, numbers);
  }
};

template <typename T>
class Array : public manager_internal::Shared, private ArrayMethods<T> {
  static_assert(transport_internal::kIsNumber<T>,
                "remoteobj: an Array is of numbers (T here is none): take a List");
  using Methods = ArrayMethods<T>;

 public:
  static constexpr std::string_view kTypeId = "Array";
  static std::string Type() { return absl::StrCat("Array<", TypeName<T>(), ">"); }
  // What a new one is made of.
  using Contents = std::vector<T>;
  static AnyValue Arguments(const Contents& numbers = {}) {
    return manager_internal::OneArgument(numbers);
  }

  // Of no object, until another is assigned to it.
  Array() = default;
  explicit Array(const Reference& reference) : Shared(reference, Type()) {}

  const Methods* operator->() const { return this; }
  // A view of one number.
  manager_internal::Item<T, /*kMayBeAbsent=*/false, std::int64_t> operator[](
      std::int64_t index) const {
    return manager_internal::Item<T, false, std::int64_t>(*this, index);
  }
  // The numbers, in chunks: see Iterate.
  auto begin() const { return Methods::Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

 private:
  friend Methods;
  friend manager_internal::MethodsOf<Array>;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ARRAY_H_
