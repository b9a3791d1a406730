// SPDX-License-Identifier: MIT
//
// A dictionary in a manager's server: what remoteobj/manager/dict.h calls by name.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for a key that is not there.
#ifndef REMOTEOBJ_MANAGER_SERVER_DICT_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_DICT_OBJECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/manager/server/ordered.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class DictObject {
 public:
  using Items = std::vector<std::pair<AnyValue, AnyValue>>;

  explicit DictObject(Items items) { update(std::move(items)); }

  std::uint64_t size() const { return entries_.size(); }
  bool contains(const AnyValue& key) const { return entries_.Contains(key); }
  AnyValue at(const AnyValue& key) const;
  // None, or one.
  std::vector<AnyValue> get(const AnyValue& key) const;
  std::vector<AnyValue> keys() const;
  std::vector<AnyValue> values() const;
  Items items() const;
  // How many it has, and at most `count` items behind the key of `after`, or from the beginning if
  // that is empty. Throws std::runtime_error if it no longer has `size` items, or that key.
  std::pair<std::uint64_t, Items> chunk(const std::vector<AnyValue>& after, std::uint64_t size,
                                        std::uint64_t count) const;
  // The items that there would be after an update.
  Items merged(Items items) const;
  std::string to_string() const;

  void set(AnyValue key, AnyValue value);
  // Returns false if it is there, and lets it be.
  bool insert(AnyValue key, AnyValue value);
  // Returns what is there then.
  AnyValue setdefault(AnyValue key, AnyValue value);
  void update(Items items);
  bool erase(const AnyValue& key) { return entries_.Erase(key); }
  void remove(const AnyValue& key);
  AnyValue pop(const AnyValue& key);
  std::vector<AnyValue> take(const AnyValue& key);
  std::pair<AnyValue, AnyValue> popitem();
  void clear() { entries_.Clear(); }

  // Of one value.
  void add(const AnyValue& key, const AnyValue& by, ElementType type, bool minus);
  void append(const AnyValue& key, const AnyValue& by);
  bool compare_exchange(const AnyValue& key, const AnyValue& expected, AnyValue desired);

 private:
  const AnyValue& Value(const AnyValue& key) const;
  AnyValue& Value(const AnyValue& key);

  Ordered<AnyValue> entries_;
};
REMOTEOBJ_DESCRIBE(DictObject, size, contains, at, get, keys, values, items, chunk, merged,
                   to_string, set, insert, setdefault, update, erase, remove, pop, take, popitem,
                   clear, add, append, compare_exchange)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_DICT_OBJECT_H_
