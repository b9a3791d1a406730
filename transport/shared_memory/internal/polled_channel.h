// SPDX-License-Identifier: MIT
//
// A shared-memory channel whose listener does not wait: an event loop polls it, among many others.
// Unlike in a SharedMemoryChannel the two sides are different programs, which need not trust each
// other.
//
//   PolledListener listener;                    // the server
//   listener.Open();
//   … send listener.fd() and an end of a bell (bell.h) to the caller …
//   while (listener.Poll(handler)) {}
//   if (listener.Arm()) …                       // wait until its own end is readable
//
//   auto channel = AttachPolled(fd, bell);      // the caller
//
// A caller that finds the listener asleep rings the bell instead of waking a thread. The listener
// may refuse a request that it can't answer at once: the caller gets GoAnotherWay. An outcome may
// hand something over (a reference), and so the caller acknowledges that it has read it: see
// PolledListener::Received.
//
// Threads:  a PolledListener belongs to one thread; the channel is thread-safe.
// Errors:   as channel.h (a NotListening is a PolledNotListening), and GoAnotherWay.
// Not here: sending descriptors to the caller. See remoteobj/transport/rpc/internal/rpc_server.h.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_POLLED_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_POLLED_CHANNEL_H_

#include <memory>
#include <optional>
#include <stdexcept>

#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/shared_memory/internal/listener.h"
#include "remoteobj/transport/shared_memory/internal/slots.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::transport_internal {

class HeapMessage;

// The listener has refused a request (see PolledHandler): the caller has to send it another way.
class GoAnotherWay : public std::runtime_error {
 public:
  GoAnotherWay() : runtime_error("the listener has refused the call here") {}
};

// The NotListening of an AttachPolled() channel. An interruption (Thread::Throw) can throw a
// NotListening as well, but not this.
class PolledNotListening : public NotListening {
 public:
  using NotListening::NotListening;
};

// Evaluates the requests that a PolledListener takes.
class PolledHandler {
 public:
  // A request was taken from this slot: the slot's previous outcome will not be read any more.
  virtual void Took(unsigned slot) = 0;
  // Returns the outcome, or null to refuse the request. The request is a copy, which the caller
  // can't change.
  virtual HeapMessage* Evaluate(unsigned slot, const RequestReader& request) = 0;
  // `wanted`: the caller can read the outcome. Otherwise it has given up, or gets an error instead.
  virtual void Answered(unsigned slot, bool wanted) = 0;

 protected:
  ~PolledHandler() = default;
};

// Creates the memory. None of its operations blocks.
class PolledListener {
 public:
  // Throws std::system_error as SharedMemoryChannel::Create.
  PolledListener() : listener_(slots_) {}

  // The descriptor of the memory. Throws std::system_error if the program has closed it.
  int fd() const { return slots_.region().fd(); }
  // Returns true if the memory may be lent to a program that is not trusted, for messages of all
  // sizes: it can't be truncated (it can where memfd_create is denied), and was created without a
  // limit of file sizes.
  bool lendable() const;

  void Open() { listener_.Open(); }
  // Refuses the calls that have arrived.
  void Close();

  // Serves one request. Returns false if there is none.
  bool Poll(PolledHandler& handler);
  // Returns true if there may be a request.
  bool called() { return listener_.HasCall(); }
  // The CPU on which the last caller was seen, or negative.
  int caller_cpu() { return listener_.CallerCpu(); }
  // Makes the next caller ring the bell. Returns false if there is a request already, whose caller
  // may not ring.
  bool Arm();
  // Returns true if the caller has read the last outcome in this slot, false if it never will, and
  // nothing if it still may. `gone`: it can't any more, whatever the slot's owner says: a process
  // that is being killed looks alive for a while.
  std::optional<bool> Received(unsigned slot, bool gone);

 private:
  // Returns false for a large request that the caller has not written: it costs the caller no
  // memory, and must cost the listener none.
  bool CopyRequest(unsigned slot, HeapMessage& request);

  Slots slots_;
  SlotListener listener_;
};

// The calling side. Takes ownership of `fd`; `bell` must stay open while the channel exists. Throws
// BadValue if `fd` is not such memory or can be truncated.
std::shared_ptr<Channel> AttachPolled(int fd, int bell);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_POLLED_CHANNEL_H_
