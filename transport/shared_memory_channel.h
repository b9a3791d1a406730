// SPDX-License-Identifier: MIT
//
// A channel between related processes: shared memory made before they part.
//
//   auto channel = remoteobj::SharedMemoryChannel::Create();
//   if (fork() == 0) {
//     channel->listener().Open();
//     …
//   }
//   channel->Call(write, read, absl::Now() + absl::Seconds(1));
//
// A call is built in place in a slot of the memory, announced by one bit, and answered in the slot;
// both sides spin while that pays, then sleep on a futex. What does not fit a slot spills into a
// window of the same memfd, up to 4 GiB. At most 62 calls are under way at once; more wait for one
// another. An idle end costs no CPU.
//
// Threads:  any number of threads and processes may call. One listens.
// Lifetime: shared by every process that has it; nothing has a name, nothing is left behind. In
//           each process the object must outlive its PendingCalls.
// Errors:   as channel.h. The death of a peer is noticed within 20 ms.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_CHANNEL_H_

#include <memory>

#include "remoteobj/transport/channel.h"

namespace remoteobj {

class SharedMemoryChannel : public Channel {
 public:
  // Throws std::system_error if the memory cannot be had.
  static std::shared_ptr<SharedMemoryChannel> Create();
  // The same channel in a process that is no fork: by the descriptor of its memory, which it owns
  // from then on.
  static std::shared_ptr<SharedMemoryChannel> Attach(int fd);

  // Of its memory; closed at exec.
  virtual int fd() const = 0;

  virtual Listener& listener() = 0;

  // Slots that a call could take now; for tests and for tools.
  virtual int free_slots() = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_CHANNEL_H_
