// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/message.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/packed.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::kErrorLayout;
using transport_internal::kOperationLayout;
using transport_internal::kOutcomeLayout;
using transport_internal::kRequestLayout;
using transport_internal::kValueLayout;
using transport_internal::ListIn;
using transport_internal::Out;
using transport_internal::Position;
using transport_internal::StructIn;
using transport_internal::Word;

// Causes nest as values do; nobody's chain of causes is this long.
constexpr int kMaxCauses = 32;

// The parts of an Error: where its numbers are, in bytes, and which of its pointers is what.
constexpr std::size_t kPidByte = 0, kTimeByte = 8, kSequenceByte = 16;
enum ErrorPointer : std::uint16_t {
  kType,
  kMessage,
  kTraceback,
  kCauses,
  kProcess,
  kThread,
  kGroup,
  kFields,
  kBase,
};

void PutError(Out& out, Position at, const ErrorInfo& error, int depth) {
  const auto pointer = [&](ErrorPointer which) { return at + kErrorLayout.data + which; };
  out.Set(at, kPidByte, std::int32_t{error.pid});
  out.Set(at, kTimeByte, error.time_ns);
  out.Set(at, kSequenceByte, error.sequence);
  out.NewText(pointer(kType), error.type);
  out.NewText(pointer(kMessage), error.message);
  out.NewText(pointer(kProcess), error.process);
  out.NewText(pointer(kThread), error.thread);
  out.NewText(pointer(kGroup), error.group);
  if (!error.base.empty()) out.NewText(pointer(kBase), error.base);
  if (!error.traceback.empty()) {
    const Position frames =
        out.NewPointers(pointer(kTraceback), static_cast<std::uint32_t>(error.traceback.size()));
    for (std::uint32_t i = 0; i < error.traceback.size(); ++i) {
      out.NewText(frames + i, error.traceback[i]);
    }
  }
  if (!error.causes.empty() && depth < kMaxCauses) {
    const Position causes = out.NewStructs(
        pointer(kCauses), static_cast<std::uint32_t>(error.causes.size()), kErrorLayout);
    for (std::uint32_t i = 0; i < error.causes.size(); ++i) {
      PutError(out, causes + i * kErrorLayout.words(), error.causes[i], depth + 1);
    }
  }
  if (!error.fields.empty()) transport_internal::Embed(error.fields, out, pointer(kFields));
}

ErrorInfo GetError(const StructIn& in, int depth) {
  ErrorInfo error;
  error.type = in.GetText(kType);
  error.message = in.GetText(kMessage);
  const ListIn frames = in.GetList(kTraceback);
  for (std::size_t i = 0; i < frames.size; ++i) error.traceback.emplace_back(frames[i].GetText(0));
  if (depth < kMaxCauses) {
    const ListIn causes = in.GetList(kCauses);
    for (std::size_t i = 0; i < causes.size; ++i) {
      error.causes.push_back(GetError(causes[i], depth + 1));
    }
  }
  error.pid = in.Get<std::int32_t>(kPidByte);
  error.process = in.GetText(kProcess);
  error.thread = in.GetText(kThread);
  error.group = in.GetText(kGroup);
  error.base = in.GetText(kBase);
  error.time_ns = in.Get<std::int64_t>(kTimeByte);
  error.sequence = in.Get<std::uint64_t>(kSequenceByte);
  if (in.Has(kFields)) error.fields = transport_internal::Extract(in.GetStruct(kFields));
  return error;
}

}  // namespace

namespace transport_internal {

void ThrowUnknownOperation(std::uint16_t kind) {
  throw BadValue(absl::StrCat("an operation of the unknown kind ", kind));
}

void ThrowNoOperation(std::size_t index, std::size_t size) {
  throw BadValue(absl::StrCat("operation ", index, " is not there: there are ", size));
}

void ThrowUnknownOutcome() { throw BadValue("an outcome of an unknown kind"); }

void ThrowOutcomeCount(std::size_t count, std::size_t wanted) {
  throw BadValue(absl::StrCat(count, " outcomes of a batch of ", wanted));
}

}  // namespace transport_internal

Position OutcomeWriter::Begin(OutcomeKind kind) {
  Position outcome = at_;
  if (outcome == 0) {
    out_.Reset();
    outcome = out_.NewStruct(out_.Allocate(1), kOutcomeLayout);
  } else {
    out_.Forget(begin_);
    out_.Set(outcome + kOutcomeLayout.data, 0, Word{0});
  }
  out_.Set(outcome, 0, kind);
  return outcome + kOutcomeLayout.data;
}

ValueWriter OutcomeWriter::Value() {
  const Position pointer = Begin(OutcomeKind::kValue);
  return Access::Writer(out_, out_.NewStruct(pointer, kValueLayout), 0);
}

void OutcomeWriter::Itself() { Begin(OutcomeKind::kItself); }

void OutcomeWriter::Error(const ErrorInfo& error) {
  const Position pointer = Begin(OutcomeKind::kError);
  PutError(out_, out_.NewStruct(pointer, kErrorLayout), error, 0);
}

OutcomesWriter OutcomeWriter::Many(std::size_t size) {
  const Position pointer = Begin(OutcomeKind::kMany);
  return {out_, out_.NewStructs(pointer, static_cast<std::uint32_t>(size), kOutcomeLayout)};
}

ErrorInfo OutcomeReader::Error() const { return GetError(outcome_.GetStruct(0), 0); }

}  // namespace remoteobj
