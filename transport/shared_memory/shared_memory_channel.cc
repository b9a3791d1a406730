// SPDX-License-Identifier: MIT
//
// How a call goes through shared memory, and why it survives the death of either side.
//
// A slot belongs to whoever has put its identity into `owner`. Within it, `state` (the word of its
// request) passes it to and fro:
//
//            client                 listener              client
//   kIdle ----------> kRequested ------------> kTaken -+-> kDone or kRefused ----> kIdle
//                         |                            |
//                         +-> kIdle                    +-> kAbandoned --(listener)--> kIdle
//                     (client withdraws)           (client gives up)
//
// Every arrow but the first and the last is one compare-and-swap on `state`, so of two who want to
// move it one learns that it was late. kTaken and kAbandoned carry the generation of the listener
// that took the request, so that a dead listener's are told from a living one's. The listener then
// names the call in `answer` (the word of the outcome): a client that spins looks there, at the
// line in which the outcome lies, and leaves the request's line to the listener.
//
// Being looked at. The doorbell has a bit for each slot and the bit "open", in one word. The
// listener looks at the slots whose bits are set. A client publishes its request in `state`, then
// looks at the doorbell: are the channel open and its bit set, the listener will come by; if not it
// sets the bit, and in the same step learns whether the channel is open. The listener clears bits
// before it sleeps and now and then, and looks once more at the slots whose bits it has cleared.
// "Publish, then look at the bit" against "clear the bit, then look at the slot", both sequentially
// consistent: one of the two sees the other, so no request is overlooked.
//
// Order. Each call has a number, taken right before it is published as a part of the state, and the
// listener takes the oldest of those that it sees (Gather). So what one thread sends is evaluated
// in the order in which it was sent, whether the thread has waited in between or not, and nobody
// waits for ever. A thread may withdraw a request and send the next from the same slot while the
// listener gathers: TakeSeen looks again.
//
// Closing takes the whole word away in one step. The listener then looks at the slots whose bits
// were in it, and answers those that have a request. A client whose bit was in it had published
// before, and is answered. A client that comes later sees that the channel is not open, and
// withdraws. It may find that it can't: then the listener, or one that has opened since, has taken
// its request, and it waits like any other. So a call is before the close and answered, or after it
// and NotListening; there is no third.
//
// Death of the listener. Clients sleep in slices of 20 ms and look between them whether the
// listener lives (a futex can't wait for a process, and a thread that could has no place in a
// program that forks). Whoever finds it dead moves its own slot back to kIdle, by the same
// compare-and-swap that a next listener would need to take it, and throws. It also buries it, which
// spares others the 20 ms. A listener that opens looks at all slots once: there may be requests
// which its predecessor left, and which nobody has withdrawn yet.
//
// A call that comes after the death of an idle listener does not know of it: to look before it is
// sent would cost more than the call. So its first slice is short, 1 ms, and a listener that is
// found dead after that, and has not taken the request, was dead when the call came: NotListening.
// Whoever has waited longer than that has seen it alive meanwhile, and is told that it died.
//
// Death of a client. Its slot stays owned by it. When slots run short a client looks for dead
// owners and takes their slots over: first `owner`, by compare-and-swap, so that only one does,
// then `state`. If it dies in between, the slot is again a dead owner's. A slot that a living
// listener evaluates is only abandoned: the listener frees it. Only an owner that is known to have
// ended loses its slot (Region::Alive): if a living one did, it would get another call's answer.
// That holds for what a living one has abandoned, too: it may have the same slot again by now, for
// another call, which `owner` does not tell. So what was abandoned to a listener that is gone is
// freed by the next one, which looks at all slots when it opens, after it has made it its own by a
// compare-and-swap on `state`. A client that abandons a call, and then finds that a listener has
// opened since, has it look at the slot once more.
//
// A client may also die between changing `sleeping` and waking the listener. So it does not say
// that the listener is awake, only that it was rung: until the listener itself says that it is
// awake, each caller wakes it.
//
// shared_memory_channel.pml, and for two parts of it shared_memory_channel_order.pml and
// shared_memory_channel_slots.pml, are models of this, which Spin checks exhaustively
// (shared_memory_channel_model_test). A change of the protocol changes them, too.
//
// Memory order: a message is written before the release that publishes it, and read after the
// acquire that sees it. The pairs of the kind "set mine, then look at the other's" are sequentially
// consistent: `state` and the doorbell, the doorbell and the listener's `sleeping`, `owner` and
// `slot_waits`.
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/limits.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/shared_memory/internal/spin.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/packed.h"

