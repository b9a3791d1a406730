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
// Like value.h, these are handles on messages that lie in one piece. message.capnp says what each
// part means.
//
// Threads:  a message is written or read by one thread.
// Lifetime: a handle is valid during the call of the function that it was passed to.
// Errors:   BadValue for a malformed message, or one that is too large.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_MESSAGE_H_
#define REMOTEOBJ_TRANSPORT_WIRE_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/flat.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// Operation.Kind of message.capnp, in its order.
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
  kNext,
};
inline constexpr std::uint16_t kLastOperationKind =
    static_cast<std::uint16_t>(OperationKind::kNext);

// The operation's name is that of a member.
constexpr bool NamesMember(OperationKind kind) {
  return kind == OperationKind::kGetAttribute || kind == OperationKind::kSetAttribute ||
         kind == OperationKind::kDeleteAttribute;
}

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
  // The calling thread's number in its process; 0, the default, for none.
  void SetThread(std::uint32_t thread) const;
  OperationsWriter Operations(std::size_t size) const;

 private:
  friend transport_internal::Access;
  RequestWriter() = default;

  transport_internal::Out* out_ = nullptr;
  transport_internal::Position at_ = 0;
};

class OperationReader {
 public:
  // Throws BadValue for a kind that is newer than this version.
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
  std::uint64_t target() const { return request_.Get<std::uint64_t>(0); }
  std::uint32_t thread() const { return request_.Get<std::uint32_t>(16); }
  Deadline deadline() const { return Deadline::FromNanos(request_.Get<std::int64_t>(8)); }
  // The number of operations.
  std::size_t size() const { return operations_.size; }
  // The number of chains: a batch has more than one.
  std::size_t chains() const;
  // The end of the chain that begins at `begin`.
  std::size_t EndOfChain(std::size_t begin) const;
  // Throws BadValue beyond the end.
  OperationReader operator[](std::size_t index) const;

 private:
  friend transport_internal::Access;
  RequestReader() = default;

  transport_internal::StructIn request_;
  transport_internal::ListIn operations_;
};

// The union of Outcome in message.capnp, in its order.
enum class OutcomeKind : std::uint16_t { kValue, kItself, kError, kMany };
inline constexpr OutcomeKind kLastOutcomeKind = OutcomeKind::kMany;

class OutcomesWriter;

// Writes the outcome of a call. Each method starts again and discards what was written before, so
// that an error can replace a value that could not be written to its end.
class OutcomeWriter {
 public:
  ValueWriter Value();
  void Itself();
  void Error(const ErrorInfo& error);
  // The outcomes of a batch, one for each of its chains, written in turn.
  OutcomesWriter Many(std::size_t size);

 private:
  friend OutcomesWriter;
  friend transport_internal::Access;
  explicit OutcomeWriter(transport_internal::Out& out) : out_(out) {}
  OutcomeWriter(transport_internal::Out& out, transport_internal::Position at)
      : out_(out), at_(at), begin_(out.used()) {}

  // Returns the position of the pointer.
  transport_internal::Position Begin(OutcomeKind kind);

  transport_internal::Out& out_;
  // The struct, if it is one of many; else 0, where no struct is, and it begins the message.
  const transport_internal::Position at_ = 0;
  const std::uint64_t begin_ = 0;  // Its contents are behind that.
};

class OutcomesWriter {
 public:
  // REQUIRES: those before it are written, and those behind it are not.
  OutcomeWriter operator[](std::size_t index) const {
    return {out_, static_cast<transport_internal::Position>(
                      at_ + index * transport_internal::kOutcomeLayout.words())};
  }

 private:
  friend OutcomeWriter;
  OutcomesWriter(transport_internal::Out& out, transport_internal::Position at)
      : out_(out), at_(at) {}

  transport_internal::Out& out_;
  transport_internal::Position at_;
};

class OutcomeReader {
 public:
  OutcomeKind kind() const;
  ValueReader Value() const;
  ErrorInfo Error() const;
  // The number of outcomes of kMany.
  std::size_t size() const { return outcome_.GetList(0).size; }
  // Calls read(index, outcome) with each in turn. Throws BadValue unless there are `size`.
  template <typename Read>
  void Each(std::size_t size, Read&& read) const;

 private:
  friend transport_internal::Access;
  OutcomeReader() = default;

  transport_internal::StructIn outcome_;
};

// Inline, all that a small call consists of: each is a few instructions, and a call has dozens.

