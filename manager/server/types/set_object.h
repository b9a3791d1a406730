// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/set.h.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for a value that is not in it.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_SET_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_SET_OBJECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/manager/server/types/ordered.h"
#include "remoteobj/manager/set.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj::manager_internal {

class SetObject final : public SetInterface<AnyValue, Elements<AnyValue>> {
 public:
  explicit SetObject(Values values) { update(std::move(values)); }

  std::size_t size() const override { return values_.size(); }
  bool contains(const AnyValue& value) const override { return values_.Contains(value); }
  Values copy() const override;
  std::pair<std::uint64_t, Values> chunk(const Values& after, std::uint64_t size,
                                         std::uint64_t count) const override;
  std::string to_string() const override;

  Values union_with(Values others) const override;
  Values intersection(Values others) const override;
  Values difference(Values others) const override;
  Values symmetric_difference(Values others) const override;
  bool isdisjoint(const Values& others) const override;
  bool issubset(Values others) const override;
  bool issuperset(const Values& others) const override;

  bool insert(AnyValue value) override { return values_.Insert(std::move(value), {}).second; }
  std::size_t erase(const AnyValue& value) override { return values_.Erase(value) ? 1 : 0; }
  void remove(const AnyValue& value) override;
  AnyValue pop() override;
  void clear() override { values_.Clear(); }
  void update(Values others) override;
  void intersection_update(Values others) override;
  void difference_update(const Values& others) override;
  void symmetric_difference_update(Values others) override;

  void Scan(ReferenceScan& scan) const;

 private:
  Ordered<std::monostate> values_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_SET_OBJECT_H_
