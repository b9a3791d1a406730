// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/set_object.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/types/values.h"

namespace remoteobj::manager_internal {

SetObject::Values SetObject::copy() const {
  Values values;
  values.reserve(values_.size());
  for (const auto& entry : values_) values.push_back(entry.key);
  return values;
}

std::pair<std::uint64_t, SetObject::Values> SetObject::chunk(const Values& after,
                                                             std::uint64_t size,
                                                             std::uint64_t count) const {
  Values values;
  for (auto at = values_.Next(after, size); at != values_.end() && values.size() < count; ++at) {
    values.push_back(at->key);
  }
  return {values_.size(), std::move(values)};
}

std::string SetObject::to_string() const {
  Listing listing("{");
  for (const auto& entry : values_) {
    if (!listing.Next()) break;
    listing.Add(entry.key);
  }
  return listing.Close("}");
}

SetObject::Values SetObject::union_with(Values others) const {
  SetObject result(copy());
  result.update(std::move(others));
  return result.copy();
}

SetObject::Values SetObject::intersection(Values others) const {
  const SetObject other(std::move(others));
  Values result;
  for (const auto& entry : values_) {
    if (other.contains(entry.key)) result.push_back(entry.key);
  }
  return result;
}

SetObject::Values SetObject::difference(Values others) const {
  const SetObject other(std::move(others));
  Values result;
  for (const auto& entry : values_) {
    if (!other.contains(entry.key)) result.push_back(entry.key);
  }
  return result;
}

SetObject::Values SetObject::symmetric_difference(Values others) const {
  SetObject result(copy());
  result.symmetric_difference_update(std::move(others));
  return result.copy();
}

bool SetObject::isdisjoint(const Values& others) const {
  return std::none_of(others.begin(), others.end(),
                      [&](const AnyValue& value) { return contains(value); });
}

bool SetObject::issubset(Values others) const {
  const SetObject other(std::move(others));
  return std::all_of(values_.begin(), values_.end(),
                     [&](const auto& entry) { return other.contains(entry.key); });
}

bool SetObject::issuperset(const Values& others) const {
  return std::all_of(others.begin(), others.end(),
                     [&](const AnyValue& value) { return contains(value); });
}

void SetObject::remove(const AnyValue& value) {
  if (erase(value) == 0) throw std::out_of_range(absl::StrCat(Shown(value), " is not in the set"));
}

AnyValue SetObject::pop() {
  if (values_.empty()) throw std::out_of_range("pop: the set is empty");
  return values_.PopFront().key;
}

void SetObject::update(Values others) {
  for (AnyValue& value : others) insert(std::move(value));
}

void SetObject::intersection_update(Values others) {
  Values kept = intersection(std::move(others));
  clear();
  update(std::move(kept));
}

void SetObject::difference_update(const Values& others) {
  for (const AnyValue& value : others) erase(value);
}

void SetObject::symmetric_difference_update(Values others) {
  // A value that is given twice counts once.
  SetObject other(std::move(others));
  for (AnyValue& value : other.copy()) {
    if (erase(value) == 0) insert(std::move(value));
  }
}

void SetObject::Scan(ReferenceScan& scan) const {
  auto at = scan.last_key ? values_.After(*scan.last_key) : values_.begin();
  scan.last_key.reset();  // Its references would count as from outside.
  scan.Look(at, values_.end(), [&](const auto& entry) { scan.Add(entry.key); });
  if (!scan.done) scan.last_key = std::prev(at)->key;
}

}  // namespace remoteobj::manager_internal
