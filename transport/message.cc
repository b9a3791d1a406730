// SPDX-License-Identifier: MIT
#include "remoteobj/transport/message.h"

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/internal/access.h"
#include "remoteobj/transport/internal/messages.h"
#include "remoteobj/transport/internal/packed.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::Guarded;
using transport_internal::PutText;
using transport_internal::Take;
using transport_internal::View;

using Operations = capnp::List<schema::Operation>;
// Causes nest as values do; nobody's chain of causes is this long.
constexpr int kMaxCauses = 32;

void PutError(schema::Error::Builder out, const ErrorInfo& error, int depth) {
  PutText([&](unsigned n) { return out.initType(n); }, error.type);
  PutText([&](unsigned n) { return out.initMessage(n); }, error.message);
  auto frames = out.initTraceback(static_cast<unsigned>(error.traceback.size()));
  for (unsigned i = 0; i < frames.size(); ++i) {
    PutText([&](unsigned n) { return frames.init(i, n); }, error.traceback[i]);
  }
  if (depth < kMaxCauses) {
    auto causes = out.initCauses(static_cast<unsigned>(error.causes.size()));
    for (unsigned i = 0; i < causes.size(); ++i) PutError(causes[i], error.causes[i], depth + 1);
  }
  out.setPid(error.pid);
  PutText([&](unsigned n) { return out.initProcess(n); }, error.process);
  PutText([&](unsigned n) { return out.initThread(n); }, error.thread);
  PutText([&](unsigned n) { return out.initGroup(n); }, error.group);
  out.setTime(error.time_ns);
  out.setSequence(error.sequence);
  if (!error.fields.empty()) {
    transport_internal::WithPackedValue(
        error.fields, [&](schema::Value::Reader fields) { out.setFields(fields); });
  }
}

ErrorInfo GetError(schema::Error::Reader in, int depth) {
  ErrorInfo error;
  error.type = View(in.getType());
  error.message = View(in.getMessage());
  for (auto frame : in.getTraceback()) error.traceback.emplace_back(View(frame));
  if (depth < kMaxCauses) {
    for (auto cause : in.getCauses()) error.causes.push_back(GetError(cause, depth + 1));
  }
  error.pid = in.getPid();
  error.process = View(in.getProcess());
  error.thread = View(in.getThread());
  error.group = View(in.getGroup());
  error.time_ns = in.getTime();
  error.sequence = in.getSequence();
  if (in.hasFields()) error.fields = transport_internal::PackedCopy(in.getFields());
  return error;
}

}  // namespace

void OperationsWriter::Set(std::size_t index, OperationKind kind, std::string_view name,
                           std::uint16_t hint) const {
  auto operation = Take<Operations::Builder>(handle_)[static_cast<unsigned>(index)];
  operation.setKind(static_cast<schema::Operation::Kind>(kind));
  operation.setHint(hint);
  if (!name.empty()) PutText([&](unsigned n) { return operation.initName(n); }, name);
}

ListWriter OperationsWriter::Arguments(std::size_t index, std::size_t size) const {
  auto operation = Take<Operations::Builder>(handle_)[static_cast<unsigned>(index)];
  return Access::List(operation.initArguments(static_cast<unsigned>(size)), bulk_, 0);
}

void RequestWriter::SetTarget(std::uint64_t id) const {
  Take<schema::Request::Builder>(handle_).setTarget(id);
}

OperationsWriter RequestWriter::Operations(std::size_t size) const {
  return Access::Operations(
      Take<schema::Request::Builder>(handle_).initOperations(static_cast<unsigned>(size)), bulk_);
}

OperationKind OperationReader::kind() const {
  const auto kind = static_cast<std::uint16_t>(Take<schema::Operation::Reader>(handle_).getKind());
  if (kind > kLastOperationKind) {
    throw BadValue(absl::StrCat("an operation of the unknown kind ", kind));
  }
  return static_cast<OperationKind>(kind);
}

std::string_view OperationReader::name() const {
  return Guarded([&] { return View(Take<schema::Operation::Reader>(handle_).getName()); });
}

std::uint16_t OperationReader::hint() const {
  return Take<schema::Operation::Reader>(handle_).getHint();
}

ListReader OperationReader::Arguments() const {
  return Guarded([&] {
    return Access::List(Take<schema::Operation::Reader>(handle_).getArguments(), nullptr,
                        "argument", 0);
  });
}

OperationReader RequestReader::operator[](std::size_t index) const {
  if (index >= size_) {
    throw BadValue(absl::StrCat("operation ", index, " is not there: there are ", size_));
  }
  return Guarded([&] {
    return Access::Operation(Take<Operations::Reader>(handle_)[static_cast<unsigned>(index)]);
  });
}

ValueWriter OutcomeWriter::Value() {
  transport_internal::Builder& builder = space_.Fresh();
  return Access::Writer(builder.initRoot<schema::Outcome>().initValue(), &builder.bulk, 0);
}

void OutcomeWriter::Itself() { space_.Fresh().initRoot<schema::Outcome>().setItself(); }

void OutcomeWriter::Error(const ErrorInfo& error) {
  PutError(space_.Fresh().initRoot<schema::Outcome>().initError(), error, 0);
}

OutcomeKind OutcomeReader::kind() const {
  switch (Take<schema::Outcome::Reader>(handle_).which()) {
    case schema::Outcome::VALUE:
      return OutcomeKind::kValue;
    case schema::Outcome::ITSELF:
      return OutcomeKind::kItself;
    case schema::Outcome::ERROR:
      return OutcomeKind::kError;
  }
  throw BadValue("an outcome of an unknown kind");
}

ValueReader OutcomeReader::Value() const {
  return Guarded([&] {
    return Access::Reader(Take<schema::Outcome::Reader>(handle_).getValue(), nullptr, "result",
                          transport_internal::kNoIndex, 0);
  });
}

ErrorInfo OutcomeReader::Error() const {
  return Guarded([&] { return GetError(Take<schema::Outcome::Reader>(handle_).getError(), 0); });
}

}  // namespace remoteobj