namespace remoteobj {
namespace {

using namespace transport_internal;  // NOLINT(build/namespaces): all of it is this file's tools.

// The low bits of a state.
enum Phase : std::uint32_t {
  kIdle = 0,
  kRequested = 1,
  kTaken = 2,
  kDone = 3,
  kRefused = 4,
  kAbandoned = 5,
};
constexpr std::uint32_t kPhaseMask = 7;
constexpr std::uint32_t kSleeper = 8;  // The client sleeps on the word.
// And behind them, of a request that nobody has taken, its number; of one that is taken or
// abandoned the generation of the listener that took it.
constexpr std::uint32_t kNumberShift = 4;
constexpr std::uint32_t kNumberMask = (1u << 28) - 1;

// What `sleeping` says of the listener. It sleeps on the word while that is kAsleep.
enum ListenerSleep : std::uint32_t { kAwake = 0, kAsleep = 1, kRung = 2 };

constexpr std::uint64_t kOpen = std::uint64_t{1} << 63;
constexpr std::uint64_t kAllSlots = (std::uint64_t{1} << kSlots) - 1;
// Of the slots, those that asynchronous calls leave to the others. So a program that starts many
// and finishes none can still make calls.
constexpr unsigned kSynchronousSlots = kSlots / 2;

// In a Half of an outcome, beside 0 for an answer and 1 for a refusal: the caller has read it.
constexpr std::uint32_t kReceived = 2;
constexpr int kNoBell = -1;

constexpr absl::Duration kSlice = absl::Milliseconds(20);
constexpr absl::Duration kFirstSlice = absl::Milliseconds(1);

// Writes the error that is being handled if it is the channel's own: of a request that can't be
// read, or of an outcome for which there is no room. Cut short, to fit the slot: what failed may be
// the memory for more.
bool WroteOwnError(OutcomeWriter& writer) {
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

// Of the states of two requests, by their numbers, which begin anew after 268 million.
bool IsBefore(std::uint32_t state, std::uint32_t other) {
  const std::uint32_t distance = (state >> kNumberShift) - (other >> kNumberShift);
  return static_cast<std::int32_t>(distance << kNumberShift) < 0;
}

Phase PhaseOf(std::uint32_t state) { return static_cast<Phase>(state & kPhaseMask); }

// How long to sleep before the next look at the world.
absl::Duration SliceUntil(Deadline deadline, absl::Duration slice = kSlice) {
  return std::min(slice, deadline.left());
}

// How `process` ended, as far as this one is told. It stays waitable.
ListenerDied::End EndOf(Identity process) {
  ListenerDied::End end;
  end.pid = PidOf(process);
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(end.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == end.pid) {
    (info.si_code == CLD_EXITED ? end.exit_code : end.signal) = info.si_status;
  }
  return end;
}

[[noreturn]] void ThrowListenerDied(Identity listener, bool evaluating) {
  const ListenerDied::End end = EndOf(listener);
  std::string how;
  if (end.signal) how = absl::StrCat(", signal ", *end.signal, " (", strsignal(*end.signal), ")");
  if (end.exit_code) how = absl::StrCat(", exit code ", *end.exit_code);
  throw ListenerDied(
      absl::StrCat("the listener (pid ", end.pid, how, ") died ",
                   evaluating ? "while it evaluated the call" : "before it evaluated the call"),
      end, evaluating);
}

// Whether a call has been sent just now, so that a listener that is dead was dead before.
enum class Age { kFresh, kOld };

class SharedMemoryChannelImpl final : public SharedMemoryChannel, public Listener {
 public:
  explicit SharedMemoryChannelImpl(int bell) : bell_(bell) {}
  SharedMemoryChannelImpl(int fd, int bell)
      : region_(fd, bell < 0 ? Origin::kThisProgram : Origin::kStranger), bell_(bell) {}

  int fd() const override { return region_.fd(); }
  bool lendable() const override {
    return region_.sealed() && region_.window_bytes() == kWindowBytes;
  }

  // Channel
  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override;
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override;
  bool listening() override;
  pid_t listener_pid() override { return listening() ? PidOf(header().listener.load()) : 0; }
  bool listening_here() override {
    return header().listener.load(std::memory_order_relaxed) == region_.Me() &&
           (header().doorbell.load(std::memory_order_relaxed) & kOpen) != 0;
  }
  bool WaitUntilListening(Deadline deadline) override;

  // SharedMemoryChannel
  Listener& listener() override { return *this; }
  int free_slots() override;
  bool Poll(transport_internal::PolledHandler& handler) override;
  bool called() override;
  int caller_cpu() override;
  bool Arm() override;
  std::optional<bool> Received(unsigned slot, bool gone) override;

  // Listener
  void Open() override;
  bool is_open() override { return listening_here(); }
  bool Serve(Handler handler, Deadline deadline) override;
  void Wake() override;
  void Close(Final final, Handler handler) override;

 private:
  friend class SharedMemoryPendingCall;

  Header& header() { return region_.header(); }
  std::atomic<std::uint32_t>& state(unsigned slot) { return region_.slot(slot).request.word; }
  std::atomic<std::uint32_t>& answer(unsigned slot) { return region_.slot(slot).outcome.word; }

  // Whether the outcome is there, as the listener says at once, or as it has settled.
  bool Named(unsigned slot) {
    return answer(slot).load(std::memory_order_acquire) == region_.slot(slot).call;
  }
  bool Answered(unsigned slot) {
    const Phase phase = PhaseOf(state(slot).load(std::memory_order_acquire));
    return phase == kDone || phase == kRefused;
  }

  // The client's side, in the order in which a call takes it.
  void CheckListening();
  std::optional<unsigned> TryAcquire(unsigned begin, unsigned end);
  unsigned Acquire(Deadline deadline);
  bool TryReclaim(unsigned slot, Identity& living);
  std::optional<unsigned> TryReclaimOne(unsigned begin, unsigned end);
  std::uint32_t NextCall(unsigned slot);
  void Send(unsigned slot, WriteRequest write, Deadline deadline);
  void AwaitOutcome(unsigned slot, Deadline deadline, Age age);
  void SendOrFree(unsigned slot, WriteRequest write, Deadline deadline);
  void AwaitAndRead(unsigned slot, ReadOutcome read, Deadline deadline);
  std::unique_ptr<PendingCall> StartAndWait(WriteRequest write, Deadline deadline);
  void GiveUp(unsigned slot);
  void AnnounceAbandoned(unsigned slot, std::uint32_t state);
  bool NobodyAnswers(unsigned slot);
  void CheckListenerLives(unsigned slot, Age age);
  void ReadOutcomeOf(unsigned slot, ReadOutcome read);
  void Release(unsigned slot);
  void AnnounceFreed();

  // The listener's.
  bool HasWork(std::uint64_t bits);
  bool Gather(std::uint64_t bits);
  std::optional<unsigned> TakeSeen();
  std::optional<unsigned> TakeNext();
  bool Take(unsigned slot, std::uint32_t seen);
  void Tidy();
  void Evaluate(unsigned slot, Handler handler);
  bool Answer(unsigned slot, Phase how);
  void FreeAbandoned(unsigned slot);
  void FreeAbandonedByPredecessor(unsigned slot, std::uint32_t now);
  void Sleep(Deadline deadline);
  void Ring();

  std::uint32_t Generation() {
    return header().generation.load(std::memory_order_seq_cst) & kNumberMask;
  }
  // Whether the listener that took the request of this state is gone.
  bool TakerIsGone(std::uint32_t state) {
    return (state >> kNumberShift) != Generation() ||
           !region_.Alive(header().listener.load(std::memory_order_acquire));
  }

  Region region_;
  const int bell_;  // Of a polled channel; else negative.

  // Of the listening process.
  std::atomic<bool> wake_{false};
  std::uint32_t generation_ = 0;
  // Requests that have been seen, in their order; those before `next_` have been looked at again.
  struct Seen {
    std::uint32_t state;
    unsigned slot;
  };
  std::array<Seen, kSlots> seen_;
  std::size_t seen_count_ = 0;
  std::size_t next_ = 0;
  unsigned last_served_ = 0;
  unsigned served_ = 0;
  std::uint64_t unannounced_ = 0;  // Slots to be looked at although their bits are not set.
  Spinner listener_spinner_;
};

// Frees its slot however a call ends, unless the call has given it up already.
class SlotHold {
 public:
  SlotHold(absl::FunctionRef<void(unsigned)> release, unsigned slot)
      : release_(release), slot_(slot) {}
  ~SlotHold() {
    if (held_) release_(slot_);
  }
  SlotHold(const SlotHold&) = delete;
  SlotHold& operator=(const SlotHold&) = delete;
  void Forget() { held_ = false; }

 private:
  absl::FunctionRef<void(unsigned)> release_;
  unsigned slot_;
  bool held_ = true;
};

// The client's side

void SharedMemoryChannelImpl::CheckListening() {
  const Identity listener = header().listener.load(std::memory_order_relaxed);
  if (listener == 0 || listener == header().buried.load(std::memory_order_relaxed)) {
    throw NotListening("no process listens");
  }
}

std::optional<unsigned> SharedMemoryChannelImpl::TryAcquire(unsigned begin, unsigned end) {
  // The one it had last is in this core's cache, and likely to be free.
  thread_local unsigned last = static_cast<unsigned>(Self() % kSynchronousSlots);
  const Identity self = region_.Me();
  const unsigned size = end - begin;
  for (unsigned i = 0; i < size; ++i) {
    const unsigned slot = begin + (last + i) % size;
    Identity none = 0;
    auto& owner = region_.slot(slot).owner;
    if (owner.load(std::memory_order_relaxed) == 0 &&
        owner.compare_exchange_strong(none, self, std::memory_order_seq_cst)) {
      last = slot - begin;
      return slot;
    }
  }
  return std::nullopt;
}

// `living` is a process that was alive a moment ago; it spares asking for it again.
bool SharedMemoryChannelImpl::TryReclaim(unsigned slot, Identity& living) {
  auto& owner = region_.slot(slot).owner;
  Identity dead = owner.load(std::memory_order_acquire);
  if (dead == 0) return false;
  if (dead == living || region_.Alive(dead)) {
    living = dead;
    return false;
  }
  // A dead owner can no more abandon the call. So if it is not abandoned now, it will not be until
  // the slot has a new owner; and the listener, which frees abandoned ones, leaves it alone.
  const std::uint32_t left = state(slot).load(std::memory_order_acquire);
  const bool abandoned = PhaseOf(left) == kAbandoned;
  if (abandoned && !TakerIsGone(left)) return false;
  if (!owner.compare_exchange_strong(dead, region_.Me(), std::memory_order_acq_rel)) return false;
  At(FaultPoint::kClientReclaiming);
  std::uint32_t now = left;
  // A listener that opens frees it, too: it belongs to the one that changes the state.
  if (abandoned) return state(slot).compare_exchange_strong(now, kIdle, std::memory_order_acq_rel);
  for (;;) {
    now = state(slot).load(std::memory_order_acquire);
    const bool busy = PhaseOf(now) == kTaken && !TakerIsGone(now);
    const std::uint32_t next = busy ? (now & ~(kPhaseMask | kSleeper)) | kAbandoned : kIdle;
    if (!state(slot).compare_exchange_strong(now, next, std::memory_order_seq_cst)) continue;
    if (busy) {
      AnnounceAbandoned(slot, next);
      return false;
    }
    // The dead owner may have set its bit, and not come to ring.
    Ring();
    return true;
  }
}

std::optional<unsigned> SharedMemoryChannelImpl::TryReclaimOne(unsigned begin, unsigned end) {
  Identity living = region_.Me();
  for (unsigned slot = begin; slot < end; ++slot) {
    if (TryReclaim(slot, living)) return slot;
  }
  return std::nullopt;
}

unsigned SharedMemoryChannelImpl::Acquire(Deadline deadline) {
  if (const auto slot = TryAcquire(0, kSynchronousSlots)) return *slot;
  if (const auto slot = TryAcquire(kSynchronousSlots, kSlots)) return *slot;
  for (;;) {
    const std::uint32_t freed = header().freed.load(std::memory_order_seq_cst);
    header().slot_waits.fetch_add(1, std::memory_order_seq_cst);
    if (const auto slot = TryAcquire(0, kSlots)) return *slot;
    if (const auto slot = TryReclaimOne(0, kSlots)) return *slot;
    if (deadline.expired()) {
      throw DeadlineExceeded(absl::StrCat("all ", kSlots, " places for calls were taken"));
    }
    At(FaultPoint::kClientWaitsForSlot);
    FutexWait(header().freed, freed, SliceUntil(deadline));
    InterruptionPoint();
  }
}

void SharedMemoryChannelImpl::Send(unsigned slot, WriteRequest write, Deadline deadline) {
  ExpectToWrite(region_.slot(slot).request);
  At(FaultPoint::kClientHasSlot);
#if defined(__SANITIZE_THREAD__)
  // What another thread of this process wrote here before it gave up is ordered by `owner`, which
  // the listener has freed. ThreadSanitizer does not see what other processes do; it sees this.
  static_cast<void>(state(slot).load(std::memory_order_acquire));
#endif
  SlotMessage message(region_, slot, Direction::kRequest);
  write(RequestOn(message, deadline));
  At(FaultPoint::kClientWriting);
  message.Finish();
  Half& request = region_.slot(slot).request;
  request.call = region_.slot(slot).call = NextCall(slot);
  request.cpu.store(static_cast<std::uint32_t>(sched_getcpu() + 1), std::memory_order_relaxed);
  const std::uint32_t requested = kRequested | request.call << kNumberShift;
  request.word.store(requested, std::memory_order_seq_cst);
  At(FaultPoint::kClientPublished);
  const std::uint64_t bit = std::uint64_t{1} << slot;
  if ((header().doorbell.load(std::memory_order_seq_cst) & (kOpen | bit)) == (kOpen | bit)) return;
  const std::uint64_t before = header().doorbell.fetch_or(bit, std::memory_order_seq_cst);
  At(FaultPoint::kClientAnnounced);
  if ((before & kOpen) == 0) {
    std::uint32_t unchanged = requested;
    if (request.word.compare_exchange_strong(unchanged, kIdle, std::memory_order_acq_rel)) {
      throw NotListening("no process listens");
    }
  }
  Ring();
}

// Calls are numbered in the order in which they are sent.
std::uint32_t SharedMemoryChannelImpl::NextCall(unsigned slot) {
  for (;;) {
    const std::uint32_t call = header().calls.fetch_add(1, std::memory_order_seq_cst) + 1;
    // Not, after four billion others, that of the last answer here.
    if (call != answer(slot).load(std::memory_order_relaxed)) return call;
  }
}

// Wakes the listener if it sleeps. A caller that finds it rung wakes it as well: the process that
// has rung may have died before it came to wake it.
void SharedMemoryChannelImpl::Ring() {
  std::uint32_t asleep = kAsleep;
  if (header().sleeping.load(std::memory_order_seq_cst) == kAwake) return;
  header().sleeping.compare_exchange_strong(asleep, kRung, std::memory_order_seq_cst);
  At(FaultPoint::kClientRinging);
  if (bell_ < 0) {
    FutexWake(header().sleeping, 1);
  } else {
    const std::uint64_t one = 1;
    // It can only fail where it has been rung already.
    [[maybe_unused]] const ssize_t written = write(bell_, &one, sizeof one);
  }
}

// Returns when the outcome is there. Throws where it will not come, or not in time; then the slot
// is free, or no longer this call's.
void SharedMemoryChannelImpl::AwaitOutcome(unsigned slot, Deadline deadline, Age age) {
  thread_local Spinner spinner;
  const int peer = static_cast<int>(header().listener_cpu.load(std::memory_order_relaxed)) - 1;
  if (spinner.Spin(peer, [&] { return Named(slot); })) return;
  At(FaultPoint::kClientBeforeSleep);
  while (!Answered(slot)) {
    const std::uint32_t named = answer(slot).load(std::memory_order_acquire);
    std::uint32_t now = state(slot).load(std::memory_order_acquire);
    if (PhaseOf(now) != kRequested && PhaseOf(now) != kTaken) continue;
    if ((now & kSleeper) == 0 &&
        !state(slot).compare_exchange_weak(now, now | kSleeper, std::memory_order_acq_rel)) {
      continue;
    }
    // The listener settles the state, then names the call, then wakes who sleeps on that name.
    FutexWait(answer(slot), named, SliceUntil(deadline, age == Age::kFresh ? kFirstSlice : kSlice));
    if (Answered(slot)) break;
    InterruptionPoint();
    if (deadline.expired()) throw DeadlineExceeded("the outcome did not come in time");
    CheckListenerLives(slot, age);
    age = Age::kOld;
  }
}

// Whether nobody is left to answer this slot.
bool SharedMemoryChannelImpl::NobodyAnswers(unsigned slot) {
  const std::uint32_t now = state(slot).load(std::memory_order_acquire);
  if (PhaseOf(now) == kTaken) return TakerIsGone(now);
  return PhaseOf(now) == kRequested &&
         !region_.Alive(header().listener.load(std::memory_order_acquire));
}

// Throws ListenerDied, or NotListening, if nobody is left to answer this slot.
void SharedMemoryChannelImpl::CheckListenerLives(unsigned slot, Age age) {
  std::uint32_t now = state(slot).load(std::memory_order_acquire);
  const Identity listener = header().listener.load(std::memory_order_acquire);
  const bool alive = region_.Alive(listener);
  if (!alive && listener != 0) header().buried.store(listener, std::memory_order_relaxed);
  const bool evaluating = PhaseOf(now) == kTaken;
  // Not looked at twice: if it dies in between, it is named the next time.
  const bool others = evaluating && (now >> kNumberShift) != Generation();
  if (!others && (alive || (!evaluating && PhaseOf(now) != kRequested))) return;
  if (state(slot).compare_exchange_strong(now, kIdle, std::memory_order_acq_rel)) {
    // Where there is a new listener already it has noted its predecessor.
    const bool named = listener != 0 && !alive;
    if (!evaluating && age == Age::kFresh) {
      throw NotListening("no process listens: the last one has died");
    }
    ThrowListenerDied(named ? listener : header().buried.load(std::memory_order_relaxed),
                      evaluating);
  }
}

// Leaves a call whose outcome nobody waits for any more. The slot is freed, now or by the listener.
void SharedMemoryChannelImpl::GiveUp(unsigned slot) {
  for (;;) {
    std::uint32_t now = state(slot).load(std::memory_order_acquire);
    if (PhaseOf(now) != kTaken) {
      // Withdraw it, unless it is taken just now. What is answered already is forgotten.
      if (PhaseOf(now) != kRequested ||
          state(slot).compare_exchange_weak(now, kIdle, std::memory_order_acq_rel)) {
        Release(slot);
        return;
      }
      continue;
    }
    const std::uint32_t abandoned = (now & ~(kPhaseMask | kSleeper)) | kAbandoned;
    if (state(slot).compare_exchange_weak(now, abandoned, std::memory_order_seq_cst)) {
      return AnnounceAbandoned(slot, abandoned);
    }
  }
}

// The call in that slot has been left to the listener that took it. One that has opened since may
// have looked at the slot before.
void SharedMemoryChannelImpl::AnnounceAbandoned(unsigned slot, std::uint32_t state) {
  if ((state >> kNumberShift) == Generation()) return;
  header().doorbell.fetch_or(std::uint64_t{1} << slot, std::memory_order_seq_cst);
  Ring();
}

void SharedMemoryChannelImpl::ReadOutcomeOf(unsigned slot, ReadOutcome read) {
  At(FaultPoint::kClientHasOutcome);
  if (region_.slot(slot).outcome.call != 0) {
    if (bell_ >= 0 && (header().doorbell.load(std::memory_order_relaxed) & kOpen) != 0) {
      throw transport_internal::GoAnotherWay();
    }
    throw NotListening("the listener closed, and refused the call");
  }
  SlotReader message(region_, slot, Direction::kOutcome);
  read(OutcomeIn(message.in()));
  // What was handed over is this caller's from here on.
  if (bell_ >= 0) region_.slot(slot).outcome.call = kReceived;
}

void SharedMemoryChannelImpl::Release(unsigned index) {
  region_.Trim(index, Direction::kRequest);
  region_.Trim(index, Direction::kOutcome);
  // The state stays settled, in the listener's cache: kDone is as good as kIdle.
  // Of a polled channel the listener is to know of what was handed over and not read.
  const bool unread = bell_ >= 0 && region_.slot(index).outcome.call == 0 &&
                      PhaseOf(state(index).load(std::memory_order_acquire)) == kDone;
  region_.slot(index).owner.exchange(0, std::memory_order_seq_cst);
  AnnounceFreed();
  if (unread) Ring();
}

// Frees the slot if it can't be sent: that, too, GiveUp does.
void SharedMemoryChannelImpl::SendOrFree(unsigned slot, WriteRequest write, Deadline deadline) {
  const auto give_up = [this](unsigned s) { GiveUp(s); };
  SlotHold hold(give_up, slot);
  Send(slot, write, deadline);
  hold.Forget();
}

// Of a call that has just been sent. Frees the slot, however it ends.
void SharedMemoryChannelImpl::AwaitAndRead(unsigned slot, ReadOutcome read, Deadline deadline) {
  const auto give_up = [this](unsigned s) { GiveUp(s); };
  SlotHold hold(give_up, slot);
  AwaitOutcome(slot, deadline, Age::kFresh);
  hold.Forget();
  const auto release = [this](unsigned s) { Release(s); };
  SlotHold answered(release, slot);
  ReadOutcomeOf(slot, read);
}

void SharedMemoryChannelImpl::Call(WriteRequest write, ReadOutcome read, Deadline deadline) {
  CheckListening();
  const unsigned slot = Acquire(deadline);
  SendOrFree(slot, write, deadline);
  AwaitAndRead(slot, read, deadline);
}

class SharedMemoryPendingCall final : public PendingCall {
 public:
  SharedMemoryPendingCall(SharedMemoryChannelImpl& channel, unsigned slot)
      : channel_(channel), slot_(slot), owner_(Self()) {}
  ~SharedMemoryPendingCall() override {
    // A copy in a forked child has no part in it.
    if (slot_ && owner_ == Self()) channel_.GiveUp(*slot_);
  }

  bool ready() override {
    if (!slot_ || channel_.Answered(*slot_)) return true;
    // One who only polls is to hear of the listener's death, too.
    const std::int64_t now = MonotonicNanos();
    if (now < next_look_) return false;
    const bool in_vain = channel_.NobodyAnswers(*slot_);
    next_look_ = in_vain ? 0 : now + absl::ToInt64Nanoseconds(kSlice);
    return in_vain;
  }

  void Finish(ReadOutcome read, Deadline deadline) override {
    if (!slot_ || owner_ != Self()) throw std::logic_error("this call was finished already");
    const bool fresh = MonotonicNanos() - begun_ < absl::ToInt64Nanoseconds(kFirstSlice);
    try {
      channel_.AwaitOutcome(*slot_, deadline, fresh ? Age::kFresh : Age::kOld);
    } catch (const NotListening&) {
      channel_.GiveUp(*std::exchange(slot_, std::nullopt));
      throw;
    } catch (const ListenerDied&) {
      channel_.GiveUp(*std::exchange(slot_, std::nullopt));
      throw;
    }  // Else it can still come: it is late, or this thread was interrupted.
    const unsigned slot = *std::exchange(slot_, std::nullopt);
    const auto release = [this](unsigned s) { channel_.Release(s); };
    SlotHold hold(release, slot);
    channel_.ReadOutcomeOf(slot, read);
  }

 private:
  SharedMemoryChannelImpl& channel_;
  std::optional<unsigned> slot_;
  const Identity owner_;
  // In nanoseconds, as MonotonicNanos.
  const std::int64_t begun_ = MonotonicNanos();
  std::int64_t next_look_ = begun_ + absl::ToInt64Nanoseconds(kSlice);
};

// A call that was waited for at once: its outcome, or why there is none.
class FinishedCall final : public PendingCall {
 public:
  explicit FinishedCall(std::string outcome) : outcome_(std::move(outcome)) {}
  explicit FinishedCall(std::exception_ptr error) : error_(std::move(error)) {}
  bool ready() override { return true; }
  void Finish(ReadOutcome read, Deadline) override {
    if (error_ != nullptr) std::rethrow_exception(error_);
    WithFramed(outcome_, [&](In& message) { read(OutcomeIn(message)); });
  }

 private:
  std::string outcome_;
  std::exception_ptr error_;
};

// Throws only where nothing was sent.
std::unique_ptr<PendingCall> SharedMemoryChannelImpl::StartAndWait(WriteRequest write,
                                                                   Deadline deadline) {
  const unsigned slot = Acquire(deadline);
  SendOrFree(slot, write, deadline);
  try {
    std::string outcome;
    AwaitAndRead(
        slot, [&](const OutcomeReader& in) { outcome = Extract(Access::StructOf(in)); }, deadline);
    return std::make_unique<FinishedCall>(std::move(outcome));
  } catch (...) {
    return std::make_unique<FinishedCall>(std::current_exception());
  }
}

std::unique_ptr<PendingCall> SharedMemoryChannelImpl::Start(WriteRequest write, Deadline deadline) {
  CheckListening();
  std::optional<unsigned> slot = TryAcquire(kSynchronousSlots, kSlots);
  if (!slot) slot = TryReclaimOne(kSynchronousSlots, kSlots);
  // As many as may be are under way: make room by waiting for this one.
  if (!slot) return StartAndWait(write, deadline);
  const auto give_up = [this](unsigned s) { GiveUp(s); };
  SlotHold hold(give_up, *slot);
  Send(*slot, write, deadline);
  auto call = std::make_unique<SharedMemoryPendingCall>(*this, *slot);
  hold.Forget();
  return call;
}

bool SharedMemoryChannelImpl::listening() {
  if (listening_here()) return true;
  const Identity listener = header().listener.load(std::memory_order_acquire);
  return (header().doorbell.load(std::memory_order_acquire) & kOpen) != 0 &&
         listener != header().buried.load(std::memory_order_relaxed) && region_.Alive(listener);
}

bool SharedMemoryChannelImpl::WaitUntilListening(Deadline deadline) {
  for (;;) {
    const std::uint32_t openings = header().openings.load(std::memory_order_acquire);
    if (listening()) return true;
    if (deadline.expired()) return false;
    FutexWait(header().openings, openings, SliceUntil(deadline));
    InterruptionPoint();
  }
}

int SharedMemoryChannelImpl::free_slots() {
  int free = 0;
  for (unsigned i = 0; i < kSlots; ++i) {
    if (region_.slot(i).owner.load(std::memory_order_relaxed) == 0) ++free;
  }
  return free;
}

// The listener's side

void SharedMemoryChannelImpl::Open() {
  Identity listener = header().listener.load(std::memory_order_acquire);
  do {
    if (region_.Alive(listener)) {
      throw std::logic_error(
          absl::StrCat("process ", PidOf(listener), " listens on this proxy already"));
    }
  } while (!header().listener.compare_exchange_strong(listener, region_.Me(),
                                                      std::memory_order_acq_rel));
  if (listener != 0) header().buried.store(listener, std::memory_order_relaxed);
  At(FaultPoint::kListenerOpening);
  // From here on what an earlier listener took and did not answer is seen to be lost.
  generation_ = (header().generation.fetch_add(1, std::memory_order_seq_cst) + 1) & kNumberMask;
  header().sleeping.store(kAwake, std::memory_order_seq_cst);
  wake_.store(false, std::memory_order_relaxed);
  listener_spinner_ = Spinner();
  unannounced_ = kAllSlots;
  next_ = seen_count_ = 0;
  header().doorbell.fetch_or(kOpen, std::memory_order_seq_cst);
  header().openings.fetch_add(1, std::memory_order_release);
  FutexWakeAll(header().openings);
}

// Unless it is another request by now than the one whose state was `seen`.
bool SharedMemoryChannelImpl::Take(unsigned slot, std::uint32_t seen) {
  // The rest comes along while the first line is made this process's.
  ExpectToRead(region_.slot(slot).request);
  const std::uint32_t taken = kTaken | generation_ << kNumberShift;
  std::uint32_t now = seen;
  do {
    if (state(slot).compare_exchange_weak(now, taken | (now & kSleeper),
                                          std::memory_order_acq_rel)) {
      At(FaultPoint::kListenerTook);
      return true;
    }
  } while ((now & ~kSleeper) == (seen & ~kSleeper));
  return false;
}

// Tells the client, and gives true; or frees the slot of one that has left.
bool SharedMemoryChannelImpl::Answer(unsigned index, Phase how) {
  At(FaultPoint::kListenerEvaluated);
  Slot& slot = region_.slot(index);
  slot.outcome.call = how == kRefused ? 1 : 0;
  // Now, since from kDone on the client may go on and number its next call.
  const std::uint32_t call = slot.request.call;
  std::uint32_t now = state(index).load(std::memory_order_acquire);
  while (PhaseOf(now) == kTaken) {
    if (state(index).compare_exchange_weak(now, how, std::memory_order_acq_rel)) {
      At(FaultPoint::kListenerSettled);
      answer(index).store(call, std::memory_order_release);
      if ((now & kSleeper) != 0) FutexWake(answer(index), 1);
      return true;
    }
  }
  if (PhaseOf(now) == kAbandoned) FreeAbandoned(index);
  return false;
}

// REQUIRES: its state says that this listener has it.
void SharedMemoryChannelImpl::FreeAbandoned(unsigned index) {
  Slot& slot = region_.slot(index);
  // First the slot becomes this process's: the caller that has left it may live on, and if this
  // process dies halfway the slot is to be a dead one's.
  slot.owner.store(region_.Me(), std::memory_order_release);
  At(FaultPoint::kListenerFreeing);
  region_.Trim(index, Direction::kRequest);
  region_.Trim(index, Direction::kOutcome);
  state(index).store(kIdle, std::memory_order_release);
  slot.owner.store(0, std::memory_order_seq_cst);
  AnnounceFreed();
}

// If its state is `now` and no call that this listener evaluates.
void SharedMemoryChannelImpl::FreeAbandonedByPredecessor(unsigned slot, std::uint32_t now) {
  const std::uint32_t mine = kAbandoned | generation_ << kNumberShift;
  // A client that takes over a dead one's slot may change the state meanwhile.
  if (now != mine && state(slot).compare_exchange_strong(now, mine, std::memory_order_acq_rel)) {
    FreeAbandoned(slot);
  }
}

void SharedMemoryChannelImpl::AnnounceFreed() {
  const std::uint32_t waits = header().slot_waits.load(std::memory_order_seq_cst);
  if (waits == header().slot_waits_over.load(std::memory_order_relaxed)) return;
  header().freed.fetch_add(1, std::memory_order_seq_cst);
  // Nobody was there: those who had begun to wait by then have got a slot, given up, died, or see
  // the other `freed`.
  if (FutexWake(header().freed, 1) == 0) {
    header().slot_waits_over.store(waits, std::memory_order_relaxed);
  }
}

void SharedMemoryChannelImpl::Evaluate(unsigned slot, Handler handler) {
  ExpectToWrite(region_.slot(slot).outcome);
  SlotMessage outcome(region_, slot, Direction::kOutcome);
  OutcomeWriter writer = Access::Outcome(outcome);
  try {
    SlotReader message(region_, slot, Direction::kRequest);
    const RequestReader request = RequestIn(message.in());
    if (request.deadline().expired()) {
      writer.Error({.type = "remoteobj::DeadlineExceeded", .message = "the request came too late"});
    } else {
      const transport_internal::Uninterrupted uninterrupted;
      handler(request, writer);
    }
  } catch (...) {
    if (transport_internal::ThreadEnds()) {
      writer.Error(transport_internal::EvaluatingThreadEnded());
      outcome.Finish();
      Answer(slot, kDone);
      throw;
    }
    if (!WroteOwnError(writer)) throw;
  }
  if (outcome.used() == 0) writer.Value().Null();
  outcome.Finish();
  Answer(slot, kDone);
}

// Sees which requests there are in the slots of `bits`, in the order in which they were sent. False
// if there are none.
//
// One who has sent a request, and then another, may be seen to have sent the other only, if it was
// in between that the first one's slot was looked at. So all are looked at once more, and of what
// comes to light what is older than the youngest that was seen before belongs with them; what is
// younger comes the next time.
bool SharedMemoryChannelImpl::Gather(std::uint64_t bits) {
  next_ = seen_count_ = 0;
  std::uint64_t without = bits & kAllSlots;
  const auto look = [&](const auto& belongs) {
    for (std::uint64_t left = without; left != 0; left &= left - 1) {
      const auto slot = static_cast<unsigned>(std::countr_zero(left));
      const std::uint64_t bit = std::uint64_t{1} << slot;
      const std::uint32_t now = state(slot).load(std::memory_order_seq_cst);
      if (PhaseOf(now) != kRequested) {
        if (PhaseOf(now) == kAbandoned) FreeAbandonedByPredecessor(slot, now);
        unannounced_ &= ~bit;
        continue;
      }
      if (!belongs(now)) continue;
      without &= ~bit;
      std::size_t at = seen_count_++;
      for (; at > 0 && IsBefore(now, seen_[at - 1].state); --at) seen_[at] = seen_[at - 1];
      seen_[at] = {now, slot};
      At(FaultPoint::kListenerSaw);
    }
  };
  look([](std::uint32_t) { return true; });
  if (seen_count_ == 0) return false;
  const std::uint32_t youngest = seen_[seen_count_ - 1].state;
  // Sent before what has been seen: so its bit is set by now.
  const std::uint64_t now = header().doorbell.load(std::memory_order_seq_cst) | unannounced_;
  without |= now & kAllSlots & ~bits;
  if (without != 0) look([&](std::uint32_t state) { return IsBefore(state, youngest); });
  return true;
}

// Takes the oldest of the requests that were seen. Its slot may have another request, since a
// caller can withdraw one and send the next. If that is older than the youngest that was seen, it
// takes its place among them. If not, its bit stays, and it is seen the next time.
std::optional<unsigned> SharedMemoryChannelImpl::TakeSeen() {
  while (next_ < seen_count_) {
    const auto [seen, slot] = seen_[next_++];
    if (Take(slot, seen)) {
      unannounced_ &= ~(std::uint64_t{1} << slot);
      last_served_ = slot;
      return slot;
    }
    const std::uint32_t now = state(slot).load(std::memory_order_seq_cst);
    if (PhaseOf(now) != kRequested || next_ == seen_count_ ||
        !IsBefore(now, seen_[seen_count_ - 1].state)) {
      continue;
    }
    std::size_t at = --next_;
    for (; IsBefore(seen_[at + 1].state, now); ++at) seen_[at] = seen_[at + 1];
    seen_[at] = {now, slot};
  }
  return std::nullopt;
}

// Takes the request that was sent first. Looks around once: who changes his requests all the time
// does not keep the listener.
std::optional<unsigned> SharedMemoryChannelImpl::TakeNext() {
  if (const auto slot = TakeSeen()) return slot;
  if (!Gather(header().doorbell.load(std::memory_order_seq_cst) | unannounced_)) {
    return std::nullopt;
  }
  return TakeSeen();
}

// Takes the bits out of the doorbell; the slots are to be looked at once more.
void SharedMemoryChannelImpl::Tidy() {
  const std::uint64_t bits = header().doorbell.load(std::memory_order_relaxed) & kAllSlots;
  if (bits == 0) return;
  header().doorbell.fetch_and(~bits, std::memory_order_seq_cst);
  unannounced_ |= bits;
}

bool SharedMemoryChannelImpl::Serve(Handler handler, Deadline deadline) {
  constexpr unsigned kServedPerTidy = 1024;
  if (++served_ % kServedPerTidy == 0) Tidy();
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

bool SharedMemoryChannelImpl::Poll(transport_internal::PolledHandler& handler) {
  constexpr unsigned kServedPerTidy = 1024;
  if (++served_ % kServedPerTidy == 0) Tidy();
  const std::optional<unsigned> slot = TakeNext();
  if (!slot) return false;
  // The loop is awake: spares the next caller the bell. Arm looks at all slots after it sleeps.
  if (header().sleeping.load(std::memory_order_relaxed) != kAwake) {
    header().sleeping.store(kAwake, std::memory_order_relaxed);
  }
  handler.Took(*slot);
  SlotMessage written(region_, *slot, Direction::kOutcome);
  const auto put = [&](HeapMessage& outcome) {
    written.Reset();
    written.Append(outcome.words());
  };
  bool refused = false;
  bool failed = false;
  try {
    SlotReader message(region_, *slot, Direction::kRequest);
    const In& shared = message.in();
    if (shared.words * sizeof(transport_internal::Word) > kMaxManagerMessageBytes) {
      throw BadValue("a request of more than 1 GiB");
    }
    // A copy: whoever has sent it may write in it while it is read.
    HeapMessage request;
    request.Append({shared.base, shared.words});
    In in = request.Read();
    const RequestReader reader = RequestIn(in);
    HeapMessage* const outcome = handler.Evaluate(*slot, reader);
    refused = outcome == nullptr;
    if (!refused) put(*outcome);
  } catch (...) {
    HeapMessage outcome;
    OutcomeWriter writer = Access::Outcome(outcome);
    if (!WroteOwnError(writer)) throw;
    put(outcome);
    failed = true;
  }
  written.Finish();
  const bool wanted = Answer(*slot, refused ? kRefused : kDone);
  handler.Answered(*slot, wanted && !failed);
  return true;
}

// Whether there is something for this listener in the slots of `bits`: see Gather.
bool SharedMemoryChannelImpl::HasWork(std::uint64_t bits) {
  for (bits &= kAllSlots; bits != 0; bits &= bits - 1) {
    const auto slot = static_cast<unsigned>(std::countr_zero(bits));
    const std::uint32_t now = state(slot).load(std::memory_order_seq_cst);
    if (PhaseOf(now) == kRequested) return true;
    if (PhaseOf(now) == kAbandoned && (now >> kNumberShift) != generation_) return true;
  }
  return false;
}

bool SharedMemoryChannelImpl::called() {
  return HasWork(header().doorbell.load(std::memory_order_acquire));
}

int SharedMemoryChannelImpl::caller_cpu() {
  const auto cpu = static_cast<std::uint32_t>(sched_getcpu() + 1);
  if (header().listener_cpu.load(std::memory_order_relaxed) != cpu) {
    header().listener_cpu.store(cpu, std::memory_order_relaxed);
  }
  return static_cast<int>(
             region_.slot(last_served_ % kSlots).request.cpu.load(std::memory_order_relaxed)) -
         1;
}

bool SharedMemoryChannelImpl::Arm() {
  Tidy();
  if (HasWork(unannounced_)) return false;
  header().sleeping.store(kAsleep, std::memory_order_seq_cst);
  if ((header().doorbell.load(std::memory_order_seq_cst) & kAllSlots) == 0) return true;
  // A request has come in between. If its sender has seen kAsleep, it rings for nothing.
  header().sleeping.store(kAwake, std::memory_order_seq_cst);
  return false;
}

std::optional<bool> SharedMemoryChannelImpl::Received(unsigned slot, bool gone) {
  const Identity owner = region_.slot(slot).owner.load(std::memory_order_acquire);
  const Phase phase = PhaseOf(state(slot).load(std::memory_order_acquire));
  if (!gone && owner != 0 && phase == kDone && region_.Alive(owner)) return std::nullopt;
  return region_.slot(slot).outcome.call == kReceived;
}

// Returns when there may be something to take, at the deadline, or after Wake.
void SharedMemoryChannelImpl::Sleep(Deadline deadline) {
  const int client = caller_cpu();
  const auto rung = [&] { return called() || wake_.load(std::memory_order_relaxed); };
  if (deadline != Deadline::Passed() && listener_spinner_.Spin(client, rung)) return;
  Tidy();
  if (HasWork(unannounced_)) return;
  if (deadline.expired()) return;
  At(FaultPoint::kListenerBeforeSleep);
  header().sleeping.store(kAsleep, std::memory_order_seq_cst);
  while ((header().doorbell.load(std::memory_order_seq_cst) & kAllSlots) == 0 &&
         !wake_.load(std::memory_order_seq_cst) && !deadline.expired() && !Interrupted() &&
         header().sleeping.load(std::memory_order_seq_cst) == kAsleep) {
    FutexWait(header().sleeping, kAsleep, deadline.left());
  }
  header().sleeping.store(kAwake, std::memory_order_seq_cst);
}

void SharedMemoryChannelImpl::Wake() {
  wake_.store(true, std::memory_order_seq_cst);
  Ring();
}

void SharedMemoryChannelImpl::Close(Final final, Handler handler) {
  if (header().listener.load(std::memory_order_acquire) != region_.Me()) return;
  std::uint64_t last = header().doorbell.exchange(0, std::memory_order_seq_cst);
  last |= std::exchange(unannounced_, 0);
  At(FaultPoint::kListenerClosing);
  Gather(last);
  while (const auto slot = TakeSeen()) {
    if (final == Final::kFulfill) {
      Evaluate(*slot, handler);
    } else {
      Answer(*slot, kRefused);
    }
  }
  At(FaultPoint::kListenerClosed);
  header().listener.store(0, std::memory_order_release);
}

}  // namespace

std::shared_ptr<SharedMemoryChannel> SharedMemoryChannel::Create() {
  return std::make_shared<SharedMemoryChannelImpl>(kNoBell);
}

std::shared_ptr<SharedMemoryChannel> SharedMemoryChannel::Attach(int fd) {
  return std::make_shared<SharedMemoryChannelImpl>(fd, kNoBell);
}

std::shared_ptr<SharedMemoryChannel> SharedMemoryChannel::CreatePolled(int bell) {
  return std::make_shared<SharedMemoryChannelImpl>(bell);
}

std::shared_ptr<SharedMemoryChannel> SharedMemoryChannel::AttachPolled(int fd, int bell) {
  return std::make_shared<SharedMemoryChannelImpl>(fd, bell);
}

}  // namespace remoteobj