namespace transport_internal {

[[noreturn]] void ThrowUnknownOperation(std::uint16_t kind);
[[noreturn]] void ThrowUnknownOutcome();
[[noreturn]] void ThrowOutcomeCount(std::size_t count, std::size_t wanted);
[[noreturn]] void ThrowNoOperation(std::size_t index, std::size_t size);

inline RequestWriter Access::Request(Out& out, Position at) {
  RequestWriter writer;
  writer.out_ = &out;
  writer.at_ = at;
  return writer;
}

inline Out& Access::OutOf(const RequestWriter& request) { return *request.out_; }

inline In& Access::InOf(const RequestReader& request) { return *request.operations_.in; }

inline In& Access::InOf(const OutcomeReader& outcome) { return *outcome.outcome_.in; }

inline OperationsWriter Access::Operations(Out& out, Position at) {
  OperationsWriter writer;
  writer.out_ = &out;
  writer.at_ = at;
  return writer;
}

inline RequestReader Access::Request(const StructIn& request) {
  RequestReader in;
  in.request_ = request;
  in.operations_ = request.GetList(0);
  return in;
}

inline OperationReader Access::Operation(const StructIn& operation) {
  OperationReader in;
  in.operation_ = operation;
  return in;
}

inline OutcomeWriter Access::Outcome(Out& out) { return OutcomeWriter(out); }

inline OutcomeReader Access::Outcome(const StructIn& outcome) {
  OutcomeReader in;
  in.outcome_ = outcome;
  return in;
}

inline const StructIn& Access::StructOf(const OutcomeReader& in) { return in.outcome_; }

}  // namespace transport_internal

inline void OperationsWriter::Set(std::size_t index, OperationKind kind, std::string_view name,
                                  std::uint16_t hint) const {
  const auto operation = static_cast<transport_internal::Position>(
      at_ + index * transport_internal::kOperationLayout.words());
  out_->Set(operation, 0, kind);
  out_->Set(operation, 2, hint);
  if (!name.empty()) {
    out_->NewText(operation + transport_internal::kOperationLayout.data, name);
  }
}

inline ListWriter OperationsWriter::Arguments(std::size_t index, std::size_t size) const {
  const auto operation = static_cast<transport_internal::Position>(
      at_ + index * transport_internal::kOperationLayout.words());
  return transport_internal::Access::List(
      *out_,
      out_->NewStructs(operation + transport_internal::kOperationLayout.data + 1,
                       static_cast<std::uint32_t>(size), transport_internal::kValueLayout),
      0);
}

inline void RequestWriter::SetTarget(std::uint64_t id) const { out_->Set(at_, 0, id); }

inline void RequestWriter::SetThread(std::uint32_t thread) const { out_->Set(at_, 16, thread); }

inline OperationsWriter RequestWriter::Operations(std::size_t size) const {
  return transport_internal::Access::Operations(
      *out_,
      out_->NewStructs(at_ + transport_internal::kRequestLayout.data,
                       static_cast<std::uint32_t>(size), transport_internal::kOperationLayout));
}

inline OperationKind OperationReader::kind() const {
  const auto kind = operation_.Get<std::uint16_t>(0);
  if (kind > kLastOperationKind) transport_internal::ThrowUnknownOperation(kind);
  return static_cast<OperationKind>(kind);
}

inline std::string_view OperationReader::name() const { return operation_.GetText(0); }

inline std::uint16_t OperationReader::hint() const { return operation_.Get<std::uint16_t>(2); }

inline ListReader OperationReader::Arguments() const {
  return transport_internal::Access::List(operation_.GetList(1), nullptr, "argument", 0);
}

inline OperationReader RequestReader::operator[](std::size_t index) const {
  if (index >= operations_.size) transport_internal::ThrowNoOperation(index, size());
  return transport_internal::Access::Operation(operations_[index]);
}

inline std::size_t RequestReader::EndOfChain(std::size_t begin) const {
  while (begin < operations_.size &&
         operations_[begin].Get<OperationKind>(0) != OperationKind::kNext) {
    ++begin;
  }
  return begin;
}

inline std::size_t RequestReader::chains() const {
  std::size_t chains = 1;
  for (std::size_t end = EndOfChain(0); end < size(); end = EndOfChain(end + 1)) ++chains;
  return chains;
}

inline OutcomeKind OutcomeReader::kind() const {
  const auto kind = outcome_.Get<OutcomeKind>(0);
  if (kind > kLastOutcomeKind) transport_internal::ThrowUnknownOutcome();
  return kind;
}

inline ValueReader OutcomeReader::Value() const {
  return transport_internal::Access::Reader(outcome_.GetStruct(0), nullptr, "result",
                                            transport_internal::kNoIndex, 0);
}

template <typename Read>
void OutcomeReader::Each(std::size_t size, Read&& read) const {
  const transport_internal::ListIn outcomes = outcome_.GetList(0);
  if (outcomes.size != size) transport_internal::ThrowOutcomeCount(outcomes.size, size);
  for (std::size_t i = 0; i < size; ++i) {
    read(i, transport_internal::Access::Outcome(outcomes[i]));
  }
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_MESSAGE_H_
