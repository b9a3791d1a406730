// SPDX-License-Identifier: MIT
//
// The slots of a shared-memory channel: which process owns a slot, what the state of its call is,
// and the ringing of the listener. Both sides build on it: callers (caller.h) and the listener
// (listener.h).
//
// States. A slot belongs to the process whose identity is in `owner`. Within it, the `state` of its
// request passes the slot back and forth:
//
//            caller                 listener              caller
//   kIdle ----------> kRequested ------------> kTaken -+-> kDone or kRefused ----> kIdle
//                         |                            |
//                         +-> kIdle                    +-> kAbandoned --(listener)--> kIdle
//                     (caller withdraws)           (caller gives up)
//
// Every arrow but the first and the last is one compare-and-swap on `state`, so when two processes
// race to change it, one of them learns that it was late. kTaken and kAbandoned carry the
// generation of the listener that took the request, which tells a dead listener's slots from a
// living one's. After the state is settled the listener stores the call's number in
// `answered_number`: a caller that spins reads that, in the cache line in which the outcome begins,
// and leaves the request's line to the listener.
//
// Memory order. A message is written before the release that publishes it, and read after the
// acquire that sees it. The pairs of the kind "set mine, then look at the other's" are sequentially
// consistent: `state` and the doorbell, the doorbell and the listener's `sleeping`, `owner` and
// `slot_waits`.
//
// shared_memory_channel_slots.pml is a model of the ownership of slots, shared_memory_channel.pml
// of their states.
//
// Threads:  any number of threads and processes, as the states allow.
// Lifetime: as region.h.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SLOTS_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SLOTS_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/shared_memory/internal/region.h"

namespace remoteobj::transport_internal {

// The low three bits of a state.
enum class Phase : std::uint32_t {
  kIdle = 0,
  kRequested = 1,
  kTaken = 2,
  kDone = 3,
  kRefused = 4,
  kAbandoned = 5,
};
inline constexpr std::uint32_t kPhaseMask = 7;
// A bit of a state: the caller sleeps until it has an outcome.
inline constexpr std::uint32_t kCallerSleeps = 8;
// The upper 28 bits hold the call's number while the request is pending, and the listener's
// generation once it is taken or abandoned.
inline constexpr unsigned kNumberShift = 4;
inline constexpr std::uint32_t kNumberMask = (1u << 28) - 1;

constexpr std::uint32_t StateOf(Phase phase, std::uint32_t number_or_generation = 0) {
  return static_cast<std::uint32_t>(phase) | number_or_generation << kNumberShift;
}
constexpr Phase PhaseOf(std::uint32_t state) { return static_cast<Phase>(state & kPhaseMask); }
constexpr std::uint32_t GenerationOf(std::uint32_t state) { return state >> kNumberShift; }
// The state of a taken request after its caller has given up.
constexpr std::uint32_t Abandoned(std::uint32_t taken) {
  return StateOf(Phase::kAbandoned, GenerationOf(taken));
}

// The values of `sleeping`. The listener sleeps on the word while it is kAsleep.
//
// A caller that finds kAsleep changes it to kRung and then wakes the listener. It may die between
// the two. So kRung does not say that the listener is awake: until the listener itself stores
// kAwake, every caller wakes it.
enum ListenerSleep : std::uint32_t { kAwake = 0, kAsleep = 1, kRung = 2 };

// The doorbell's bits.
inline constexpr std::uint64_t kOpen = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kAllSlots = (std::uint64_t{1} << kSlots) - 1;
// Asynchronous calls use the slots from here on.
inline constexpr unsigned kSynchronousSlots = kSlots / 2;
constexpr std::uint64_t BitOf(unsigned slot) { return std::uint64_t{1} << slot; }

// How long a thread sleeps before it checks deadlines, interruptions, and whether its peer lives.
inline constexpr absl::Duration kSlice = absl::Milliseconds(20);
inline absl::Duration SliceUntil(Deadline deadline, absl::Duration slice = kSlice) {
  return std::min(slice, deadline.left());
}

class Slots {
 public:
  Slots() = default;
  // The slots of memory that exists; see Region.
  Slots(int fd, Origin origin) : region_(fd, origin) {}
  virtual ~Slots() = default;
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  Region& region() { return region_; }
  const Region& region() const { return region_; }
  Header& header() { return region_.header(); }
  Slot& slot(unsigned index) { return region_.slot(index); }
  std::atomic<std::uint32_t>& state(unsigned index) { return slot(index).request.state; }

  // Makes a slot this process's, waiting for one until the deadline. Throws DeadlineExceeded.
  unsigned Acquire(Deadline deadline);
  // The same for an asynchronous call, without waiting. Asynchronous calls use half of the slots,
  // so a program that starts many of them and finishes none can still make synchronous calls.
  std::optional<unsigned> TryAcquireAsynchronous() {
    const std::optional<unsigned> slot = TryAcquire(kSynchronousSlots, kSlots);
    return slot ? slot : TryReclaimOne(kSynchronousSlots, kSlots);
  }
  // Gives a slot back. REQUIRES: it is this process's, and no listener has taken its request.
  virtual void Release(unsigned slot);
  // The listener frees a slot whose caller has given up. REQUIRES: the slot's state says that this
  // listener has it.
  void FreeAbandoned(unsigned slot);
  // Tells the listener of a call whose caller has just abandoned it, in that state.
  void AnnounceAbandoned(unsigned slot, std::uint32_t state);

  // Wakes the listener if it sleeps.
  void Ring();

  std::uint32_t Generation() {
    return header().generation.load(std::memory_order_seq_cst) & kNumberMask;
  }
  // Returns true if the listener that took the request of this state is gone.
  bool TakerIsGone(std::uint32_t state) {
    return GenerationOf(state) != Generation() ||
           !region_.Alive(header().listener.load(std::memory_order_acquire));
  }
  // Returns true if this process has the channel open.
  bool IsOpenHere() {
    return header().listener.load(std::memory_order_relaxed) == region_.Me() &&
           (header().doorbell.load(std::memory_order_relaxed) & kOpen) != 0;
  }
  // The number of slots that a call could take now.
  int FreeCount();

 private:
  std::optional<unsigned> TryAcquire(unsigned begin, unsigned end);
  bool TryReclaim(unsigned slot, Identity& living);
  std::optional<unsigned> TryReclaimOne(unsigned begin, unsigned end);
  void AnnounceFreed();
  virtual void WakeListener();

  Region region_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SLOTS_H_
