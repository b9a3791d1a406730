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
// Indexes are Python's: negative ones count from the end. Values are returned as copies. A value
// may be a proxy, which keeps its object alive.
//
// Threads:  thread-safe: each call is atomic.
// Lifetime: a proxy keeps its object alive. A list that contains itself lives until it is cleared.
// Errors:   std::out_of_range for an index beyond the ends; std::invalid_argument for a value that
//           is not there; BadValue for a proxy of another type; the errors of a call to a manager
//           (shared_proxy.h).
// Not here: what l[0] can do: item.h; what all proxies have, Timeout() and ==: shared_proxy.h; sort
//           with a comparator, which would run a client's code in the manager: sort a copy.
#ifndef REMOTEOBJ_MANAGER_LIST_H_
#define REMOTEOBJ_MANAGER_LIST_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/elements.h"
#include "remoteobj/manager/internal/arrow_with_more.h"
#include "remoteobj/manager/internal/containers.h"
#include "remoteobj/manager/item.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// The operations of a list: `l->` leads to them. Indices are as Python's: negative ones count from
// the end. The manager implements them for values of any type (T is AnyValue there).
template <typename T>
class ListInterface {
 public:
  using Values = Elements<T>;  // A std::vector, made of any range.

  // The end of a slice that has no end.
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  virtual ~ListInterface() = default;

  virtual std::size_t size() const = 0;
  bool empty() const { return size() == 0; }
  virtual bool contains(const T& value) const = 0;
  virtual std::size_t count(const T& value) const = 0;
  // The first index of the value in the slice. Throws std::invalid_argument if it is not there.
  virtual std::size_t index(const T& value, std::int64_t begin = 0,
                            std::int64_t end = kEnd) const = 0;

  // Every operation with an index throws std::out_of_range if it is beyond the ends.
  virtual T at(std::int64_t index) const = 0;
  T front() const { return at(0); }
  T back() const { return at(-1); }
  // Slices are cut to the size of the list.
  virtual Values slice(std::int64_t begin, std::int64_t end = kEnd) const = 0;
  Values copy() const { return slice(0); }

  virtual void set(std::int64_t index, T value) = 0;
  void push_back(T value) { insert(kEnd, std::move(value)); }
  // Inserts before that index, which is cut to the size of the list.
  virtual void insert(std::int64_t index, T value) = 0;
  virtual void extend(Values values) = 0;
  // Replaces the slice by any number of values.
  virtual void assign(std::int64_t begin, std::int64_t end, Values values) = 0;
  // Sets the value if it equals `expected`. Returns true if it did.
  virtual bool compare_exchange(std::int64_t index, const T& expected, T desired) = 0;
  // Repeats the values that many times. Throws std::length_error beyond 1 GiB.
  virtual void repeat(std::int64_t times) = 0;

  // Removes and returns the value.
  virtual T pop(std::int64_t index = -1) = 0;
  void pop_back() { erase(-1); }
  virtual void erase(std::int64_t index) = 0;
  // A slice.
  virtual void erase(std::int64_t begin, std::int64_t end) = 0;
  // Removes the first equal value. Throws std::invalid_argument if there is none.
  virtual void remove(const T& value) = 0;
  virtual void clear() = 0;

  virtual void reverse() = 0;
  // In the natural order of numbers or texts. Throws BadValue for other values.
  virtual void sort(bool descending = false) = 0;

  // [1, 2, 3], cut short.
  virtual std::string to_string() const = 0;

  // The implementation of += and -= of one value: adds or subtracts a number of that type; appends
  // to a text.
  virtual void add(std::int64_t index, const T& by, ElementType type, bool minus) = 0;
  virtual void append(std::int64_t index, const T& by) = 0;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T), (ListInterface<T>), size, empty, contains, count, index,
                            at, front, back, slice, copy, set, push_back, insert, extend, assign,
                            compare_exchange, repeat, pop, pop_back,
                            (erase, void(std::int64_t), void(std::int64_t, std::int64_t)), remove,
                            clear, reverse, sort, to_string, add, append)

template <typename T>
class ListArrow final : public manager_internal::ArrowWithMore<ListInterface<T>> {
 public:
  using manager_internal::ArrowWithMore<ListInterface<T>>::ArrowWithMore;

  static constexpr std::int64_t kEnd = ListInterface<T>::kEnd;

  // The values, in chunks. Each chunk has the values at its indices at the time when the iteration
  // reaches it.
  Chunks<T> Iterate(std::size_t chunk_size = manager_internal::kChunk) const {
    return manager_internal::ChunksOfSlices<T>(this->object(), chunk_size);
  }

  const ListArrow* operator->() const { return this; }
};

template <typename T>
class List final : public SharedProxy<List<T>, ListInterface<T>, ListArrow<T>> {
  static_assert(manager_internal::kStorable<T>,
                "remoteobj: a List needs values (T here) that can be sent and received by value: "
                "describe them with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Interface = ListInterface<T>;
  using Values = typename Interface::Values;

 public:
  static constexpr std::string_view kTypeId = "List";
  static std::string Type() { return absl::StrCat("List<", TypeName<T>(), ">"); }
  // The initial contents.
  using Contents = std::vector<T>;
  static AnyValue Arguments(Contents values = {}, Attachments& offers = Attachments::None()) {
    return manager_internal::OneArgument(Values(std::move(values)), offers);
  }

  using SharedProxy<List, Interface, ListArrow<T>>::SharedProxy;

  // A view of one value, with the operations of item.h: Get, Set, +=, Async, ... Calls nothing.
  auto operator[](std::int64_t index) const {
    return ItemView<T, Interface, ListInterface<AnyValue>, std::int64_t>(
        this->template As<Interface>(), index);
  }
  // The values, in chunks of 256: see ListArrow::Iterate. begin() is a call. For a status, put the
  // loop into remoteobj::Try.
  auto begin() const { return (*this)->Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // The same as extend(), whose twin is l->extend.TryCall().
  const List& operator+=(const Values& values) const {
    (*this)->extend(values);
    return *this;
  }
  // The same as repeat(), whose twin is l->repeat.TryCall().
  const List& operator*=(std::int64_t times) const {
    (*this)->repeat(times);
    return *this;
  }
  // Copies, made here of l->copy().
  friend Contents operator+(const List& l, const Values& values) {
    Contents all = l->copy();
    all.insert(all.end(), values.begin(), values.end());
    return all;
  }
  friend Contents operator*(const List& l, std::int64_t times) {
    const Contents once = l->copy();
    Contents all;
    for (std::int64_t i = 0; i < times; ++i) all.insert(all.end(), once.begin(), once.end());
    return all;
  }
  friend Contents operator*(std::int64_t times, const List& l) { return l * times; }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_LIST_H_
