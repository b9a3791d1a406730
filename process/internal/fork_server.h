// SPDX-License-Identifier: MIT
//
// A small re-executed process that forks the processes its owner starts with Start::kForkServer.
//
// It has one thread and little memory, so a fork of it is quick, and safe even if the owner has
// threads. It ends with the owner. It writes each child's end into the control block of that child,
// since the owner can't wait for a grandchild.
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_FORK_SERVER_H_
#define REMOTEOBJ_PROCESS_INTERNAL_FORK_SERVER_H_

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj::process_internal {

struct Forked {
  pid_t pid = 0;
  int fd = -1;  // A pidfd, or -1.
  transport_internal::Identity server = 0;
};

// Has the server, which is started if there is none, fork a process for a Dispatch with these
// descriptors. Throws std::system_error.
Forked ForkByServer(const std::vector<int>& descriptors, int out, int err);

// The server's main loop; `socket` connects it with its owner.
[[noreturn]] void RunForkServer(int socket, int lifeline);

// -1 where there are none: before Linux 5.3, in a sandbox, without a free descriptor.
inline int OpenPidfd(pid_t pid) {
  return transport_internal::AboveStandardStreams(
      static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

// How `pid`, a child of the server, has ended: the server writes it into Control::end. Waits for
// that, since the end itself may be seen before. Empty if the server has died, does not know, or
// tells nothing for 5 seconds: a process that the child has started may have cleared the word.
std::optional<ProcessEnd> EndToldByServer(std::atomic<std::uint32_t>& end,
                                          transport_internal::Identity server, pid_t pid);

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_FORK_SERVER_H_
