// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/value.h.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_VALUE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_VALUE_OBJECT_H_

#include <string>
#include <utility>

#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/manager/server/types/values.h"
#include "remoteobj/manager/value.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class ValueObject final : public ValueInterface<AnyValue> {
 public:
  explicit ValueObject(AnyValue value) : value_(std::move(value)) {}

  AnyValue get() const override { return value_; }
  std::string to_string() const override { return Shown(value_); }

  void set(AnyValue value) override { value_ = std::move(value); }
  AnyValue exchange(AnyValue value) override { return std::exchange(value_, std::move(value)); }
  void add(const AnyValue& by, ElementType type, bool minus) override {
    AddNumber(value_, by, type, minus);
  }
  void append(const AnyValue& by) override { AppendText(value_, by); }
  bool compare_exchange(const AnyValue& expected, AnyValue desired) override {
    return CompareExchange(value_, expected, std::move(desired));
  }

  void Scan(ReferenceScan& scan) const { scan.Add(value_); }

 private:
  AnyValue value_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_VALUE_OBJECT_H_
