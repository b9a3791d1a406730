// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/array_object.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/types/values.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {

ArrayObject::ArrayObject(NumbersOfAnyType numbers)
    : numbers_(std::move(numbers)),
      width_(WithNumberType(numbers_.type, []<typename T>(Tag<T>) { return sizeof(T); })) {}

template <typename T>
T ArrayObject::Load(std::size_t place) const {
  T number;
  std::memcpy(&number, numbers_.bytes.data() + place * sizeof(T), sizeof(T));
  return number;
}

template <typename T>
void ArrayObject::Store(std::size_t place, T number) {
  std::memcpy(numbers_.bytes.data() + place * sizeof(T), &number, sizeof(T));
}

std::size_t ArrayObject::Place(std::int64_t index) const { return PlaceOf(index, size(), "array"); }

void ArrayObject::CheckType(ElementType type) const {
  if (type != numbers_.type) throw BadValue("numbers of another type than the array's");
}

AnyValue ArrayObject::at(std::int64_t index) const {
  const std::size_t place = Place(index);
  return WithNumberType(numbers_.type,
                        [&]<typename T>(Tag<T>) { return AnyValue::Of(Load<T>(place)); });
}

NumbersOfAnyType ArrayObject::slice(std::int64_t begin, std::int64_t end) const {
  const Slice slice(begin, end, size());
  const auto first = numbers_.bytes.begin();
  return {numbers_.type,
          {first + static_cast<std::ptrdiff_t>(slice.begin * width_),
           first + static_cast<std::ptrdiff_t>(slice.end * width_)}};
}

std::string ArrayObject::to_string() const {
  Listing listing("[");
  for (std::size_t i = 0; i < size() && listing.Next(); ++i) {
    listing.Add(at(static_cast<std::int64_t>(i)));
  }
  return listing.Close("]");
}

void ArrayObject::set(std::int64_t index, const AnyValue& value) {
  const std::size_t place = Place(index);
  WithNumberType(numbers_.type, [&]<typename T>(Tag<T>) { Store(place, value.As<T>()); });
}

void ArrayObject::assign(std::int64_t begin, std::int64_t end, const NumbersOfAnyType& numbers) {
  CheckType(numbers.type);
  const Slice slice(begin, end, size());
  if (numbers.bytes.size() != slice.size() * width_) {
    throw std::invalid_argument(absl::StrCat("an array has a fixed size: can't assign ",
                                             numbers.bytes.size() / width_, " numbers to ",
                                             slice.size()));
  }
  std::copy(numbers.bytes.begin(), numbers.bytes.end(),
            numbers_.bytes.begin() + static_cast<std::ptrdiff_t>(slice.begin * width_));
}

void ArrayObject::fill(const AnyValue& value) {
  WithNumberType(numbers_.type, [&]<typename T>(Tag<T>) {
    const T number = value.As<T>();
    for (std::size_t i = 0; i < size(); ++i) Store(i, number);
  });
}

void ArrayObject::add(std::int64_t index, const AnyValue& by, ElementType type, bool minus) {
  CheckType(type);
  const std::size_t place = Place(index);
  WithNumberType(
      type, [&]<typename T>(Tag<T>) { Store(place, Sum<T>(Load<T>(place), by.As<T>(), minus)); });
}

bool ArrayObject::compare_exchange(std::int64_t index, const AnyValue& expected,
                                   const AnyValue& desired) {
  if (at(index) != expected) return false;
  set(index, desired);
  return true;
}

}  // namespace remoteobj::manager_internal
