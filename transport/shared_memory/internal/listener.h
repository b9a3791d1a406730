// SPDX-License-Identifier: MIT
//
// The listening side of a shared-memory channel: it takes requests out of the slots in the order in
// which they were sent, has them evaluated, and answers. The source has the argument why no request
// is overlooked, and why a close loses none.
//
//   Slots slots;
//   SlotListener listener(slots);
//   listener.Open();
//   while (running) listener.Serve(handler, Deadline::Never());
//   listener.Close(Final::kFulfill, handler);
//
// The operations that Listener does not have are for polled_channel.h.
//
// Threads:  as a Listener; TakeNext, Answer and so on belong to the thread that serves.
// Lifetime: `slots` must outlive it.
// Errors:   as channel.h.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_LISTENER_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_LISTENER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/shared_memory/internal/slots.h"
#include "remoteobj/transport/shared_memory/internal/spin.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::transport_internal {

class SlotListener final : public Listener {
 public:
  explicit SlotListener(Slots& slots)
      : slots_(slots), header_(slots.header()), first_slot_(&slots.slot(0)) {}

  void Open() override;
  bool is_open() override { return slots_.IsOpenHere(); }
  bool Serve(Handler handler, Deadline deadline) override;
  void Wake() override;
  void Close(Final final, Handler handler) override;

  // Takes the request that was sent first. Its slot is this listener's until Answer.
  std::optional<unsigned> TakeNext();
  // Tells the caller that its outcome is there, and returns true; or, if the caller has given up,
  // frees the slot.
  bool Answer(unsigned slot, Phase how);
  // Returns true if there may be a request.
  bool HasCall() { return HasWork(header().doorbell.load(std::memory_order_acquire)); }
  // The CPU on which the last caller was seen, or negative. Also notes this listener's own.
  int CallerCpu();
  // Clears the doorbell, and returns true if the slots whose bits it has cleared have no request:
  // then a listener that stores kAsleep next, and finds the doorbell still clear, may sleep.
  bool ClearedAndIdle();

 private:
  // A request that was seen.
  struct Seen {
    std::uint32_t state;
    unsigned slot;
  };

  Header& header() { return header_; }
  Slot& slot(unsigned index) { return first_slot_[index]; }
  std::atomic<std::uint32_t>& state(unsigned index) { return slot(index).request.state; }
  bool HasWork(std::uint64_t bits);
  bool Gather(std::uint64_t bits);
  std::optional<unsigned> TakeSeen();
  bool Take(unsigned slot, std::uint32_t seen);
  void ClearDoorbell();
  void Evaluate(unsigned slot, Handler handler);
  void FreeAbandonedByPredecessor(unsigned slot, std::uint32_t now);
  void Sleep(Deadline deadline);

  Slots& slots_;
  // Cached, since each access to shared memory uses them.
  Header& header_;
  Slot* const first_slot_;
  std::atomic<bool> wake_{false};
  std::uint32_t generation_ = 0;
  // The requests that were seen, in the order of their numbers. All before `next_` are finished.
  std::array<Seen, kSlots> seen_;
  std::size_t seen_count_ = 0;
  std::size_t next_ = 0;
  unsigned last_served_ = 0;
  unsigned looks_ = 0;
  std::uint64_t rescan_ = 0;  // Slots to look at although their bits are not set.
  Spinner spinner_;
};

// Writes the exception that is being handled if it is the channel's own error: a request that can't
// be read, or an outcome for which there is no room. Otherwise returns false. Truncates the message
// to fit the slot, since memory for more may be what is lacking.
bool WriteOwnError(OutcomeWriter& writer);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_LISTENER_H_
