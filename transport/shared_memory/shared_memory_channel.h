// SPDX-License-Identifier: MIT
//
// A channel between related processes, in shared memory that is created before fork.
//
//   auto channel = remoteobj::SharedMemoryChannel::Create();
//   if (fork() == 0) {
//     channel->listener().Open();
//     …
//   }
//   channel->Call(write, read, Deadline::After(absl::Seconds(1)));
//
// A call is put into a slot of the memory, announced by one bit, and answered in the slot. Both
// sides spin while that pays, then sleep on a futex. A message that does not fit a slot goes into a
// window of the same memfd, up to 4 GiB, of which a process maps what its messages take. At most 62
// calls are in flight at once; further ones wait for a slot. An idle channel uses no CPU.
//
// Threads:  any number of threads and processes may call. One listens.
// Lifetime: the memory has no name, and is freed with the last process that has it. In each process
//           the object must outlive its PendingCalls.
// Errors:   as channel.h. The death of a peer is noticed within 20 ms. A message that is too
//           large for the limit of file sizes (ulimit -f) is a BadValue, one for which there is no
//           memory or address space (ulimit -v) a std::bad_alloc; both name the limit.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_MEMORY_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_MEMORY_CHANNEL_H_

#include <memory>

#include "remoteobj/transport/channel.h"

namespace remoteobj {

class SharedMemoryChannel : public Channel {
 public:
  // Throws std::system_error if there is no memory for it; a limit of file sizes must allow 1 MiB.
  static std::shared_ptr<SharedMemoryChannel> Create();
  // The same channel in a process that is not a fork: by the descriptor of its memory, which the
  // new channel owns from then on.
  static std::shared_ptr<SharedMemoryChannel> Attach(int fd);

  // The descriptor of its memory; closed at exec. Throws std::system_error if the program has
  // closed it.
  virtual int fd() const = 0;

  virtual Listener& listener() = 0;

  // The number of slots that a call could take now; for tests and tools.
  virtual int free_slots() = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_SHARED_MEMORY_CHANNEL_H_
