// SPDX-License-Identifier: MIT
//
// Sending. A caller publishes its request in `state`, and then looks at the doorbell. If "open" and
// the bit of its slot are set, the listener will look at the slot. If not, the caller sets the bit,
// and the same atomic step tells it whether the channel is open. If it is not open, the caller
// withdraws its request. If that fails, the listener, or one that has opened since, has taken the
// request, and the caller waits as usual. listener.cc has the other half of both arguments: why no
// request is overlooked, and why a call is either before a close and answered, or after it and
// NotListening.
//
// Death of the listener. Callers sleep in slices of 20 ms, and between them check whether the
// listener lives (a futex can't wait for a process, and a thread that could has no place in a
// program that forks). A caller that finds it dead moves its own slot back to kIdle, by the same
// compare-and-swap that a new listener would need to take it, and throws. It also notes the death
// in `dead_listener`, which saves later calls the 20 ms. A listener that opens looks at all slots
// once: its predecessor may have left requests that their callers have not withdrawn yet.
//
// A call that is sent after the death of an idle listener does not know of the death: to check
// before each call would cost more than the call. So its first slice is short, 1 ms. If the
// listener is found dead after that, and has not taken the request, it was dead when the call was
// sent: NotListening. A caller that has waited longer has seen the listener alive during the call,
// and gets ListenerDied.
#include "remoteobj/transport/shared_memory/internal/caller.h"

#include <sched.h>

#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/child_end.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/shared_memory/internal/spin.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/packed.h"

namespace remoteobj::transport_internal {
namespace {

constexpr absl::Duration kFirstSlice = absl::Milliseconds(1);

constexpr const char* kNotListening =
    "no process listens (call Listen() in the process that has the object)";

// Not inlined: constructing an exception would make the functions of a successful call longer.
[[noreturn, gnu::noinline]] void ThrowLate() {
  throw DeadlineExceeded("the outcome did not come in time");
}

[[noreturn]] void ThrowListenerDied(Identity listener, bool evaluating) {
  const pid_t pid = PidOf(listener);
  const ListenerDied::End end = PeekChild(pid).value_or(ListenerDied::End{.pid = pid});
  std::string how;
  if (end.signal) how = absl::StrCat(", signal ", *end.signal, " (", strsignal(*end.signal), ")");
  if (end.exit_code) how = absl::StrCat(", exit code ", *end.exit_code);
  throw ListenerDied(
      absl::StrCat("the listener (pid ", end.pid, how, ") died ",
                   evaluating ? "while it evaluated the call" : "before it evaluated the call"),
      end, evaluating);
}

// The outcome of a call that was waited for at once, or its error.
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

}  // namespace

class Caller::Pending final : public PendingCall {
 public:
  Pending(Caller& caller, unsigned slot) : caller_(caller), slot_(slot), owner_(Self()) {}
  ~Pending() override {
    // A copy in a forked child does not own the slot.
    if (slot_ && owner_ == Self()) caller_.GiveUp(*slot_);
  }

  bool ready() override {
    if (!slot_ || caller_.HasOutcome(*slot_)) return true;
    // A caller that only polls has to notice the listener's death, too.
    const std::int64_t now = MonotonicNanos();
    if (now < next_look_) return false;
    const bool in_vain = caller_.NobodyAnswers(*slot_);
    next_look_ = in_vain ? 0 : now + absl::ToInt64Nanoseconds(kSlice);
    return in_vain;
  }

  void Finish(ReadOutcome read, Deadline deadline) override {
    if (!slot_ || owner_ != Self()) throw std::logic_error("this call was finished already");
    const bool is_new = MonotonicNanos() - begun_ < absl::ToInt64Nanoseconds(kFirstSlice);
    // If this throws, the outcome can still come: it is late, or this thread was interrupted.
    const auto loss = caller_.AwaitOutcome(*slot_, deadline, is_new ? Age::kNew : Age::kOld);
    if (loss) {
      caller_.GiveUp(*std::exchange(slot_, std::nullopt));
      caller_.ThrowLost(*loss);
    }
    caller_.ReadAndRelease(*std::exchange(slot_, std::nullopt), read);
  }

