// SPDX-License-Identifier: MIT
//
// Bells: descriptors that other processes share, by which one process wakes another that polls.
// Ringing one never blocks, whatever the other processes do to it.
//
// Between programs that need not trust each other a bell is a pair of connected sockets: a byte is
// sent and received with MSG_DONTWAIT, a flag of the call. A bell that is full of bytes is readable
// already.
//
// The log that a parent and its children share has an eventfd, since any number of processes read
// it. A write to a full eventfd blocks, unless its open file has O_NONBLOCK, and any process that
// has the file can fill it and clear the flag. The kernel has no call that writes to an eventfd
// with a flag of its own (pwritev2 with RWF_NOWAIT is EOPNOTSUPP). So both are looked at first. A
// writer that stops writing once this has returned false leaves a hostile process the time between
// two system calls, once, in which it must do both; then it blocks the writer, another process that
// writes into that log, until somebody reads the eventfd. The owner of a process only reads its
// log.
//
// Threads:  any; async-signal-safe.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_BELL_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_BELL_H_

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

namespace remoteobj::transport_internal {

// Not through the library: there these would be points at which a thread can be cancelled.
inline void RingSocket(int bell) noexcept {
  [[maybe_unused]] const long ignored =
      syscall(SYS_sendto, bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
}

// Takes the bytes that were sent, or as many of them as an honest peer would send.
inline void HearSocket(int bell) noexcept {
  char bytes[4096];
  for (int i = 0; i < 16; ++i) {
    const long got = syscall(SYS_recvfrom, bell, bytes, sizeof bytes, MSG_DONTWAIT, nullptr, 0);
    if (got < static_cast<long>(sizeof bytes)) return;
  }
}

// Returns false if the eventfd does not have O_NONBLOCK: nothing is written then. One that is full
// is readable already, and is left as it is.
inline bool AddWithoutBlocking(int eventfd) noexcept {
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
