// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/dict.h.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for a key that is not there.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_DICT_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_DICT_OBJECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/manager/server/types/ordered.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class DictObject final : public DictInterface<AnyValue, AnyValue> {
 public:
  explicit DictObject(Items items) { update(std::move(items)); }

  std::size_t size() const override { return entries_.size(); }
  bool contains(const AnyValue& key) const override { return entries_.Contains(key); }
  AnyValue at(const AnyValue& key) const override;
  Maybe<AnyValue> get(const AnyValue& key) const override;
  Keys keys() const override;
  Values values() const override;
  Items items() const override;
  std::pair<std::uint64_t, Items> chunk(const Keys& after, std::uint64_t size,
                                        std::uint64_t count) const override;
  Items merged(Items items) const override;
  std::string to_string() const override;

  void insert_or_assign(AnyValue key, AnyValue value) override;
  bool insert(AnyValue key, AnyValue value) override;
  AnyValue setdefault(AnyValue key, AnyValue value) override;
  void update(Items items) override;
  std::size_t erase(const AnyValue& key) override { return entries_.Erase(key) ? 1 : 0; }
  void remove(const AnyValue& key) override;
  AnyValue pop(const AnyValue& key) override;
  AnyValue pop(const AnyValue& key, AnyValue fallback) override;
  Item popitem() override;
  void clear() override { entries_.Clear(); }

  void add(const AnyValue& key, const AnyValue& by, ElementType type, bool minus) override;
  void append(const AnyValue& key, const AnyValue& by) override;
  bool compare_exchange(const AnyValue& key, const AnyValue& expected, AnyValue desired) override;

  void Scan(ReferenceScan& scan) const;

 private:
  const AnyValue& Value(const AnyValue& key) const;
  AnyValue& Value(const AnyValue& key);

  Ordered<AnyValue> entries_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_DICT_OBJECT_H_
