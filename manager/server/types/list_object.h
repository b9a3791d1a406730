// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/list.h.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for an index beyond the ends; std::invalid_argument for a value that
//           is not in it.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_LIST_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_LIST_OBJECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/manager/list.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class ListObject final : public ListInterface<AnyValue> {
 public:
  explicit ListObject(Values values) : values_(std::move(values)) {}

  std::size_t size() const override { return values_.size(); }
  AnyValue at(std::int64_t index) const override;
  Values slice(std::int64_t begin, std::int64_t end) const override;
  bool contains(const AnyValue& value) const override;
  std::size_t count(const AnyValue& value) const override;
  std::size_t index(const AnyValue& value, std::int64_t begin, std::int64_t end) const override;
  std::string to_string() const override;

  void set(std::int64_t index, AnyValue value) override;
  void assign(std::int64_t begin, std::int64_t end, Values values) override;
  void insert(std::int64_t index, AnyValue value) override;
  void extend(Values values) override;
  void repeat(std::int64_t times) override;
  void erase(std::int64_t index) override;
  void erase(std::int64_t begin, std::int64_t end) override { assign(begin, end, {}); }
  AnyValue pop(std::int64_t index) override;
  void remove(const AnyValue& value) override;
  void clear() override { values_.clear(); }
  void reverse() override;
  void sort(bool descending) override;

  void add(std::int64_t index, const AnyValue& by, ElementType type, bool minus) override;
  void append(std::int64_t index, const AnyValue& by) override;
  bool compare_exchange(std::int64_t index, const AnyValue& expected, AnyValue desired) override;

  void Scan(ReferenceScan& scan) const;

 private:
  AnyValue& Value(std::int64_t index);

  Values values_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_LIST_OBJECT_H_
