// SPDX-License-Identifier: MIT
//
// The messages between a manager and the clients that evaluate calls for it.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_RELAY_MESSAGES_H_
#define REMOTEOBJ_MANAGER_INTERNAL_RELAY_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/crypto.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/packed.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

// An operation of a request.
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

// A relay, as the processes that evaluate its calls use it.
//
// `secret` is what the client that made the relay has given to it, and to no other relay. Other
// clients do not have it: they get NotAllowed, so that they neither see the calls nor answer them.
class RelayInterface {
 public:
  virtual ~RelayInterface() = default;

  // The object whose calls are relayed. Throws StaleReference if it is gone.
  virtual Reference relayed() = 0;
  // The intended number of serving processes.
  virtual std::uint64_t size() const = 0;
  // IdentityOf(the secret).
  virtual std::string identity() const = 0;
  // The relay ends when all clients that called this have disconnected.
  virtual void keep(const std::string& secret) = 0;
  // Waits for a call. Returns nothing once the relay has ended.
  virtual std::optional<RelayedCall> take(const std::string& secret) = 0;
  // Answers a call that was taken, and takes another if there is one.
  virtual std::optional<RelayedCall> answer(const std::string& secret, std::uint64_t number,
                                            AnswerKind kind, const AnyValue& value) = 0;

  // The relay takes no more calls, and ends when the pending ones are answered.
  virtual void close() = 0;
  // Ends the relay: pending calls fail.
  virtual void terminate() = 0;
  // Waits until all calls are answered. Returns false at the time-out. Throws std::logic_error
  // unless the relay is closed.
  virtual bool join(WaitTime timeout = {}) = 0;
};
REMOTEOBJ_DESCRIBE(RelayInterface, relayed, size, identity, keep, take, answer, close, terminate,
                   join)

// The identity of a relay among those of all managers. It does not reveal the secret.
inline std::string IdentityOf(std::string_view secret) {
  constexpr std::string_view kLabel = "remoteobj relay identity v1";
  const transport_internal::Mac mac = transport_internal::HmacSha256(
      std::as_bytes(std::span(secret)), {std::as_bytes(std::span(kLabel))});
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

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
