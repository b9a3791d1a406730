// SPDX-License-Identifier: MIT
//
// Operations on the encoded values that built-in objects contain.
//
//   AddNumber(items_[i], AnyValue::Of(1), ElementType::kInt32, /*minus=*/false);
//   throw std::out_of_range(absl::StrCat("no key ", Shown(key)));
//
// Threads:  under the server's lock, as its objects.
// Errors:   BadValue for a value of another kind.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_VALUES_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

// The value as in source code, lists and maps included; cut short.
std::string Shown(const AnyValue& value);

// Values between brackets: [1, 2, …].
class Listing {
 public:
  explicit Listing(std::string_view open) : text_(open) {}

  // Begins the next value. Returns false if the text is long enough.
  bool Next();
  Listing& Add(std::string_view text);
  Listing& Add(const AnyValue& value);
  std::string Close(std::string_view close);

 private:
  std::string text_;
  bool first_ = true;
};

// Returns f(Tag<T>), where T is the type of the numbers.
template <typename F>
auto WithNumberType(ElementType type, F&& f) {
  switch (type) {
    case ElementType::kInt8:
      return f(Tag<std::int8_t>());
    case ElementType::kUInt8:
      return f(Tag<std::uint8_t>());
    case ElementType::kInt16:
      return f(Tag<std::int16_t>());
    case ElementType::kUInt16:
      return f(Tag<std::uint16_t>());
    case ElementType::kInt32:
      return f(Tag<std::int32_t>());
    case ElementType::kUInt32:
      return f(Tag<std::uint32_t>());
    case ElementType::kInt64:
      return f(Tag<std::int64_t>());
    case ElementType::kUInt64:
      return f(Tag<std::uint64_t>());
    case ElementType::kFloat32:
      return f(Tag<float>());
    case ElementType::kFloat64:
      return f(Tag<double>());
    case ElementType::kBool:
      break;
  }
  throw BadValue("expected a type of numbers");
}

// The sum, or the difference. Throws std::overflow_error if it does not fit T; floats become
// infinite.
template <typename T>
T Sum(T a, T b, bool minus);

// The implementation of `+=` and `-=`.
void AddNumber(AnyValue& at, const AnyValue& by, ElementType type, bool minus);
void AppendText(AnyValue& at, const AnyValue& by);
// Returns true if the value was `expected`.
bool CompareExchange(AnyValue& at, const AnyValue& expected, AnyValue desired);

// The place of an index; negative ones count from the end. Throws std::out_of_range.
std::size_t PlaceOf(std::int64_t index, std::size_t size, std::string_view what);
// The same for the ends of a slice, which are cut to `size`.
struct Slice {
  Slice(std::int64_t begin, std::int64_t end, std::size_t size);
  std::size_t size() const { return end - begin; }
  std::size_t begin;
  std::size_t end;
};

// In the natural order of numbers or texts. NaNs come last. Throws BadValue unless all are of one
// kind.
void Sort(std::vector<AnyValue>& values, bool descending);

// The initial contents: the first argument, if there is one.
template <typename T>
T Initially(const ListReader& arguments) {
  return arguments.size() == 0 ? T() : Decode<T>(arguments[0]);
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_VALUES_H_
