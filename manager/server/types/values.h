// SPDX-License-Identifier: MIT
//
// What built-in objects do with the values in them, which they keep as they came.
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

// As it would be written in a program, whole lists and maps too; cut short.
std::string Shown(const AnyValue& value);

// Values between brackets: [1, 2, …].
class Listing {
 public:
  explicit Listing(std::string_view open) : text_(open) {}

  // Begins the next one. Returns false if it is long enough.
  bool Next();
  Listing& Add(std::string_view text);
  Listing& Add(const AnyValue& value);
  std::string Close(std::string_view close);

 private:
  std::string text_;
  bool first_ = true;
};

// Calls `f` with the Tag of the number's type, and returns what it returns.
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

// The sum, or the difference. Throws std::overflow_error if no number of that type is it; floats
// become infinite.
template <typename T>
T Sum(T a, T b, bool minus);

// What `+=` and `-=` are on the server.
void AddNumber(AnyValue& at, const AnyValue& by, ElementType type, bool minus);
void AppendText(AnyValue& at, const AnyValue& by);
// Returns whether it was the expected one.
bool CompareExchange(AnyValue& at, const AnyValue& expected, AnyValue desired);

// Where an index of Python's is: negative ones count from the end. Throws std::out_of_range.
std::size_t PlaceOf(std::int64_t index, std::size_t size, std::string_view what);
// The same for the ends of a slice, which are cut to what there is.
struct Slice {
  Slice(std::int64_t begin, std::int64_t end, std::size_t size);
  std::size_t size() const { return end - begin; }
  std::size_t begin;
  std::size_t end;
};

// In their natural order: numbers or texts, all of one kind. NaNs come last.
void Sort(std::vector<AnyValue>& values, bool descending);

// The initial contents: the first argument, if there is one.
template <typename T>
T Initially(const ListReader& arguments) {
  return arguments.size() == 0 ? T() : Decode<T>(arguments[0]);
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_VALUES_H_
