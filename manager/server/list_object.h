// SPDX-License-Identifier: MIT
//
// A list in a manager's server: what remoteobj/manager/list.h calls by name. Indexes and slices are
// Python's: negative ones count from the end.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for an index beyond the ends; std::invalid_argument for a value that
//           is not in it.
#ifndef REMOTEOBJ_MANAGER_SERVER_LIST_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_LIST_OBJECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class ListObject {
 public:
  using Values = std::vector<AnyValue>;

  explicit ListObject(Values values) : values_(std::move(values)) {}

  std::uint64_t size() const { return values_.size(); }
  AnyValue at(std::int64_t index) const;
  Values slice(std::int64_t begin, std::int64_t end) const;
  bool contains(const AnyValue& value) const;
  std::uint64_t count(const AnyValue& value) const;
  std::uint64_t index(const AnyValue& value, std::int64_t begin, std::int64_t end) const;
  std::string to_string() const;

  void set(std::int64_t index, AnyValue value);
  void assign(std::int64_t begin, std::int64_t end, Values values);
  // Before that index, which is cut to what there is.
  void insert(std::int64_t index, AnyValue value);
  void extend(Values values);
  // Becomes that many times itself.
  void repeat(std::int64_t times);
  void erase(std::int64_t index);
  void erase_slice(std::int64_t begin, std::int64_t end) { assign(begin, end, {}); }
  AnyValue pop(std::int64_t index);
  void remove(const AnyValue& value);
  void clear() { values_.clear(); }
  void reverse();
  void sort(bool descending);

  // Of one value.
  void add(std::int64_t index, const AnyValue& by, ElementType type, bool minus);
  void append(std::int64_t index, const AnyValue& by);
  bool compare_exchange(std::int64_t index, const AnyValue& expected, AnyValue desired);

 private:
  AnyValue& Value(std::int64_t index);

  Values values_;
};
REMOTEOBJ_DESCRIBE(ListObject, size, at, slice, contains, count, index, to_string, set, assign,
                   insert, extend, repeat, erase, erase_slice, pop, remove, clear, reverse, sort,
                   add, append, compare_exchange)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_LIST_OBJECT_H_
