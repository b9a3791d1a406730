// SPDX-License-Identifier: MIT
//
// A map from keys of any type to T, in the order of insertion.
//
//   Ordered<AnyValue> entries;
//   entries.Insert(key, value);                         // false if it is there
//   if (auto* entry = entries.Find(key)) entry->mapped = other;
//
// Keys are equal if their encodings are. Every operation takes constant time.
//
// Threads:  under the server's lock, as its objects.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_ORDERED_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_ORDERED_H_

#include <cstddef>
#include <iterator>
#include <list>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj::manager_internal {

template <typename T>
class Ordered {
 public:
  struct Entry {
    AnyValue key;
    T mapped;
  };
  using const_iterator = typename std::list<Entry>::const_iterator;

  Ordered() = default;
  Ordered(const Ordered&) = delete;
  Ordered& operator=(const Ordered&) = delete;

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }

  bool Contains(const AnyValue& key) const { return places_.contains(key); }
  // Returns null if the key is not there.
  Entry* Find(const AnyValue& key) {
    const auto at = places_.find(key);
    return at == places_.end() ? nullptr : &**at;
  }
  const Entry* Find(const AnyValue& key) const { return const_cast<Ordered*>(this)->Find(key); }
  // The next element of an iteration: after the key in `after`, or the first if that is empty.
  // Throws std::runtime_error if the size is no longer `size`, or the key is gone.
  const_iterator Next(const std::vector<AnyValue>& after, std::size_t size) const {
    if (after.empty()) return begin();
    const auto at = places_.find(after[0]);
    if (at == places_.end() || size != entries_.size()) {
      throw std::runtime_error(absl::StrCat("changed while it was iterated: there were ", size,
                                            " items, and are ", entries_.size()));
    }
    return std::next(const_iterator(*at));
  }

  // The element after the key; the end if the key is gone.
  const_iterator After(const AnyValue& key) const {
    const auto at = places_.find(key);
    return at == places_.end() ? end() : std::next(const_iterator(*at));
  }

  // The entry of that key, and true if it is new.
  std::pair<Entry*, bool> Insert(AnyValue key, T mapped) {
    if (Entry* entry = Find(key)) return {entry, false};
    entries_.push_back({std::move(key), std::move(mapped)});
    places_.insert(std::prev(entries_.end()));
    return {&entries_.back(), true};
  }
  bool Erase(const AnyValue& key) {
    const auto at = places_.find(key);
    if (at == places_.end()) return false;
    const Place place = *at;
    places_.erase(at);
    entries_.erase(place);
    return true;
  }
  // REQUIRES: not empty.
  Entry PopBack() { return Take(std::prev(entries_.end())); }
  Entry PopFront() { return Take(entries_.begin()); }
  void Clear() {
    places_.clear();
    entries_.clear();
  }

 private:
  using Place = typename std::list<Entry>::iterator;

  static const AnyValue& KeyOf(const AnyValue& key) { return key; }
  static const AnyValue& KeyOf(const Place& place) { return place->key; }
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const auto& at) const { return absl::HashOf(KeyOf(at)); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return KeyOf(a) == KeyOf(b); }
  };

  Entry Take(Place place) {
    places_.erase(place);
    Entry entry = std::move(*place);
    entries_.erase(place);
    return entry;
  }

  std::list<Entry> entries_;
  absl::flat_hash_set<Place, Hash, Equal> places_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_ORDERED_H_
