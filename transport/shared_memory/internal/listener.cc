// SPDX-License-Identifier: MIT
//
// The doorbell. It has a bit for each slot and the bit "open", in one word. The listener looks at
// the slots whose bits are set. A caller publishes its request and then looks at the doorbell; if
// its bit is not set, it sets it (caller.cc). The listener clears bits before it sleeps, and after
// every kLooksPerClear looks, and then looks once more at the slots whose bits it has cleared
// (`rescan_`). "Publish, then look at the bit" against "clear the bit, then look at the slot", both
// sequentially consistent: one of the two sees the other, so no request is overlooked.
//
// Order. Each call has a number, taken right before the request is published, as a part of its
// state. The listener takes the oldest of the requests that it sees (Gather). So the calls of one
// thread are evaluated in the order in which it sent them, whether the thread has waited in between
// or not, and no caller starves. A thread may withdraw a request and send the next one from the
// same slot while the listener gathers, so TakeSeen checks again. shared_memory_channel_order.pml
// is a model of it.
//
// Closing takes the whole word away in one step. The listener then looks at the slots whose bits
// were in it, and answers or refuses the requests in them. A caller whose bit was in the word had
// published its request before, and is answered. A caller that comes later sees that the channel is
// not open, and withdraws its request. If it can't, this listener, or one that has opened since,
// has taken the request, and it waits as usual. So a call is either before the close and answered,
// or after it and NotListening. There is no third case.
#include "remoteobj/transport/shared_memory/internal/listener.h"

#include <sched.h>

#include <bit>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::transport_internal {
namespace {

constexpr unsigned kLooksPerClear = 1024;

// Returns true if the request of one state was sent before that of another. Their numbers wrap
// around after 268 million calls.
bool IsBefore(std::uint32_t state, std::uint32_t other) {
  const std::uint32_t distance = (state >> kNumberShift) - (other >> kNumberShift);
  return static_cast<std::int32_t>(distance << kNumberShift) < 0;
}

}  // namespace

bool WriteOwnError(OutcomeWriter& writer) {
  const auto write = [&](const char* type, const std::exception& e) {
    constexpr std::size_t kLongest = 4096;
    writer.Error(
        {.type = type, .message = std::string(std::string_view(e.what()).substr(0, kLongest))});
    return true;
  };
  try {
    throw;
  } catch (const BadValue& e) {
    return write("remoteobj::BadValue", e);
  } catch (const std::bad_alloc& e) {
    return write("std::bad_alloc", e);
  } catch (...) {
    return false;
  }
}

void SlotListener::Open() {
  Region& region = slots_.region();
  Identity listener = header().listener.load(std::memory_order_acquire);
  do {
    if (region.Alive(listener)) {
      throw std::logic_error(
          absl::StrCat("process ", PidOf(listener), " listens on this proxy already"));
    }
  } while (
      !header().listener.compare_exchange_strong(listener, region.Me(), std::memory_order_acq_rel));
  if (listener != 0) header().dead_listener.store(listener, std::memory_order_relaxed);
  At(FaultPoint::kListenerOpening);
  // From here on, requests that an earlier listener took and did not answer are known to be lost.
  generation_ = (header().generation.fetch_add(1, std::memory_order_seq_cst) + 1) & kNumberMask;
  header().sleeping.store(kAwake, std::memory_order_seq_cst);
  wake_.store(false, std::memory_order_relaxed);
  spinner_ = Spinner();
  rescan_ = kAllSlots;
  next_ = seen_count_ = 0;
  header().doorbell.fetch_or(kOpen, std::memory_order_seq_cst);
  header().openings.fetch_add(1, std::memory_order_release);
  FutexWakeAll(header().openings);
}

// Takes a request, unless it is no longer the one whose state was `seen`.
inline bool SlotListener::Take(unsigned index, std::uint32_t seen) {
  // Its further lines are fetched while the compare-and-swap fetches the first one.
  ExpectToRead(slot(index).request);
  const std::uint32_t taken = StateOf(Phase::kTaken, generation_);
  std::uint32_t now = seen;
  do {
    if (state(index).compare_exchange_weak(now, taken | (now & kCallerSleeps),
                                           std::memory_order_acq_rel)) {
      At(FaultPoint::kListenerTook);
      return true;
    }
  } while ((now & ~kCallerSleeps) == (seen & ~kCallerSleeps));
  return false;
}

