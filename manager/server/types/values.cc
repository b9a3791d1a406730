// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

constexpr std::size_t kEnough = 300;
constexpr std::string_view kAndSoOn = "…";

// Adds a separator between values. Returns false if the text is long enough.
bool Separate(std::string& out, bool first) {
  if (!first) out += ", ";
  if (out.size() < kEnough) return true;
  out += kAndSoOn;
  return false;
}

void Show(std::string& out, const ValueReader& in);

void ShowText(std::string& out, std::string_view text) {
  const bool whole = text.size() <= kEnough;
  const std::string shown(text.substr(0, kEnough));
  absl::StrAppend(&out, "\"", absl::Utf8SafeCEscape(shown), whole ? "" : std::string(kAndSoOn),
                  "\"");
}

// Without a copy: the text may be large.
void ShowArray(std::string& out, const ValueReader& in) {
  const ElementType type = in.element_type();
  if (type == ElementType::kBool) {
    absl::StrAppend(&out, "[", in.ArrayBytes(type), " bools]");
    return;
  }
  WithNumberType(type, [&]<typename T>(Tag<T>) {
    bool first = true;
    bool enough = false;
    out += "[";
    in.EachArrayPiece(type, [&](std::span<const std::byte> piece) {
      const T* const numbers = reinterpret_cast<const T*>(piece.data());
      for (std::size_t i = 0; i < piece.size() / sizeof(T) && !enough; ++i) {
        enough = !Separate(out, std::exchange(first, false));
        if (!enough) absl::StrAppend(&out, numbers[i]);
      }
    });
    out += "]";
  });
}

void ShowList(std::string& out, const ListReader& list) {
  out += "[";
  for (std::size_t i = 0; i < list.size() && Separate(out, i == 0); ++i) Show(out, list[i]);
  out += "]";
}

void ShowMap(std::string& out, const MapReader& map) {
  out += "{";
  for (std::size_t i = 0; i < map.size() && Separate(out, i == 0); ++i) {
    Show(out, map.Key(i));
    out += ": ";
    Show(out, map.Value(i));
  }
  out += "}";
}

void ShowRecord(std::string& out, const RecordReader& record) {
  absl::StrAppend(&out, std::string(record.type()), "(");
  for (std::size_t i = 0; i < record.size() && Separate(out, i == 0); ++i) {
    absl::StrAppend(&out, std::string(record.name(i)), "=");
    Show(out, record.Field(i, record.name(i)));
  }
  out += ")";
}

void Show(std::string& out, const ValueReader& in) {
  switch (in.kind()) {
    case ValueKind::kNull:
      out += "null";
      return;
    case ValueKind::kText:
      if (in.IsShortText()) return ShowText(out, in.ShortText());
      out += in.DebugString();
      return;
    case ValueKind::kArray:
      return ShowArray(out, in);
    case ValueKind::kList:
      return ShowList(out, in.AsList());
    case ValueKind::kMap:
      return ShowMap(out, in.AsMap());
    case ValueKind::kRecord:
      return ShowRecord(out, in.AsRecord());
    case ValueKind::kObject:
      absl::StrAppend(&out, "<", std::string(in.ObjectType()), " ", in.AsObject(), ">");
      return;
    case ValueKind::kBool:
    case ValueKind::kInt:
    case ValueKind::kUInt:
    case ValueKind::kFloat:
    case ValueKind::kData:
    case ValueKind::kUnknown:
      out += in.DebugString();
      return;
  }
}

ValueKind KindOf(const AnyValue& value) {
  ValueKind kind = ValueKind::kNull;
  value.Read([&](const ValueReader& in) { kind = in.kind(); });
  return kind;
}

template <typename T>
bool Before(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return !std::isnan(a);
  }
  return a < b;
}

template <typename T>
void SortAs(std::vector<AnyValue>& values, bool descending) {
  std::vector<std::pair<T, std::size_t>> keys;
  keys.reserve(values.size());
  for (const AnyValue& value : values) keys.emplace_back(value.As<T>(), keys.size());
  std::stable_sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    return descending ? Before(b.first, a.first) : Before(a.first, b.first);
  });
  std::vector<AnyValue> sorted;
  sorted.reserve(values.size());
  for (const auto& [key, at] : keys) sorted.push_back(std::move(values[at]));
  values = std::move(sorted);
}

}  // namespace

std::string Shown(const AnyValue& value) {
  std::string text;
  value.Read([&](const ValueReader& in) { Show(text, in); });
  return text;
}

// Listing

