// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/array.h.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for an index beyond the ends; BadValue for a number that does not fit
//           the type; std::invalid_argument for a slice of another size.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_ARRAY_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_ARRAY_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "remoteobj/manager/array.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {
namespace manager_internal {

// Numbers of a type that is known at run time only.
struct NumbersOfAnyType {
  ElementType type = ElementType::kInt8;
  std::vector<std::byte> bytes = {};
};

class ArrayObject final : public ArrayInterface<AnyValue, NumbersOfAnyType> {
 public:
  // Throws BadValue if `numbers` is not an array of numbers.
  explicit ArrayObject(NumbersOfAnyType numbers);

  std::size_t size() const override { return numbers_.bytes.size() / width_; }
  AnyValue at(std::int64_t index) const override;
  NumbersOfAnyType slice(std::int64_t begin, std::int64_t end) const override;
  std::string to_string() const override;

  void set(std::int64_t index, const AnyValue& value) override;
  void assign(std::int64_t begin, std::int64_t end, const NumbersOfAnyType& numbers) override;
  void fill(const AnyValue& value) override;
  void add(std::int64_t index, const AnyValue& by, ElementType type, bool minus) override;
  bool compare_exchange(std::int64_t index, const AnyValue& expected,
                        const AnyValue& desired) override;

 private:
  template <typename T>
  T Load(std::size_t place) const;
  template <typename T>
  void Store(std::size_t place, T number);
  std::size_t Place(std::int64_t index) const;
  void CheckType(ElementType type) const;

  NumbersOfAnyType numbers_;
  std::size_t width_;  // Bytes of one number.
};

}  // namespace manager_internal

template <>
struct Codec<manager_internal::NumbersOfAnyType> {
  static void Encode(const manager_internal::NumbersOfAnyType& numbers, ValueWriter out) {
    out.Array(numbers.type, numbers.bytes);
  }
  static manager_internal::NumbersOfAnyType Decode(const ValueReader& in) {
    manager_internal::NumbersOfAnyType numbers{in.element_type(), {}};
    numbers.bytes.resize(in.ArrayBytes(numbers.type));
    in.CopyArray(numbers.type, numbers.bytes);
    return numbers;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_ARRAY_OBJECT_H_