bool SlotListener::Answer(unsigned index, Phase how) {
  At(FaultPoint::kListenerEvaluated);
  OutcomeSlot& outcome = slot(index).outcome;
  outcome.verdict = how == Phase::kRefused ? Verdict::kRefused : Verdict::kAnswered;
  // Read now: as soon as the state is kDone the caller may number its next call.
  const std::uint32_t number = slot(index).request.number;
  std::uint32_t now = state(index).load(std::memory_order_acquire);
  while (PhaseOf(now) == Phase::kTaken) {
    if (state(index).compare_exchange_weak(now, StateOf(how), std::memory_order_acq_rel)) {
      At(FaultPoint::kListenerSettled);
      outcome.answered_number.store(number, std::memory_order_release);
      if ((now & kCallerSleeps) != 0) FutexWake(outcome.answered_number, 1);
      return true;
    }
  }
  if (PhaseOf(now) == Phase::kAbandoned) slots_.FreeAbandoned(index);
  return false;
}

// Frees the slot if its state is still `now`, and not that of a call that this listener evaluates.
void SlotListener::FreeAbandonedByPredecessor(unsigned slot, std::uint32_t now) {
  const std::uint32_t mine = StateOf(Phase::kAbandoned, generation_);
  // A caller that takes over a dead one's slot may change the state at the same time.
  if (now != mine && state(slot).compare_exchange_strong(now, mine, std::memory_order_acq_rel)) {
    slots_.FreeAbandoned(slot);
  }
}

void SlotListener::Evaluate(unsigned index, Handler handler) {
  ExpectToWrite(slot(index).outcome.words);
  SlotMessage outcome(slots_.region(), index, Direction::kOutcome);
  OutcomeWriter writer = Access::Outcome(outcome);
  try {
    SlotReader message(slots_.region(), index, Direction::kRequest);
    const RequestReader request = RequestIn(message.in());
    if (request.deadline().expired()) {
      writer.Error({.type = "remoteobj::DeadlineExceeded", .message = "the request came too late"});
    } else {
      const Uninterrupted uninterrupted;
      handler(request, writer);
    }
  } catch (...) {
    if (ThreadEnds()) {
      writer.Error(EvaluatingThreadEnded());
      outcome.Finish();
      Answer(index, Phase::kDone);
      throw;
    }
    if (!WriteOwnError(writer)) throw;
  }
  if (outcome.used() == 0) writer.Value().Null();
  outcome.Finish();
  Answer(index, Phase::kDone);
}

// Collects the requests in the slots of `bits`, in the order in which they were sent. Returns false
// if there are none.
//
// The first pass may see a thread's second request and miss its first one, if it looked at the
// first one's slot before either was sent. So a second pass looks at all slots again. The requests
// that it finds belong with those of the first pass if they are older than its youngest; younger
// ones come the next time.
bool SlotListener::Gather(std::uint64_t bits) {
  next_ = seen_count_ = 0;
  std::uint64_t without = bits & kAllSlots;  // The slots in which no request was seen.
  const auto look = [&](const auto& belongs) {
    for (std::uint64_t left = without; left != 0; left &= left - 1) {
      const auto slot = static_cast<unsigned>(std::countr_zero(left));
      const std::uint32_t now = state(slot).load(std::memory_order_seq_cst);
      if (PhaseOf(now) != Phase::kRequested) {
        if (PhaseOf(now) == Phase::kAbandoned) FreeAbandonedByPredecessor(slot, now);
        rescan_ &= ~BitOf(slot);
        continue;
      }
      if (!belongs(now)) continue;
      without &= ~BitOf(slot);
      std::size_t at = seen_count_++;
      for (; at > 0 && IsBefore(now, seen_[at - 1].state); --at) seen_[at] = seen_[at - 1];
      seen_[at] = {now, slot};
      At(FaultPoint::kListenerSaw);
    }
  };
  look([](std::uint32_t) { return true; });
  if (seen_count_ == 0) return false;
  const std::uint32_t youngest = seen_[seen_count_ - 1].state;
  // A request that was sent before one that was seen has its bit set already.
  const std::uint64_t now = header().doorbell.load(std::memory_order_seq_cst) | rescan_;
  without |= now & kAllSlots & ~bits;
  if (without != 0) look([&](std::uint32_t state) { return IsBefore(state, youngest); });
  return true;
}