 private:
  Caller& caller_;
  std::optional<unsigned> slot_;
  const Identity owner_;
  // In nanoseconds, as MonotonicNanos.
  const std::int64_t begun_ = MonotonicNanos();
  std::int64_t next_look_ = begun_ + absl::ToInt64Nanoseconds(kSlice);
};

void Caller::Call(WriteRequest write, ReadOutcome read, Deadline deadline) {
  CheckListening();
  const unsigned slot = slots_.Acquire(deadline);
  SendOrFree(slot, write, deadline);
  AwaitAndRead(slot, read, deadline);
}

std::unique_ptr<PendingCall> Caller::Start(WriteRequest write, Deadline deadline) {
  CheckListening();
  const std::optional<unsigned> slot = slots_.TryAcquireAsynchronous();
  // The maximum number of calls is in flight: make room by waiting for this one.
  if (!slot) return StartAndWait(write, deadline);
  absl::Cleanup give_up = [&] { GiveUp(*slot); };
  Send(*slot, write, deadline);
  auto call = std::make_unique<Pending>(*this, *slot);
  std::move(give_up).Cancel();
  return call;
}

// Throws only if nothing was sent.
std::unique_ptr<PendingCall> Caller::StartAndWait(WriteRequest write, Deadline deadline) {
  const unsigned slot = slots_.Acquire(deadline);
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

void Caller::CheckListening() {
  const Identity listener = header().listener.load(std::memory_order_relaxed);
  if (listener == 0 || listener == header().dead_listener.load(std::memory_order_relaxed)) {
    ThrowNotListening(kNotListening);
  }
}

// Sends a request in a slot that is this process's. If it throws, the slot remains to be given up.
void Caller::Send(unsigned index, WriteRequest write, Deadline deadline) {
  RequestSlot& request = slot(index).request;
  ExpectToWrite(request.words);
  At(FaultPoint::kCallerHasSlot);
#if defined(__SANITIZE_THREAD__)
  // The writes of another thread of this process before it gave up are ordered by `owner`, which
  // the listener has freed. ThreadSanitizer does not see what other processes do; it sees this.
  static_cast<void>(request.state.load(std::memory_order_acquire));
#endif
  SlotMessage message(slots_.region(), index, Direction::kRequest);
  write(RequestOn(message, deadline));
  At(FaultPoint::kCallerWriting);
  message.Finish();
  request.number = slot(index).number = NewNumber(index);
  request.cpu.store(static_cast<std::uint32_t>(sched_getcpu() + 1), std::memory_order_relaxed);
  const std::uint32_t requested = StateOf(Phase::kRequested, request.number);
  request.state.store(requested, std::memory_order_seq_cst);
  At(FaultPoint::kCallerPublished);
  const std::uint64_t seen = kOpen | BitOf(index);
  if ((header().doorbell.load(std::memory_order_seq_cst) & seen) == seen) return;
  const std::uint64_t before = header().doorbell.fetch_or(BitOf(index), std::memory_order_seq_cst);
  At(FaultPoint::kCallerAnnounced);
  if ((before & kOpen) == 0) {
    std::uint32_t unchanged = requested;
    if (request.state.compare_exchange_strong(unchanged, StateOf(Phase::kIdle),
                                              std::memory_order_acq_rel)) {
      ThrowNotListening(kNotListening);
    }
  }
  slots_.Ring();
}

void Caller::SendOrFree(unsigned slot, WriteRequest write, Deadline deadline) {
  absl::Cleanup give_up = [&] { GiveUp(slot); };
  Send(slot, write, deadline);
  std::move(give_up).Cancel();
}

// Calls are numbered in the order in which they are sent.
std::uint32_t Caller::NewNumber(unsigned index) {
  const auto& answered = slot(index).outcome.answered_number;
  for (;;) {
    const std::uint32_t number = header().calls.fetch_add(1, std::memory_order_seq_cst) + 1;
    // After four billion calls, it could be the number of the last outcome in this slot.
    if (number != answered.load(std::memory_order_relaxed)) return number;
  }
}

// Returns nothing when the outcome is there, or why it will never come; the slot is idle then.
// Throws if it does not come in time or this thread is interrupted; the listener may still have the
// request then. An interruption can throw any exception, a NotListening as well, so its type does
// not tell the two apart.
std::optional<Caller::Loss> Caller::AwaitOutcome(unsigned index, Deadline deadline, Age age) {
  thread_local Spinner spinner;
  const int peer = static_cast<int>(header().listener_cpu.load(std::memory_order_relaxed)) - 1;
  if (spinner.Spin(peer, [&] { return OutcomeIsAnnounced(index); })) return std::nullopt;
  return SleepUntilOutcome(index, deadline, age);
}

// Not inlined: a call whose outcome comes while its caller spins does without its stack frame.
std::optional<Caller::Loss> Caller::SleepUntilOutcome(unsigned index, Deadline deadline, Age age) {
  At(FaultPoint::kCallerBeforeSleep);
  auto& answered_number = slot(index).outcome.answered_number;
  while (!HasOutcome(index)) {
    const std::uint32_t answered = answered_number.load(std::memory_order_acquire);
    std::uint32_t now = state(index).load(std::memory_order_acquire);
    const bool pending = PhaseOf(now) == Phase::kRequested || PhaseOf(now) == Phase::kTaken;
    if (!pending && HasOutcome(index)) break;
    // A listener that is not trusted may have stored any state, and may change it all the time:
    // each turn of the loop looks at the deadline.
    if (pending && (now & kCallerSleeps) == 0 &&
        !state(index).compare_exchange_weak(now, now | kCallerSleeps, std::memory_order_acq_rel)) {
      InterruptionPoint();
      if (deadline.expired()) ThrowLate();
      continue;
    }
    // The listener settles the state, then announces the outcome, then wakes the sleeping caller.
    FutexWait(answered_number, answered,
              SliceUntil(deadline, age == Age::kNew ? kFirstSlice : kSlice));
    if (HasOutcome(index)) break;
    InterruptionPoint();
    if (deadline.expired()) ThrowLate();
    if (const auto loss = CheckListenerLives(index, age)) return loss;
    age = Age::kOld;
  }
  return std::nullopt;
}

// Returns true if no listener will answer the call in this slot.
bool Caller::NobodyAnswers(unsigned slot) {
  const std::uint32_t now = state(slot).load(std::memory_order_acquire);
  if (PhaseOf(now) == Phase::kTaken) return slots_.TakerIsGone(now);
  return PhaseOf(now) == Phase::kRequested &&
         !slots_.region().Alive(header().listener.load(std::memory_order_acquire));
}

// If no listener will answer the call in this slot, makes the slot idle and returns why.
std::optional<Caller::Loss> Caller::CheckListenerLives(unsigned slot, Age age) {
  std::uint32_t now = state(slot).load(std::memory_order_acquire);
  const Identity listener = header().listener.load(std::memory_order_acquire);
  const bool alive = slots_.region().Alive(listener);
  if (!alive && listener != 0) header().dead_listener.store(listener, std::memory_order_relaxed);
  const bool evaluating = PhaseOf(now) == Phase::kTaken;
  // If a listener dies and another opens between these loads, the next check sees it.
  const bool predecessor_took = evaluating && GenerationOf(now) != slots_.Generation();
  if (!predecessor_took && (alive || (!evaluating && PhaseOf(now) != Phase::kRequested))) {
    return std::nullopt;
  }
  if (!state(slot).compare_exchange_strong(now, StateOf(Phase::kIdle), std::memory_order_acq_rel)) {
    return std::nullopt;
  }
  // If there is a new listener already, it has noted its predecessor.
  const bool died_now = listener != 0 && !alive;
  return Loss{
      .listener = died_now ? listener : header().dead_listener.load(std::memory_order_relaxed),
      .evaluating = evaluating,
      .before_the_call = !evaluating && age == Age::kNew};
}

void Caller::ThrowLost(const Loss& loss) {
  if (loss.before_the_call) {
    ThrowNotListening(
        "no process listens: the last one died before it saw the call (call again when another one "
        "listens)");
  }
  ThrowListenerDied(loss.listener, loss.evaluating);
}

// Waits for a call that has just been sent. Frees the slot, however the call ends.
void Caller::AwaitAndRead(unsigned slot, ReadOutcome read, Deadline deadline) {
  absl::Cleanup give_up = [&] { GiveUp(slot); };
  if (const auto loss = AwaitOutcome(slot, deadline, Age::kNew)) ThrowLost(*loss);
  std::move(give_up).Cancel();
  ReadAndRelease(slot, read);
}

void Caller::ReadAndRelease(unsigned slot, ReadOutcome read) {
  const absl::Cleanup release = [&] { slots_.Release(slot); };
  ReadOutcomeOf(slot, read);
}

void Caller::ReadOutcomeOf(unsigned index, ReadOutcome read) {
  At(FaultPoint::kCallerHasOutcome);
  if (slot(index).outcome.verdict != Verdict::kAnswered) ThrowRefused();
  SlotReader message(slots_.region(), index, Direction::kOutcome);
  read(OutcomeIn(message.in()));
}

void Caller::ThrowRefused() {
  ThrowNotListening(
      "the listener closed before it evaluated the call (call again when a process listens)");
}

std::exception_ptr Caller::NewNotListening(const char* why) {
  return std::make_exception_ptr(NotListening(why));
}

void Caller::ThrowNotListening(const char* why) { std::rethrow_exception(NewNotListening(why)); }

// Leaves a call whose outcome is not wanted any more. The slot is freed, now or by the listener.
void Caller::GiveUp(unsigned slot) {
  for (;;) {
    std::uint32_t now = state(slot).load(std::memory_order_acquire);
    if (PhaseOf(now) == Phase::kTaken) {
      const std::uint32_t abandoned = Abandoned(now);
      if (state(slot).compare_exchange_weak(now, abandoned, std::memory_order_seq_cst)) {
        return slots_.AnnounceAbandoned(slot, abandoned);
      }
    } else if (PhaseOf(now) != Phase::kRequested ||
               // Withdraws the request, unless the listener takes it at this moment.
               state(slot).compare_exchange_weak(now, StateOf(Phase::kIdle),
                                                 std::memory_order_acq_rel)) {
      return slots_.Release(slot);
    }
  }
}

bool Caller::listening() {
  if (listening_here()) return true;
  const Identity listener = header().listener.load(std::memory_order_acquire);
  return (header().doorbell.load(std::memory_order_acquire) & kOpen) != 0 &&
         listener != header().dead_listener.load(std::memory_order_relaxed) &&
         slots_.region().Alive(listener);
}

bool Caller::WaitUntilListening(Deadline deadline) {
  for (;;) {
    const std::uint32_t openings = header().openings.load(std::memory_order_acquire);
    if (listening()) return true;
    if (deadline.expired()) return false;
    FutexWait(header().openings, openings, SliceUntil(deadline));
    InterruptionPoint();
  }
}

}  // namespace remoteobj::transport_internal
