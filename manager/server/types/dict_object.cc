// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/dict_object.h"

#include <iterator>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/types/values.h"

namespace remoteobj::manager_internal {
namespace {

[[noreturn]] void ThrowNoKey(const AnyValue& key) {
  throw std::out_of_range(absl::StrCat("no key ", Shown(key)));
}

}  // namespace

const AnyValue& DictObject::Value(const AnyValue& key) const {
  const auto* entry = entries_.Find(key);
  if (entry == nullptr) ThrowNoKey(key);
  return entry->mapped;
}

AnyValue& DictObject::Value(const AnyValue& key) {
  return const_cast<AnyValue&>(std::as_const(*this).Value(key));
}

AnyValue DictObject::at(const AnyValue& key) const { return Value(key); }

Maybe<AnyValue> DictObject::get(const AnyValue& key) const {
  const auto* entry = entries_.Find(key);
  if (entry == nullptr) return std::nullopt;
  return entry->mapped;
}

DictObject::Keys DictObject::keys() const {
  Keys keys;
  keys.reserve(entries_.size());
  for (const auto& entry : entries_) keys.push_back(entry.key);
  return keys;
}

DictObject::Values DictObject::values() const {
  Values values;
  values.reserve(entries_.size());
  for (const auto& entry : entries_) values.push_back(entry.mapped);
  return values;
}

DictObject::Items DictObject::items() const {
  Items items;
  items.reserve(entries_.size());
  for (const auto& entry : entries_) items.emplace_back(entry.key, entry.mapped);
  return items;
}

std::pair<std::uint64_t, DictObject::Items> DictObject::chunk(const Keys& after, std::uint64_t size,
                                                              std::uint64_t count) const {
  Items items;
  for (auto at = entries_.Next(after, size); at != entries_.end() && items.size() < count; ++at) {
    items.emplace_back(at->key, at->mapped);
  }
  return {entries_.size(), std::move(items)};
}

DictObject::Items DictObject::merged(Items items) const {
  DictObject all(this->items());
  all.update(std::move(items));
  return all.items();
}

std::string DictObject::to_string() const {
  Listing listing("{");
  for (const auto& entry : entries_) {
    if (!listing.Next()) break;
    listing.Add(entry.key).Add(": ").Add(entry.mapped);
  }
  return listing.Close("}");
}

void DictObject::insert_or_assign(AnyValue key, AnyValue value) {
  if (auto* entry = entries_.Find(key)) {
    entry->mapped = std::move(value);
  } else {
    entries_.Insert(std::move(key), std::move(value));
  }
}

bool DictObject::insert(AnyValue key, AnyValue value) {
  return entries_.Insert(std::move(key), std::move(value)).second;
}

AnyValue DictObject::setdefault(AnyValue key, AnyValue value) {
  return entries_.Insert(std::move(key), std::move(value)).first->mapped;
}

void DictObject::update(Items items) {
  for (auto& [key, value] : items) insert_or_assign(std::move(key), std::move(value));
}

void DictObject::remove(const AnyValue& key) {
  if (!entries_.Erase(key)) ThrowNoKey(key);
}

AnyValue DictObject::pop(const AnyValue& key) {
  AnyValue value = std::move(Value(key));
  entries_.Erase(key);
  return value;
}

AnyValue DictObject::pop(const AnyValue& key, AnyValue fallback) {
  return entries_.Contains(key) ? pop(key) : std::move(fallback);
}

DictObject::Item DictObject::popitem() {
  if (entries_.empty()) throw std::out_of_range("popitem: the dictionary is empty");
  auto entry = entries_.PopBack();
  return {std::move(entry.key), std::move(entry.mapped)};
}

void DictObject::add(const AnyValue& key, const AnyValue& by, ElementType type, bool minus) {
  AddNumber(Value(key), by, type, minus);
}

void DictObject::append(const AnyValue& key, const AnyValue& by) { AppendText(Value(key), by); }

bool DictObject::compare_exchange(const AnyValue& key, const AnyValue& expected, AnyValue desired) {
  return CompareExchange(Value(key), expected, std::move(desired));
}

void DictObject::Scan(ReferenceScan& scan) const {
  auto at = scan.last_key ? entries_.After(*scan.last_key) : entries_.begin();
  scan.last_key.reset();  // Its references would count as from outside.
  scan.Look(at, entries_.end(), [&](const auto& entry) {
    scan.Add(entry.key);
    scan.Add(entry.mapped);
  });
  if (!scan.done) scan.last_key = std::prev(at)->key;
}

}  // namespace remoteobj::manager_internal
