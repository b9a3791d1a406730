// SPDX-License-Identifier: MIT
//
// One call as messages: the request that a caller writes and the evaluator reads, and the outcome
// that goes back.
//
//   channel.Call(
//       [&](remoteobj::RequestWriter request) {
//         remoteobj::OperationsWriter operations = request.Operations(1);
//         operations.Set(0, remoteobj::OperationKind::kGetAttribute, "count", /*hint=*/0);
//       },
//       [&](const remoteobj::OutcomeReader& outcome) {
//         if (outcome.kind() == remoteobj::OutcomeKind::kValue) count =
//         Decode<int>(outcome.Value());
//       },
//       deadline);
//
// As value.h, these are handles on messages that lie in one piece. message.capnp says what each part
// means.
//
// Threads:  a message is written or read by one thread.
// Lifetime: a handle is valid during the call of the function that it was passed to.
// Errors:   BadValue for a malformed message, or one that is too large.
#ifndef REMOTEOBJ_TRANSPORT_MESSAGE_H_
#define REMOTEOBJ_TRANSPORT_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/value.h"

namespace remoteobj {

// As Operation.Kind in message.capnp, in its order.
enum class OperationKind : std::uint16_t {
  kGetAttribute,
  kSetAttribute,
  kDeleteAttribute,
  kGetItem,
  kSetItem,
  kDeleteItem,
  kCall,
  kContains,
  kLength,
  kPassTo,
  kSuper,
  kExists,
};
inline constexpr std::uint16_t kLastOperationKind =
    static_cast<std::uint16_t>(OperationKind::kExists);

class OperationsWriter {
 public:
  // Sets the operation at `index`. `hint` is the member's place in the description, counted from
  // 1, or 0.
  void Set(std::size_t index, OperationKind kind, std::string_view name, std::uint16_t hint) const;
  ListWriter Arguments(std::size_t index, std::size_t size) const;

 private:
  friend transport_internal::Access;
  OperationsWriter() = default;

  transport_internal::Out* out_ = nullptr;
  transport_internal::Position at_ = 0;
};

class RequestWriter {
 public:
  void SetTarget(std::uint64_t id) const;
  OperationsWriter Operations(std::size_t size) const;

 private:
  friend transport_internal::Access;
  RequestWriter() = default;

  transport_internal::Out* out_ = nullptr;
  transport_internal::Position at_ = 0;
};

class OperationReader {
 public:
  // Throws BadValue for a kind that this version does not know.
  OperationKind kind() const;
  std::string_view name() const;
  std::uint16_t hint() const;
  ListReader Arguments() const;

 private:
  friend transport_internal::Access;
  OperationReader() = default;

  transport_internal::StructIn operation_;
};

class RequestReader {
 public:
  std::uint64_t target() const { return target_; }
  // Nanoseconds since the Unix epoch; 0 if there is none.
  std::int64_t deadline_ns() const { return deadline_ns_; }
  // How many operations there are.
  std::size_t size() const { return operations_.size; }
  // Throws BadValue beyond the end.
  OperationReader operator[](std::size_t index) const;

 private:
  friend transport_internal::Access;
  RequestReader() = default;

  transport_internal::ListIn operations_;
  std::uint64_t target_ = 0;
  std::int64_t deadline_ns_ = 0;
};

// Writes what a call came to. Each method begins anew: what was written before is forgotten, so
// that an error can replace a value that could not be written to its end.
class OutcomeWriter {
 public:
  ValueWriter Value();
  void Itself();
  void Error(const ErrorInfo& error);

 private:
  friend transport_internal::Access;
  explicit OutcomeWriter(transport_internal::Out& out) : out_(out) {}

  transport_internal::Out& out_;
};

enum class OutcomeKind { kValue, kItself, kError };

class OutcomeReader {
 public:
  OutcomeKind kind() const;
  ValueReader Value() const;
  ErrorInfo Error() const;

 private:
  friend transport_internal::Access;
  OutcomeReader() = default;

  transport_internal::StructIn outcome_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_MESSAGE_H_
