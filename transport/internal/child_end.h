// SPDX-License-Identifier: MIT
//
// How a child of this process has ended.
//
// Threads: any.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_CHILD_END_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_CHILD_END_H_

#include <sys/types.h>

#include <optional>

#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {

// `status` is an exit code if `exited` is set, otherwise a signal.
ProcessEnd EndOf(pid_t pid, bool exited, int status);

// Waits until the child has ended, and reaps it. Empty if another thread has reaped it.
std::optional<ProcessEnd> ReapChild(pid_t pid);

// Does not wait, and does not reap. Empty if `pid` runs, or is not a child of this process.
std::optional<ProcessEnd> PeekChild(pid_t pid);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_CHILD_END_H_
