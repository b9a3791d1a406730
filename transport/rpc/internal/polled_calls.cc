// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/polled_calls.h"

#include <optional>
#include <utility>

namespace remoteobj::transport_internal {

PolledCalls::PolledCalls(std::shared_ptr<Link> link) : link_(std::move(link)), bell_(NewBell()) {
  listener_.Open();
}

PolledCalls::~PolledCalls() {
  // First, since a refusal would overwrite the mark that an outcome was received.
  for (unsigned slot = 0; slot < kSlots; ++slot) Settle(slot, /*gone=*/true);
  listener_.Close();
}

bool PolledCalls::Serve() {
  constexpr int kMost = 16;
  int served = 0;
  while (served < kMost && listener_.Poll(*this)) ++served;
  return served > 0;
}

bool PolledCalls::Rest() {
  // In this order: a client that releases a slot after Arm() rings the bell.
  if (!listener_.Arm()) return false;
  for (unsigned slot = 0; slot < kSlots; ++slot) Settle(slot, /*gone=*/false);
  return true;
}

HeapMessage* PolledCalls::Evaluate(unsigned, const RequestReader& request) {
  answer_ = link_->session->TryNow(request);
  link_->after_call();
  return answer_ == nullptr ? nullptr : &answer_->outcome();
}

void PolledCalls::Answered(unsigned slot, bool wanted) {
  if (answer_ != nullptr && wanted && (answer_->hands_over() || !answer_->references().empty())) {
    handed_[slot] = std::move(answer_);
  }
  answer_.reset();
}

// The answer handed over in the slot belongs to the client if it has read the outcome, and comes
// back otherwise. `gone`: the client can't read it any more.
void PolledCalls::Settle(unsigned slot, bool gone) {
  if (handed_[slot] == nullptr) return;
  const std::optional<bool> received = listener_.Received(slot, gone);
  if (!received) return;
  if (*received) handed_[slot]->Received();
  handed_[slot].reset();
}

}  // namespace remoteobj::transport_internal
