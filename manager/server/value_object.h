// SPDX-License-Identifier: MIT
//
// A value in a manager's server: what remoteobj/manager/value.h calls by name.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_VALUE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_VALUE_OBJECT_H_

#include <string>
#include <utility>

#include "remoteobj/manager/server/values.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class ValueObject {
 public:
  explicit ValueObject(AnyValue value) : value_(std::move(value)) {}

  AnyValue at() const { return value_; }
  std::string to_string() const { return Shown(value_); }

  void set(AnyValue value) { value_ = std::move(value); }
  AnyValue exchange(AnyValue value) { return std::exchange(value_, std::move(value)); }
  void add(const AnyValue& by, ElementType type, bool minus) { AddNumber(value_, by, type, minus); }
  void append(const AnyValue& by) { AppendText(value_, by); }
  bool compare_exchange(const AnyValue& expected, AnyValue desired) {
    return CompareExchange(value_, expected, std::move(desired));
  }

 private:
  AnyValue value_;
};
REMOTEOBJ_DESCRIBE(ValueObject, at, to_string, set, exchange, add, append, compare_exchange)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_VALUE_OBJECT_H_
