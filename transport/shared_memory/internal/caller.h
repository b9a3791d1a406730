// SPDX-License-Identifier: MIT
//
// The calling side of a shared-memory channel: it puts a request into a slot, announces it, waits
// for the outcome and reads it. The source has the argument why neither the death of the listener
// nor a call that is given up loses a slot or an answer.
//
//   Slots slots;
//   Caller caller(slots);
//   caller.Call(write, read, Deadline::After(absl::Seconds(1)));
//
// Threads:  thread-safe, as a Channel.
// Lifetime: `slots` must outlive it, and it must outlive its PendingCalls.
// Errors:   as channel.h.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_CALLER_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_CALLER_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>

#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/shared_memory/internal/slots.h"

namespace remoteobj::transport_internal {

class Caller : public Channel {
 public:
  explicit Caller(Slots& slots)
      : slots_(slots), header_(slots.header()), first_slot_(&slots.slot(0)) {}

  void Call(WriteRequest write, ReadOutcome read, Deadline deadline) override;
  std::unique_ptr<PendingCall> Start(WriteRequest write, Deadline deadline) override;
  bool listening() override;
  pid_t listener_pid() override { return listening() ? PidOf(header().listener.load()) : 0; }
  bool listening_here() override { return slots_.IsOpenHere(); }
  bool WaitUntilListening(Deadline deadline) override;

 protected:
  Header& header() { return header_; }
  Slot& slot(unsigned index) { return first_slot_[index]; }

  // Reads the outcome that the slot has.
  virtual void ReadOutcomeOf(unsigned slot, ReadOutcome read);
  // The listener has refused the call.
  [[noreturn]] virtual void ThrowRefused();
  // The NotListening of this channel.
  virtual std::exception_ptr NewNotListening(const char* why);

 private:
  class Pending;
  // kNew: the call was sent just now, so a listener that is dead was dead before.
  enum class Age { kNew, kOld };
  // Why the outcome of a call will never come: its listener has died.
  struct Loss {
    Identity listener;
    bool evaluating;
    bool before_the_call;
  };

  std::atomic<std::uint32_t>& state(unsigned index) { return slot(index).request.state; }
  // Returns true if the call's state is settled. The listener may not have announced it yet.
  bool HasOutcome(unsigned slot) {
    const Phase phase = PhaseOf(state(slot).load(std::memory_order_acquire));
    return phase == Phase::kDone || phase == Phase::kRefused;
  }
  // Returns true if the listener has announced the outcome. Leaves the request's line alone.
  bool OutcomeIsAnnounced(unsigned index) {
    Slot& it = slot(index);
    return it.outcome.answered_number.load(std::memory_order_acquire) == it.number;
  }

  // In the order in which a call takes them.
  void CheckListening();
  void Send(unsigned slot, WriteRequest write, Deadline deadline);
  void SendOrFree(unsigned slot, WriteRequest write, Deadline deadline);
  std::uint32_t NewNumber(unsigned slot);
  std::optional<Loss> AwaitOutcome(unsigned slot, Deadline deadline, Age age);
  [[gnu::noinline]] std::optional<Loss> SleepUntilOutcome(unsigned slot, Deadline deadline,
                                                          Age age);
  std::optional<Loss> CheckListenerLives(unsigned slot, Age age);
  [[noreturn]] void ThrowLost(const Loss& loss);
  [[noreturn, gnu::noinline]] void ThrowNotListening(const char* why);
  bool NobodyAnswers(unsigned slot);
  void AwaitAndRead(unsigned slot, ReadOutcome read, Deadline deadline);
  void ReadAndRelease(unsigned slot, ReadOutcome read);
  void GiveUp(unsigned slot);
  std::unique_ptr<PendingCall> StartAndWait(WriteRequest write, Deadline deadline);

  Slots& slots_;
  // Cached, since each access to shared memory uses them.
  Header& header_;
  Slot* const first_slot_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_CALLER_H_
