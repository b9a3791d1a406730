// SPDX-License-Identifier: MIT
//
// The acknowledgement. A caller that has read an outcome stores kReceived in the slot, which is its
// own until it releases it. A caller that releases a slot without having read the outcome rings the
// bell afterwards, so that the listener takes back what the outcome was to hand over. The listener
// looks at a slot's acknowledgement when it takes the slot's next request, when it rests, and when
// the caller is gone. It rests after Arm: a slot that is released later rings the bell.
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"

#include <exception>

#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/shared_memory/internal/bell.h"
#include "remoteobj/transport/shared_memory/internal/caller.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::transport_internal {

bool PolledListener::lendable() const {
  return slots_.region().sealed() && slots_.region().window_bytes() == kWindowBytes;
}

void PolledListener::Close() {
  listener_.Close(Final::kRefuse, [](const RequestReader&, OutcomeWriter&) {});
}

bool PolledListener::CopyRequest(unsigned slot, HeapMessage& request) {
  constexpr std::uint64_t kMostMapped = std::uint64_t{64} << 10;
  Region& region = slots_.region();
  const std::uint32_t words =
      slots_.slot(slot).size(Direction::kRequest).load(std::memory_order_relaxed);
  const std::uint64_t bytes = words * std::uint64_t{sizeof(Word)};
  if (bytes > kMaxRpcMessageBytes) throw BadValue("a request of more than 1 GiB");
  if (bytes <= kMostMapped) {
    SlotReader message(region, slot, Direction::kRequest, words);
    request.Append({message.in().base, message.in().words});
    return true;
  }
  if (!region.Backed(slot, Direction::kRequest, bytes)) return false;
  region.CopyWindow(slot, Direction::kRequest, request.Prepare(words));
  return true;
}

bool PolledListener::Poll(PolledHandler& handler) {
  const std::optional<unsigned> slot = listener_.TakeNext();
  if (!slot) return false;
  // The loop is awake, so the next caller need not ring. Arm looks at all slots afterwards.
  auto& sleeping = slots_.header().sleeping;
  if (sleeping.load(std::memory_order_relaxed) != kAwake) {
    sleeping.store(kAwake, std::memory_order_relaxed);
  }
  handler.Took(*slot);
  SlotMessage written(slots_.region(), *slot, Direction::kOutcome);
  const auto put = [&](HeapMessage& outcome) {
    written.Reset();
    written.Append(outcome.words());
  };
  bool refused = false;
  bool failed = false;
  try {
    // A copy: the caller may write to the memory while the request is read.
    HeapMessage request;
    if (CopyRequest(*slot, request)) {
      In in = request.Read();
      HeapMessage* const outcome = handler.Evaluate(*slot, RequestIn(in));
      refused = outcome == nullptr;
      if (!refused) put(*outcome);
    } else {
      refused = true;
    }
  } catch (...) {
    HeapMessage outcome;
    OutcomeWriter writer = Access::Outcome(outcome);
    if (!WriteOwnError(writer)) throw;
    put(outcome);
    failed = true;
  }
  written.Finish();
  const bool wanted = listener_.Answer(*slot, refused ? Phase::kRefused : Phase::kDone);
  handler.Answered(*slot, wanted && !failed);
  return true;
}

bool PolledListener::Arm() {
  if (!listener_.ClearedAndIdle()) return false;
  slots_.header().sleeping.store(kAsleep, std::memory_order_seq_cst);
  if ((slots_.header().doorbell.load(std::memory_order_seq_cst) & kAllSlots) == 0) return true;
  // A request has come in between. If its caller has seen kAsleep, it rings for nothing.
  slots_.header().sleeping.store(kAwake, std::memory_order_seq_cst);
  return false;
}

std::optional<bool> PolledListener::Received(unsigned slot, bool gone) {
  const Identity owner = slots_.slot(slot).owner.load(std::memory_order_acquire);
  const Phase phase = PhaseOf(slots_.state(slot).load(std::memory_order_acquire));
  if (!gone && owner != 0 && phase == Phase::kDone && slots_.region().Alive(owner)) {
    return std::nullopt;
  }
  return slots_.slot(slot).outcome.verdict == Verdict::kReceived;
}

namespace {

class SlotsWithBell final : public Slots {
 public:
  SlotsWithBell(int fd, int bell) : Slots(fd, Origin::kStranger), bell_(bell) {}

  void Release(unsigned index) override {
    const bool unread = slot(index).outcome.verdict == Verdict::kAnswered &&
                        PhaseOf(state(index).load(std::memory_order_acquire)) == Phase::kDone;
    Slots::Release(index);
    if (unread) Ring();
  }

 private:
  void WakeListener() override { RingSocket(bell_); }

  const int bell_;
};

class PolledCaller final : public Caller {
 public:
  using Caller::Caller;

 private:
  void ReadOutcomeOf(unsigned index, ReadOutcome read) override {
    Caller::ReadOutcomeOf(index, read);
    slot(index).outcome.verdict = Verdict::kReceived;
  }
  void ThrowRefused() override {
    if ((header().doorbell.load(std::memory_order_relaxed) & kOpen) != 0) throw GoAnotherWay();
    Caller::ThrowRefused();
  }
  std::exception_ptr NewNotListening(const char* why) override {
    return std::make_exception_ptr(PolledNotListening(why));
  }
};

struct PolledChannel {
  PolledChannel(int fd, int bell) : slots(fd, bell) {}
  SlotsWithBell slots;
  PolledCaller caller{slots};
};

}  // namespace

std::shared_ptr<Channel> AttachPolled(int fd, int bell) {
  const auto channel = std::make_shared<PolledChannel>(fd, bell);
  return {channel, &channel->caller};
}

}  // namespace remoteobj::transport_internal