// Takes the oldest of the requests that were seen. A caller may have withdrawn it and sent another
// one from the same slot. If that one is older than the youngest that was seen, it takes its place
// among them. If not, its bit stays set, and it is seen the next time.
std::optional<unsigned> SlotListener::TakeSeen() {
  while (next_ < seen_count_) {
    const auto [seen, slot] = seen_[next_++];
    if (Take(slot, seen)) {
      rescan_ &= ~BitOf(slot);
      last_served_ = slot;
      return slot;
    }
    const std::uint32_t now = state(slot).load(std::memory_order_seq_cst);
    if (PhaseOf(now) != Phase::kRequested || next_ == seen_count_ ||
        !IsBefore(now, seen_[seen_count_ - 1].state)) {
      continue;
    }
    std::size_t at = --next_;
    for (; IsBefore(seen_[at + 1].state, now); ++at) seen_[at] = seen_[at + 1];
    seen_[at] = {now, slot};
  }
  return std::nullopt;
}

std::optional<unsigned> SlotListener::TakeNext() {
  if (++looks_ % kLooksPerClear == 0) ClearDoorbell();
  if (const auto slot = TakeSeen()) return slot;
  // Once only: a caller that withdraws and sends requests all the time must not keep the listener.
  if (!Gather(header().doorbell.load(std::memory_order_seq_cst) | rescan_)) return std::nullopt;
  return TakeSeen();
}

void SlotListener::ClearDoorbell() {
  const std::uint64_t bits = header().doorbell.load(std::memory_order_relaxed) & kAllSlots;
  if (bits == 0) return;
  header().doorbell.fetch_and(~bits, std::memory_order_seq_cst);
  rescan_ |= bits;
}

bool SlotListener::ClearedAndIdle() {
  ClearDoorbell();
  return !HasWork(rescan_);
}

bool SlotListener::Serve(Handler handler, Deadline deadline) {
  for (bool slept = false;;) {
    InterruptionPoint();
    if (const auto slot = TakeNext()) {
      Evaluate(*slot, handler);
      return true;
    }
    if (wake_.load(std::memory_order_relaxed) && wake_.exchange(false)) return false;
    if (slept && deadline.expired()) return false;
    Sleep(deadline);
    slept = true;
  }
}

// Returns true if Gather would find something in the slots of `bits`.
bool SlotListener::HasWork(std::uint64_t bits) {
  for (bits &= kAllSlots; bits != 0; bits &= bits - 1) {
    const auto slot = static_cast<unsigned>(std::countr_zero(bits));
    const std::uint32_t now = state(slot).load(std::memory_order_seq_cst);
    if (PhaseOf(now) == Phase::kRequested) return true;
    if (PhaseOf(now) == Phase::kAbandoned && GenerationOf(now) != generation_) return true;
  }
  return false;
}

int SlotListener::CallerCpu() {
  const auto cpu = static_cast<std::uint32_t>(sched_getcpu() + 1);
  if (header().listener_cpu.load(std::memory_order_relaxed) != cpu) {
    header().listener_cpu.store(cpu, std::memory_order_relaxed);
  }
  return static_cast<int>(slot(last_served_ % kSlots).request.cpu.load(std::memory_order_relaxed)) -
         1;
}

// Returns when there may be a request, at the deadline, or after Wake.
void SlotListener::Sleep(Deadline deadline) {
  const int caller = CallerCpu();
  const auto rung = [&] { return HasCall() || wake_.load(std::memory_order_relaxed); };
  if (deadline != Deadline::Passed() && spinner_.Spin(caller, rung)) return;
  if (!ClearedAndIdle() || deadline.expired()) return;
  At(FaultPoint::kListenerBeforeSleep);
  header().sleeping.store(kAsleep, std::memory_order_seq_cst);
  while ((header().doorbell.load(std::memory_order_seq_cst) & kAllSlots) == 0 &&
         !wake_.load(std::memory_order_seq_cst) && !deadline.expired() && !Interrupted() &&
         header().sleeping.load(std::memory_order_seq_cst) == kAsleep) {
    FutexWait(header().sleeping, kAsleep, deadline.left());
  }
  header().sleeping.store(kAwake, std::memory_order_seq_cst);
}

void SlotListener::Wake() {
  wake_.store(true, std::memory_order_seq_cst);
  slots_.Ring();
}

void SlotListener::Close(Final final, Handler handler) {
  if (header().listener.load(std::memory_order_acquire) != slots_.region().Me()) return;
  std::uint64_t last = header().doorbell.exchange(0, std::memory_order_seq_cst);
  last |= std::exchange(rescan_, 0);
  At(FaultPoint::kListenerClosing);
  Gather(last);
  while (const auto slot = TakeSeen()) {
    if (final == Final::kFulfill) {
      Evaluate(*slot, handler);
    } else {
      Answer(*slot, Phase::kRefused);
    }
  }
  At(FaultPoint::kListenerClosed);
  header().listener.store(0, std::memory_order_release);
}

}  // namespace remoteobj::transport_internal
