// SPDX-License-Identifier: MIT
#include "remoteobj/transport/direct_call.h"

#include <memory>
#include <stdexcept>
#include <utility>

#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj {

using transport_internal::EvaluateDirectly;
using transport_internal::HeapMessage;
using transport_internal::ReadDirectly;
using transport_internal::RequestOn;

namespace transport_internal {

void EvaluateDirectly(HeapMessage& request, Listener::Handler handler, HeapMessage& outcome) {
  outcome.SetAttachments(request.attachments());
  OutcomeWriter writer = Access::Outcome(outcome);
  try {
    In message = request.Read();
    handler(RequestIn(message), writer);
  } catch (const BadValue& e) {
    writer.Error({.type = "remoteobj::BadValue", .message = e.what()});
  } catch (...) {
    if (ThreadEnds()) writer.Error(EvaluatingThreadEnded());
    throw;
  }
}

void ReadDirectly(HeapMessage& outcome, ReadOutcome read) {
  // A handler that wrote nothing returns nothing.
  if (outcome.used() == 0) Access::Outcome(outcome).Value().Null();
  In message = outcome.Read();
  read(OutcomeIn(message));
}

}  // namespace transport_internal

namespace {

// The outcome of a call that was evaluated at once.
class DirectCall final : public PendingCall {
 public:
  explicit DirectCall(std::unique_ptr<HeapMessage> outcome) : outcome_(std::move(outcome)) {}
  bool ready() override { return true; }
  void Finish(ReadOutcome read, Deadline) override {
    if (outcome_ == nullptr) throw std::logic_error("this call was finished already");
    const auto outcome = std::exchange(outcome_, nullptr);
    ReadDirectly(*outcome, read);
  }

 private:
  std::unique_ptr<HeapMessage> outcome_;
};

}  // namespace

void CallDirectly(WriteRequest write, Listener::Handler handler, ReadOutcome read) {
  HeapMessage request;
  write(RequestOn(request, Deadline::Never()));
  HeapMessage outcome;
  EvaluateDirectly(request, handler, outcome);
  ReadDirectly(outcome, read);
}

std::unique_ptr<PendingCall> StartDirectly(WriteRequest write, Listener::Handler handler) {
  HeapMessage request;
  write(RequestOn(request, Deadline::Never()));
  auto outcome = std::make_unique<HeapMessage>();
  EvaluateDirectly(request, handler, *outcome);
  outcome->SetAttachments(nullptr);  // They may not live until it is read.
  return std::make_unique<DirectCall>(std::move(outcome));
}

}  // namespace remoteobj
