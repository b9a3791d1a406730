// SPDX-License-Identifier: MIT
//
// A set in a manager's server: what remoteobj/manager/set.h calls by name.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for a value that is not in it.
#ifndef REMOTEOBJ_MANAGER_SERVER_SET_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_SET_OBJECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "remoteobj/manager/server/ordered.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj::manager_internal {

class SetObject {
 public:
  using Values = std::vector<AnyValue>;

  explicit SetObject(Values values) { update(std::move(values)); }

  std::uint64_t size() const { return values_.size(); }
  bool contains(const AnyValue& value) const { return values_.Contains(value); }
  Values copy() const;
  // As DictObject's.
  std::pair<std::uint64_t, Values> chunk(const Values& after, std::uint64_t size,
                                         std::uint64_t count) const;
  std::string to_string() const;

  Values union_with(Values others) const;
  Values intersection(Values others) const;
  Values difference(Values others) const;
  Values symmetric_difference(Values others) const;
  bool isdisjoint(const Values& others) const;
  bool issubset(Values others) const;
  bool issuperset(const Values& others) const;

  // Returns whether it is new.
  bool insert(AnyValue value) { return values_.Insert(std::move(value), {}).second; }
  bool erase(const AnyValue& value) { return values_.Erase(value); }
  void remove(const AnyValue& value);
  AnyValue pop();
  void clear() { values_.Clear(); }
  void update(Values others);
  void intersection_update(Values others);
  void difference_update(const Values& others);
  void symmetric_difference_update(Values others);

 private:
  Ordered<std::monostate> values_;
};
REMOTEOBJ_DESCRIBE(SetObject, size, contains, copy, chunk, to_string, union_with, intersection,
                   difference, symmetric_difference, isdisjoint, issubset, issuperset, insert,
                   erase, remove, pop, clear, update, intersection_update, difference_update,
                   symmetric_difference_update)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_SET_OBJECT_H_