bool Listing::Next() { return Separate(text_, std::exchange(first_, false)); }

Listing& Listing::Add(std::string_view text) {
  text_ += text;
  return *this;
}

Listing& Listing::Add(const AnyValue& value) {
  value.Read([&](const ValueReader& in) { Show(text_, in); });
  return *this;
}

std::string Listing::Close(std::string_view close) {
  text_ += close;
  return std::move(text_);
}

// Numbers and texts

template <typename T>
T Sum(T a, T b, bool minus) {
  if constexpr (std::is_floating_point_v<T>) {
    return minus ? a - b : a + b;
  } else {
    T sum;
    if (minus ? __builtin_sub_overflow(a, b, &sum) : __builtin_add_overflow(a, b, &sum)) {
      throw std::overflow_error(absl::StrCat(a, minus ? " - " : " + ", b, " is not within [",
                                             std::numeric_limits<T>::min(), ", ",
                                             std::numeric_limits<T>::max(), "]"));
    }
    return sum;
  }
}
template std::int8_t Sum(std::int8_t, std::int8_t, bool);
template std::uint8_t Sum(std::uint8_t, std::uint8_t, bool);
template std::int16_t Sum(std::int16_t, std::int16_t, bool);
template std::uint16_t Sum(std::uint16_t, std::uint16_t, bool);
template std::int32_t Sum(std::int32_t, std::int32_t, bool);
template std::uint32_t Sum(std::uint32_t, std::uint32_t, bool);
template std::int64_t Sum(std::int64_t, std::int64_t, bool);
template std::uint64_t Sum(std::uint64_t, std::uint64_t, bool);
template float Sum(float, float, bool);
template double Sum(double, double, bool);

void AddNumber(AnyValue& at, const AnyValue& by, ElementType type, bool minus) {
  WithNumberType(
      type, [&]<typename T>(Tag<T>) { at = AnyValue::Of(Sum<T>(at.As<T>(), by.As<T>(), minus)); });
}

void AppendText(AnyValue& at, const AnyValue& by) {
  at = AnyValue::Of(at.As<std::string>() + by.As<std::string>());
}

bool CompareExchange(AnyValue& at, const AnyValue& expected, AnyValue desired) {
  if (at != expected) return false;
  at = std::move(desired);
  return true;
}

// Indexes

std::size_t PlaceOf(std::int64_t index, std::size_t size, std::string_view what) {
  const auto signed_size = static_cast<std::int64_t>(size);
  const std::int64_t place = index < 0 ? index + signed_size : index;
  if (place < 0 || place >= signed_size) {
    throw std::out_of_range(
        absl::StrCat("no item ", index, ": the ", std::string(what), " has ", size));
  }
  return static_cast<std::size_t>(place);
}

Slice::Slice(std::int64_t from, std::int64_t to, std::size_t size) {
  const auto signed_size = static_cast<std::int64_t>(size);
  const auto cut = [&](std::int64_t i) {
    return std::clamp<std::int64_t>(i < 0 ? i + signed_size : i, 0, signed_size);
  };
  begin = static_cast<std::size_t>(cut(from));
  end = std::max(begin, static_cast<std::size_t>(cut(to)));
}

void Sort(std::vector<AnyValue>& values, bool descending) {
  if (values.empty()) return;
  // Only integers beyond std::int64_t have the kind UInt.
  bool unsigned_ones = false;
  const auto kind_of = [&](const AnyValue& value) {
    const ValueKind kind = KindOf(value);
    if (kind == ValueKind::kUInt) unsigned_ones = true;
    return kind == ValueKind::kUInt ? ValueKind::kInt : kind;
  };
  const ValueKind kind = kind_of(values[0]);
  for (const AnyValue& value : values) {
    if (kind_of(value) != kind) {
      throw BadValue(absl::StrCat("can't sort ", Shown(values[0]), " and ", Shown(value),
                                  ", which are of different kinds"));
    }
  }
  switch (kind) {
    case ValueKind::kInt:
      return unsigned_ones ? SortAs<std::uint64_t>(values, descending)
                           : SortAs<std::int64_t>(values, descending);
    case ValueKind::kFloat:
      return SortAs<double>(values, descending);
    case ValueKind::kText:
      return SortAs<std::string>(values, descending);
    default:
      throw BadValue(absl::StrCat("can't sort ", Shown(values[0]),
                                  ": only numbers and texts have an order here. Get a copy, and "
                                  "sort that"));
  }
}

}  // namespace remoteobj::manager_internal
