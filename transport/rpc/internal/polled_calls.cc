// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/polled_calls.h"

#include <optional>
#include <span>
#include <utility>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/shared_memory/internal/bell.h"
#include "remoteobj/transport/shared_memory/internal/file_memory.h"

namespace remoteobj::transport_internal {

PolledCalls::PolledCalls(std::shared_ptr<Link> link)
    : link_(std::move(link)), bell_(NewBellBetweenPrograms()) {
  listener_.Open();
  link_->reclaim = [this] { ReturnFreed(); };
}

PolledCalls::~PolledCalls() {
  link_->reclaim = nullptr;
  // First, since a refusal would overwrite the mark that an outcome was received.
  for (unsigned slot = 0; slot < kSlots; ++slot) Settle(slot, /*gone=*/true);
  listener_.Close();
}

void PolledCalls::Hear() { HearSocket(bell()); }

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
  if (charged_ != 0) ReturnFreed();
  return true;
}

void PolledCalls::ChargeLarge(std::size_t bytes) {
  link_->Take(bytes);
  charged_ += bytes;
}

// The file tells what is freed: a client can write to all that is in it.
void PolledCalls::ReturnFreed() {
  const auto used = FileMemory(fd());
  if (!used || *used >= charged_) return;
  link_->Return(charged_ - *used);
  charged_ = *used;
}

HeapMessage* PolledCalls::Evaluate(unsigned, const RequestReader& request) {
  answer_ = link_->session->TryNow(request);
  link_->after_call();
  if (answer_ == nullptr) return nullptr;
  const std::span<const Word> outcome = answer_->outcome().words();
  if (outcome.size() > kSlotWords) {
    try {
      ChargeLarge(outcome.size_bytes());
    } catch (const QuotaExceeded&) {
      answer_->Refuse();
    }
  }
  return &answer_->outcome();
}

void PolledCalls::Answered(unsigned slot, bool wanted) {
  if (answer_ != nullptr && wanted && (answer_->hands_over() || !answer_->references().empty())) {
    answer_->Sent();
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
