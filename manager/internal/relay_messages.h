// SPDX-License-Identifier: MIT
//
// What a manager says to those clients which evaluate calls for it, and they to it.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_RELAY_MESSAGES_H_
#define REMOTEOBJ_MANAGER_INTERNAL_RELAY_MESSAGES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::manager_internal {

// As an operation of a request.
struct RelayedOperation {
  std::uint16_t kind = 0;
  std::uint16_t hint = 0;
  std::string name = {};
  std::vector<AnyValue> arguments = {};
};
REMOTEOBJ_DESCRIBE(RelayedOperation, kind, hint, name, arguments)

struct RelayedCall {
  std::uint64_t number = 0;
  std::vector<RelayedOperation> operations = {};
};
REMOTEOBJ_DESCRIBE(RelayedCall, number, operations)

enum class AnswerKind : std::uint8_t {
  kValue,
  kItself,
  kError,
};

// An error as a value, and back. Throws BadValue if it is none.
inline AnyValue ErrorAsValue(const ErrorInfo& error) {
  const std::string bytes = PackError(error);
  return AnyValue::Of(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}
inline ErrorInfo ErrorOf(const AnyValue& value) {
  const auto bytes = value.As<std::vector<std::uint8_t>>();
  return UnpackError({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_RELAY_MESSAGES_H_
