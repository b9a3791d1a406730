// SPDX-License-Identifier: MIT
//
// Numbers of one type in a manager's server, one beside the other: what remoteobj/manager/array.h
// calls by name. Indexes and slices are Python's: negative ones count from the end.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for an index beyond the ends; BadValue for a number that does not fit
//           the type; std::invalid_argument for a slice of another size.
#ifndef REMOTEOBJ_MANAGER_SERVER_ARRAY_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_ARRAY_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {
namespace manager_internal {

// As they lie in memory.
struct Numbers {
  ElementType type = ElementType::kInt8;
  std::vector<std::byte> bytes = {};
};

class ArrayObject {
 public:
  // Throws BadValue if they are no numbers.
  explicit ArrayObject(Numbers numbers);

  std::uint64_t size() const { return numbers_.bytes.size() / width_; }
  AnyValue at(std::int64_t index) const;
  Numbers slice(std::int64_t begin, std::int64_t end) const;
  std::string to_string() const;

  void set(std::int64_t index, const AnyValue& value);
  void assign(std::int64_t begin, std::int64_t end, const Numbers& numbers);
  void fill(const AnyValue& value);
  void add(std::int64_t index, const AnyValue& by, ElementType type, bool minus);
  bool compare_exchange(std::int64_t index, const AnyValue& expected, const AnyValue& desired);

 private:
  template <typename T>
  T Load(std::size_t place) const;
  template <typename T>
  void Store(std::size_t place, T number);
  std::size_t Place(std::int64_t index) const;
  void CheckType(ElementType type) const;

  Numbers numbers_;
  std::size_t width_;  // Of one, in bytes.
};
REMOTEOBJ_DESCRIBE(ArrayObject, size, at, slice, to_string, set, assign, fill, add,
                   compare_exchange)

}  // namespace manager_internal

template <>
struct Codec<manager_internal::Numbers> {
  static void Encode(const manager_internal::Numbers& numbers, ValueWriter out) {
    out.Array(numbers.type, numbers.bytes);
  }
  static manager_internal::Numbers Decode(const ValueReader& in) {
    manager_internal::Numbers numbers{in.element_type(), {}};
    numbers.bytes.resize(in.ArrayBytes(numbers.type));
    in.CopyArray(numbers.type, numbers.bytes);
    return numbers;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SERVER_ARRAY_OBJECT_H_
