// SPDX-License-Identifier: MIT
//
// Death of a caller. Its slot stays owned by it. When slots run short, a caller looks for dead
// owners and takes over their slots: first `owner`, by a compare-and-swap, so that only one process
// does, then `state`. If it dies between the two, the slot is a dead owner's again. If a living
// listener evaluates the call, the slot is only abandoned: the listener frees it. A slot is taken
// only from an owner that is known to have ended (Region::Alive): a living one would receive the
// outcome of another call.
//
// The same holds for a slot that a living caller has abandoned, since the caller may own the same
// slot again, for another call, which `owner` does not tell. So a slot that was abandoned to a
// listener that is gone is freed by the next listener, which looks at all slots when it opens,
// after it has taken the slot over by a compare-and-swap on `state`. A caller that abandons a call,
// and then finds that a listener has opened since, makes that listener look at the slot once more
// (AnnounceAbandoned).
#include "remoteobj/transport/shared_memory/internal/slots.h"

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::transport_internal {

std::optional<unsigned> Slots::TryAcquire(unsigned begin, unsigned end) {
  // The slot that this thread had last is in this core's cache, and likely to be free.
  thread_local unsigned last = static_cast<unsigned>(Self() % kSynchronousSlots);
  const Identity self = region_.Me();
  const unsigned size = end - begin;
  for (unsigned i = 0; i < size; ++i) {
    const unsigned index = begin + (last + i) % size;
    Identity none = 0;
    auto& owner = slot(index).owner;
    if (owner.load(std::memory_order_relaxed) == 0 &&
        owner.compare_exchange_strong(none, self, std::memory_order_seq_cst)) {
      last = index - begin;
      return index;
    }
  }
  return std::nullopt;
}

// Takes over the slot of a dead owner. `living` is a process that was alive a moment ago, which
// saves a system call for each further slot of the same process.
bool Slots::TryReclaim(unsigned index, Identity& living) {
  auto& owner = slot(index).owner;
  Identity dead = owner.load(std::memory_order_acquire);
  if (dead == 0) return false;
  if (dead == living || region_.Alive(dead)) {
    living = dead;
    return false;
  }
  // A dead owner can't abandon the call any more. So if it is not abandoned now, it will not be
  // before the slot has a new owner, and the listener, which frees abandoned slots, leaves it
  // alone.
  const std::uint32_t left = state(index).load(std::memory_order_acquire);
  const bool abandoned = PhaseOf(left) == Phase::kAbandoned;
  if (abandoned && !TakerIsGone(left)) return false;
  if (!owner.compare_exchange_strong(dead, region_.Me(), std::memory_order_acq_rel)) return false;
  At(FaultPoint::kCallerReclaiming);
  std::uint32_t now = left;
  if (abandoned) {
    // A listener that opens frees it, too: it belongs to the process that changes the state.
    return state(index).compare_exchange_strong(now, StateOf(Phase::kIdle),
                                                std::memory_order_acq_rel);
  }
  for (;;) {
    now = state(index).load(std::memory_order_acquire);
    const bool busy = PhaseOf(now) == Phase::kTaken && !TakerIsGone(now);
    const std::uint32_t next = busy ? Abandoned(now) : StateOf(Phase::kIdle);
    if (!state(index).compare_exchange_strong(now, next, std::memory_order_seq_cst)) continue;
    if (busy) {
      AnnounceAbandoned(index, next);
      return false;
    }
    // The dead owner may have set its bit, and died before it rang.
    Ring();
    return true;
  }
}

std::optional<unsigned> Slots::TryReclaimOne(unsigned begin, unsigned end) {
  Identity living = region_.Me();
  for (unsigned index = begin; index < end; ++index) {
    if (TryReclaim(index, living)) return index;
  }
  return std::nullopt;
}

unsigned Slots::Acquire(Deadline deadline) {
  if (const auto slot = TryAcquire(0, kSynchronousSlots)) return *slot;
  if (const auto slot = TryAcquire(kSynchronousSlots, kSlots)) return *slot;
  for (;;) {
    const std::uint32_t freed = header().freed.load(std::memory_order_seq_cst);
    header().slot_waits.fetch_add(1, std::memory_order_seq_cst);
    if (const auto slot = TryAcquire(0, kSlots)) return *slot;
    if (const auto slot = TryReclaimOne(0, kSlots)) return *slot;
    if (deadline.expired()) {
      throw DeadlineExceeded(
          absl::StrCat("all ", kSlots, " slots of the channel were taken by other calls"));
    }
    At(FaultPoint::kCallerWaitsForSlot);
    FutexWait(header().freed, freed, SliceUntil(deadline));
    InterruptionPoint();
  }
}

void Slots::Release(unsigned index) {
  region_.Trim(index, Direction::kRequest);
  region_.Trim(index, Direction::kOutcome);
  // The state stays settled, in the listener's cache: kDone is as good as kIdle.
  slot(index).owner.exchange(0, std::memory_order_seq_cst);
  AnnounceFreed();
}

void Slots::FreeAbandoned(unsigned index) {
  // First the slot becomes this process's: the caller that has left it may live on, and if this
  // process dies halfway the slot must be a dead process's.
  slot(index).owner.store(region_.Me(), std::memory_order_release);
  At(FaultPoint::kListenerFreeing);
  region_.Trim(index, Direction::kRequest);
  region_.Trim(index, Direction::kOutcome);
  state(index).store(StateOf(Phase::kIdle), std::memory_order_release);
  slot(index).owner.store(0, std::memory_order_seq_cst);
  AnnounceFreed();
}

void Slots::AnnounceFreed() {
  const std::uint32_t waits = header().slot_waits.load(std::memory_order_seq_cst);
  if (waits == header().slot_waits_over.load(std::memory_order_relaxed)) return;
  header().freed.fetch_add(1, std::memory_order_seq_cst);
  // If no thread slept, each of those that had begun to wait has got a slot, given up, died, or
  // will see the new `freed`.
  if (FutexWake(header().freed, 1) == 0) {
    header().slot_waits_over.store(waits, std::memory_order_relaxed);
  }
}

void Slots::AnnounceAbandoned(unsigned slot, std::uint32_t state) {
  if (GenerationOf(state) == Generation()) return;
  header().doorbell.fetch_or(BitOf(slot), std::memory_order_seq_cst);
  Ring();
}

void Slots::Ring() {
  if (header().sleeping.load(std::memory_order_seq_cst) == kAwake) return;
  std::uint32_t asleep = kAsleep;
  header().sleeping.compare_exchange_strong(asleep, kRung, std::memory_order_seq_cst);
  At(FaultPoint::kCallerRinging);
  WakeListener();
}

void Slots::WakeListener() { FutexWake(header().sleeping, 1); }

int Slots::FreeCount() {
  int free = 0;
  for (unsigned i = 0; i < kSlots; ++i) {
    if (slot(i).owner.load(std::memory_order_relaxed) == 0) ++free;
  }
  return free;
}

}  // namespace remoteobj::transport_internal
