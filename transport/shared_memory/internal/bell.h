// SPDX-License-Identifier: MIT
//
// Adds to an eventfd that other processes share, without blocking, whatever they do to it.
//
// A write to a full eventfd blocks, unless its open file has O_NONBLOCK, and any process that has
// the file can fill it and clear the flag. The kernel has no call that writes to an eventfd with a
// flag of its own (pwritev2 with RWF_NOWAIT is EOPNOTSUPP). So both are looked at first. A caller
// that stops writing once this has returned false leaves a hostile process the time between two
// system calls, once, in which it must do both.
//
// Threads:  any; async-signal-safe.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_BELL_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_BELL_H_

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

namespace remoteobj::transport_internal {

// Returns false if the eventfd does not have O_NONBLOCK: nothing is written then. One that is full
// is readable already, and is left as it is.
inline bool AddWithoutBlocking(int eventfd) noexcept {
  // Not through the library: there these would be points at which a thread can be cancelled.
  pollfd room{eventfd, POLLOUT, 0};
  const timespec at_once{};
  if (syscall(SYS_ppoll, &room, 1, &at_once, nullptr, 0) <= 0) return true;
  if ((fcntl(eventfd, F_GETFL) & O_NONBLOCK) == 0) return false;
  const std::uint64_t one = 1;
  [[maybe_unused]] const long ignored = syscall(SYS_write, eventfd, &one, sizeof one);
  return true;
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_BELL_H_
