// SPDX-License-Identifier: MIT
//
// An array of numbers in a manager's process, which others share. Its size is fixed.
//
//   Array<double> a = manager.Array<double>({1, 2, 3});
//   a[0] = 0.5;                                         // the dot, and the brackets: the proxy
//   a[-1] += 1;                                         // atomic: it is added there
//   a->assign(0, 2, {7, 8});                            // the arrow: the array
//   std::vector<double> all = a->copy();                // as fast as a copy of memory
//
// Indexes are Python's: negative ones count from the end.
//
// Threads:  thread-safe: each call is atomic.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for an index beyond the ends; std::invalid_argument for a slice of
//           another size; BadValue for a proxy of another type; the errors of a call to a manager
//           (shared_proxy.h).
// Not here: what a[0] can do: item.h; what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_ARRAY_H_
#define REMOTEOBJ_MANAGER_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
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
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// The operations of an array: `a->` leads to them. The manager implements them for numbers of any
// type: T is AnyValue there, and Numbers an array that knows its type.
template <typename T, typename Numbers = NumberVector<T>>
class ArrayInterface {
 public:
  // The end of a slice that has no end.
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  virtual ~ArrayInterface() = default;

  virtual std::size_t size() const = 0;
  bool empty() const { return size() == 0; }

  // Every operation with an index throws std::out_of_range if it is beyond the ends.
  virtual T at(std::int64_t index) const = 0;
  T front() const { return at(0); }
  T back() const { return at(-1); }
  // Slices are cut to the size of the array.
  virtual Numbers slice(std::int64_t begin, std::int64_t end = kEnd) const = 0;
  Numbers copy() const { return slice(0); }

  virtual void set(std::int64_t index, const T& number) = 0;
  // Replaces the slice. Throws std::invalid_argument for another number of values than it has.
  virtual void assign(std::int64_t begin, std::int64_t end, const Numbers& numbers) = 0;
  virtual void fill(const T& number) = 0;
  // Sets the number if it equals `expected`. Returns true if it did.
  virtual bool compare_exchange(std::int64_t index, const T& expected, const T& desired) = 0;

  // [1, 2, 3], cut short.
  virtual std::string to_string() const = 0;

  // The implementation of += and -=: adds or subtracts a number of that type.
  virtual void add(std::int64_t index, const T& by, ElementType type, bool minus) = 0;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T, typename Numbers), (ArrayInterface<T, Numbers>), size,
                            empty, at, front, back, slice, copy, set, assign, fill,
                            compare_exchange, to_string, add)

template <typename T>
class ArrayArrow final : public manager_internal::ArrowWithMore<ArrayInterface<T>> {
  // Numbers are small.
  static constexpr std::size_t kChunk = 8192;

 public:
  using manager_internal::ArrowWithMore<ArrayInterface<T>>::ArrowWithMore;

  static constexpr std::int64_t kEnd = ArrayInterface<T>::kEnd;

  // The numbers, in chunks, each of which is read when the iteration reaches it.
  Chunks<T> Iterate(std::size_t chunk_size = kChunk) const {
    return manager_internal::ChunksOfSlices<T>(this->object(), chunk_size);
  }

  const ArrayArrow* operator->() const { return this; }
};

template <typename T>
class Array final : public SharedProxy<Array<T>, ArrayInterface<T>, ArrayArrow<T>> {
  static_assert(transport_internal::kIsNumber<T>,
                "remoteobj: an Array is of numbers (T here is none): take a List");
  using Interface = ArrayInterface<T>;

 public:
  static constexpr std::string_view kTypeId = "Array";
  static std::string Type() { return absl::StrCat("Array<", TypeName<T>(), ">"); }
  // The initial contents.
  using Contents = std::vector<T>;
  static AnyValue Arguments(const Contents& numbers = {},
                            Attachments& offers = Attachments::None()) {
    return manager_internal::OneArgument(numbers, offers);
  }

  using SharedProxy<Array, Interface, ArrayArrow<T>>::SharedProxy;

  // A view of one number, with the operations of item.h: Get, Set, +=, Async, ... Calls nothing.
  auto operator[](std::int64_t index) const {
    return ItemView<T, Interface, Interface, std::int64_t>(this->template As<Interface>(), index);
  }
  // The numbers, in chunks of 8,192: see ArrayArrow::Iterate. begin() is a call. For a status, put
  // the loop into remoteobj::Try.
  auto begin() const { return (*this)->Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ARRAY_H_
