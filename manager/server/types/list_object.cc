// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/list_object.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/types/values.h"

namespace remoteobj::manager_internal {
namespace {

[[noreturn]] void ThrowNoValue(const AnyValue& value) {
  throw std::invalid_argument(absl::StrCat(Shown(value), " is not in the list"));
}

}  // namespace

AnyValue& ListObject::Value(std::int64_t index) {
  return values_[PlaceOf(index, values_.size(), "list")];
}

AnyValue ListObject::at(std::int64_t index) const {
  return values_[PlaceOf(index, values_.size(), "list")];
}

ListObject::Values ListObject::slice(std::int64_t begin, std::int64_t end) const {
  const Slice slice(begin, end, values_.size());
  return std::vector<AnyValue>(values_.begin() + static_cast<std::ptrdiff_t>(slice.begin),
                               values_.begin() + static_cast<std::ptrdiff_t>(slice.end));
}

bool ListObject::contains(const AnyValue& value) const { return count(value) != 0; }

std::size_t ListObject::count(const AnyValue& value) const {
  return static_cast<std::uint64_t>(std::count(values_.begin(), values_.end(), value));
}

std::size_t ListObject::index(const AnyValue& value, std::int64_t begin, std::int64_t end) const {
  const Slice slice(begin, end, values_.size());
  for (std::size_t i = slice.begin; i < slice.end; ++i) {
    if (values_[i] == value) return i;
  }
  ThrowNoValue(value);
}

std::string ListObject::to_string() const {
  Listing listing("[");
  for (const AnyValue& value : values_) {
    if (!listing.Next()) break;
    listing.Add(value);
  }
  return listing.Close("]");
}

void ListObject::set(std::int64_t index, AnyValue value) { Value(index) = std::move(value); }

void ListObject::assign(std::int64_t begin, std::int64_t end, Values values) {
  const Slice slice(begin, end, values_.size());
  const auto at = values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(slice.begin),
                                values_.begin() + static_cast<std::ptrdiff_t>(slice.end));
  values_.insert(at, std::make_move_iterator(values.begin()),
                 std::make_move_iterator(values.end()));
}

void ListObject::insert(std::int64_t index, AnyValue value) {
  const Slice at(index, index, values_.size());
  values_.insert(values_.begin() + static_cast<std::ptrdiff_t>(at.begin), std::move(value));
}

void ListObject::extend(Values values) {
  values_.insert(values_.end(), std::make_move_iterator(values.begin()),
                 std::make_move_iterator(values.end()));
}

void ListObject::repeat(std::int64_t times) {
  if (times <= 0) return clear();
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  const std::size_t size = values_.size();
  std::size_t bytes = 0;
  for (const AnyValue& value : values_) bytes += sizeof value + value.bytes();
  if (bytes > kMostBytes / static_cast<std::uint64_t>(times)) {
    throw std::length_error(absl::StrCat("a list of ", size, " values, ", bytes, " bytes, ", times,
                                         " times: 1 GiB is the most that a call can ask for"));
  }
  values_.reserve(size * static_cast<std::size_t>(times));
  for (std::size_t i = size; i < size * static_cast<std::size_t>(times); ++i) {
    values_.push_back(values_[i - size]);
  }
}

void ListObject::erase(std::int64_t index) {
  const std::size_t place = PlaceOf(index, values_.size(), "list");
  values_.erase(values_.begin() + static_cast<std::ptrdiff_t>(place));
}

AnyValue ListObject::pop(std::int64_t index) {
  AnyValue value = std::move(Value(index));
  erase(index);
  return value;
}

void ListObject::remove(const AnyValue& value) {
  const auto at = std::find(values_.begin(), values_.end(), value);
  if (at == values_.end()) ThrowNoValue(value);
  values_.erase(at);
}

void ListObject::reverse() { std::reverse(values_.begin(), values_.end()); }

void ListObject::sort(bool descending) { Sort(values_, descending); }

void ListObject::add(std::int64_t index, const AnyValue& by, ElementType type, bool minus) {
  AddNumber(Value(index), by, type, minus);
}

void ListObject::append(std::int64_t index, const AnyValue& by) { AppendText(Value(index), by); }

bool ListObject::compare_exchange(std::int64_t index, const AnyValue& expected, AnyValue desired) {
  return CompareExchange(Value(index), expected, std::move(desired));
}

void ListObject::Scan(ReferenceScan& scan) const {
  auto at = values_.begin() +
            static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(scan.last_number, values_.size()));
  scan.Look(at, values_.end(), [&](const AnyValue& value) { scan.Add(value); });
  scan.last_number = static_cast<std::uint64_t>(at - values_.begin());
}

}  // namespace remoteobj::manager_internal
