// SPDX-License-Identifier: MIT
//
// A channel between related processes: shared memory made before they part.
//
//   auto channel = remoteobj::SharedMemoryChannel::Create();
//   if (fork() == 0) {
//     channel->listener().Open();
//     …
//   }
//   channel->Call(write, read, Deadline::After(absl::Seconds(1)));
//
// A call is put into a slot of the memory, announced by one bit, and answered in the slot;
// both sides spin while that pays, then sleep on a futex. What does not fit a slot spills into a
// window of the same memfd, up to 4 GiB, of which a process maps what its messages take. At most 62
// calls are under way at once; more wait for one another. An idle end costs no CPU.
//
// Threads:  any number of threads and processes may call. One listens.
// Lifetime: shared by every process that has it; nothing has a name, nothing is left behind. In
//           each process the object must outlive its PendingCalls.
// Errors:   as channel.h. The death of a peer is noticed within 20 ms. A message that is too
//           large for the limit of file sizes (ulimit -f) is a BadValue, one for which there is no
//           memory or address space (ulimit -v) a std::bad_alloc; both name the limit.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_MEMORY_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_MEMORY_CHANNEL_H_

#include <memory>
#include <optional>
#include <stdexcept>

#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {

namespace transport_internal {

class HeapMessage;

// A caller's request was refused: it is to be brought another way (see PolledHandler).
class GoAnotherWay : public std::runtime_error {
 public:
  GoAnotherWay() : runtime_error("the listener has refused the call here") {}
};

// Evaluates requests for a listener that serves many channels from one loop.
class PolledHandler {
 public:
  // A request has been taken from that slot: its last outcome is read no more.
  virtual void Took(unsigned slot) = 0;
  // What the request comes to; or null, to refuse it: the caller gets GoAnotherWay. The request is
  // a copy, which the caller can't change.
  virtual HeapMessage* Evaluate(unsigned slot, const RequestReader& request) = 0;
  // The outcome is there for the caller to read; or the caller has given up, or has got an error in
  // its place.
  virtual void Answered(unsigned slot, bool wanted) = 0;

 protected:
  ~PolledHandler() = default;
};

}  // namespace transport_internal

class SharedMemoryChannel : public Channel {
 public:
  // Throws std::system_error if the memory cannot be had; a limit of file sizes must allow 1 MiB.
  static std::shared_ptr<SharedMemoryChannel> Create();
  // The same channel in a process that is no fork: by the descriptor of its memory, which it owns
  // from then on.
  static std::shared_ptr<SharedMemoryChannel> Attach(int fd);

  // A channel that is served from a loop, among others. Whoever calls while the listener sleeps
  // writes to `bell`, an eventfd, instead of waking a thread; this one does not own it. Made by the
  // listener, attached to by the caller.
  static std::shared_ptr<SharedMemoryChannel> CreatePolled(int bell);
  static std::shared_ptr<SharedMemoryChannel> AttachPolled(int fd, int bell);

  // Of its memory; closed at exec. Throws std::system_error if the program has closed it.
  virtual int fd() const = 0;
  // True if the memory may be lent to a program that need not be trusted, for messages of all
  // sizes: it can't be cut short (unlike where memfd_create is denied), and was made without a
  // limit of file sizes.
  virtual bool lendable() const = 0;

  virtual Listener& listener() = 0;

  // Slots that a call could take now; for tests and for tools.
  virtual int free_slots() = 0;

  // Of a polled channel, for its listener. None of these waits.

  // Serves one request. False if there is none.
  virtual bool Poll(transport_internal::PolledHandler& handler) = 0;
  // Whether there may be a request.
  virtual bool called() = 0;
  // Where the last caller was seen, or negative.
  virtual int caller_cpu() = 0;
  // Has the next caller ring the bell. False if there is a request by now: then nobody will.
  virtual bool Arm() = 0;
  // Whether the caller has read the last outcome in that slot; nothing while it may yet do so. It
  // may not if it is `gone`, whatever the slot's owner: who is being killed looks alive for a
  // while.
  virtual std::optional<bool> Received(unsigned slot, bool gone) = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_MEMORY_CHANNEL_H_
