// SPDX-License-Identifier: MIT
//
// A list in a manager's process, which others share.
//
//   List<int> l = manager.List<int>({3, 1, 2});
//   l[0] = 4;                                           // the dot, and the brackets: the proxy
//   l[-1] += 1;                                         // atomic: it is added there
//   l += {5, 6};
//   l->push_back(7); l->sort(); l->pop();               // the arrow: the list
//   std::vector<int> some = l->slice(1, -1);
//   for (int i : l->copy()) …                           // by one call
//   for (int i : l) …                                   // in chunks, as it is by then
//
// Indexes are Python's: negative ones count from the end. Values that were got are copies; a proxy
// as a value refers to its object, which lives as long as it is in here.
//
// Threads:  thread-safe: each call is one step, whoever else calls.
// Lifetime: a proxy keeps its object alive. A list that has itself in it lives until it is cleared.
// Errors:   std::out_of_range for an index beyond the ends; std::invalid_argument for a value that
//           is not there; BadValue for a proxy of another type.
// Not here: sort with a comparator, which would be code of a client's. Get a copy, and sort that.
#ifndef REMOTEOBJ_MANAGER_LIST_H_
#define REMOTEOBJ_MANAGER_LIST_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
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
class List;

// What the arrow leads to.
template <typename T>
class ListMethods : public manager_internal::MethodsOf<List<T>> {
  using Elements = manager_internal::Elements<T>;

 public:
  // As the end of a slice: to the end.
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  std::size_t size() const { return this->template Ask<std::uint64_t>("size"); }
  bool empty() const { return size() == 0; }
  bool contains(const T& value) const { return this->template Ask<bool>("contains", value); }
  std::size_t count(const T& value) const {
    return this->template Ask<std::uint64_t>("count", value);
  }
  // Where it is first, from `begin` on.
  std::size_t index(const T& value, std::int64_t begin = 0, std::int64_t end = kEnd) const {
    return this->template Ask<std::uint64_t>("index", value, begin, end);
  }

  T at(std::int64_t index) const { return this->template Ask<T>("at", index); }
  T front() const { return at(0); }
  T back() const { return at(-1); }
  std::vector<T> slice(std::int64_t begin, std::int64_t end = kEnd) const {
    return this->template Ask<Elements>("slice", begin, end).values;
  }
  std::vector<T> copy() const { return slice(0); }
  // The values, got in chunks of that size. Each chunk is what is there by then, behind those that
  // were got before; it ends at the end.
  manager_internal::Chunks<T> Iterate(std::size_t chunk_size = manager_internal::kChunk) const {
    return manager_internal::Chunks<T>(
        chunk_size, [list = this->self(), at = std::int64_t{0}](std::size_t count) mutable {
          std::vector<T> values = list->slice(at, at + static_cast<std::int64_t>(count));
          at += static_cast<std::int64_t>(values.size());
          return values;
        });
  }

  void push_back(const T& value) const { insert(kEnd, value); }
  // Before that index; at an end, if it is beyond that.
  void insert(std::int64_t index, const T& value) const {
    this->template Ask<void>("insert", index, value);
  }
  void extend(std::initializer_list<T> values) const { Extend({values}); }
  template <manager_internal::RangeOf<T> R>
  void extend(R&& values) const {
    Extend(manager_internal::ToVector<T>(values));
  }
  // Instead of that slice, whatever its size was.
  void assign(std::int64_t begin, std::int64_t end, std::initializer_list<T> values) const {
    Assign(begin, end, {values});
  }
  template <manager_internal::RangeOf<T> R>
  void assign(std::int64_t begin, std::int64_t end, R&& values) const {
    Assign(begin, end, manager_internal::ToVector<T>(values));
  }
  bool compare_exchange(std::int64_t index, const T& expected, const T& desired) const {
    return this->template Ask<bool>("compare_exchange", index, expected, desired);
  }

  T pop(std::int64_t index = -1) const { return this->template Ask<T>("pop", index); }
  void pop_back() const { erase(-1); }
  void erase(std::int64_t index) const { this->template Ask<void>("erase", index); }
  void erase(std::int64_t begin, std::int64_t end) const {
    this->template Ask<void>("erase_slice", begin, end);
  }
  // The first that is equal.
  void remove(const T& value) const { this->template Ask<void>("remove", value); }
  void clear() const { this->template Ask<void>("clear"); }

  void reverse() const { this->template Ask<void>("reverse"); }
  // In the natural order of numbers and texts. Throws BadValue for others.
  void sort(bool descending = false) const { this->template Ask<void>("sort", descending); }

  // [1, 2, 3], cut short.
  std::string to_string() const { return this->template Ask<std::string>("to_string"); }

 private:
  friend class List<T>;
  ListMethods() = default;
  ListMethods(const ListMethods&) = default;
  ListMethods& operator=(const ListMethods&) = default;

  void Extend(std::vector<T> values) const {
    this->template Ask<void>("extend", Elements{std::move(values)});
  }
  void Assign(std::int64_t begin, std::int64_t end, std::vector<T> values) const {
    this->template Ask<void>("assign", begin, end, Elements{std::move(values)});
  }
};

template <typename T>
class List : public manager_internal::Shared, private ListMethods<T> {
  static_assert(manager_internal::kStorable<T>,
                "remoteobj: a List needs values (T here) that can be sent and received by value: "
                "describe them with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Methods = ListMethods<T>;

 public:
  static constexpr std::string_view kTypeId = "List";
  static std::string Type() { return absl::StrCat("List<", TypeName<T>(), ">"); }
  // What a new one is made of.
  using Contents = std::vector<T>;
  static AnyValue Arguments(Contents values = {}) {
    return manager_internal::OneArgument(manager_internal::Elements<T>{std::move(values)});
  }

  // Of no object, until another is assigned to it.
  List() = default;
  explicit List(const Reference& reference) : Shared(reference, Type()) {}

  const Methods* operator->() const { return this; }
  // A view of one value.
  manager_internal::Item<T, /*kMayBeAbsent=*/false, std::int64_t> operator[](
      std::int64_t index) const {
    return manager_internal::Item<T, false, std::int64_t>(*this, index);
  }
  // The values, in chunks: see Iterate.
  auto begin() const { return Methods::Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // Extends it.
  const List& operator+=(std::initializer_list<T> values) const {
    Methods::extend(values);
    return *this;
  }
  template <manager_internal::RangeOf<T> R>
  const List& operator+=(R&& values) const {
    Methods::extend(values);
    return *this;
  }
  // Makes it that many times itself.
  const List& operator*=(std::int64_t times) const {
    this->template Call<void>("repeat", times);
    return *this;
  }
  // Copies.
  template <manager_internal::RangeOf<T> R>
  friend std::vector<T> operator+(const List& l, R&& values) {
    std::vector<T> all = l->copy();
    for (auto&& value : values) all.push_back(static_cast<T>(value));
    return all;
  }
  friend std::vector<T> operator*(const List& l, std::int64_t times) {
    const std::vector<T> once = l->copy();
    std::vector<T> all;
    for (std::int64_t i = 0; i < times; ++i) all.insert(all.end(), once.begin(), once.end());
    return all;
  }
  friend std::vector<T> operator*(std::int64_t times, const List& l) { return l * times; }

 private:
  friend Methods;
  friend manager_internal::MethodsOf<List>;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_LIST_H_
