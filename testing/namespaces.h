// SPDX-License-Identifier: MIT
//
// Environments that take something away from a process, for tests: /proc, and the common PID
// namespace. Each function is for a process with one thread, and needs root or user namespaces.
//
// Threads:  REQUIRES: the calling process has one.
// Errors:   false where the machine does not allow it; a test then skips itself.
#ifndef REMOTEOBJ_TESTING_NAMESPACES_H_
#define REMOTEOBJ_TESTING_NAMESPACES_H_

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

namespace remoteobj_testing {

// Calls `enter`, and if that is refused once more with all capabilities of a new user namespace.
template <typename Enter>
bool WithCapabilities(Enter enter) {
  return enter() || (unshare(CLONE_NEWUSER) == 0 && enter());
}

// Gives this process an empty root, so that there is no /proc.
inline bool LeaveProc() {
  char empty[] = "/tmp/empty-XXXXXX";
  if (mkdtemp(empty) == nullptr) return false;
  const bool left = WithCapabilities([&] { return chroot(empty) == 0; }) && chdir("/") == 0;
  if (!left) rmdir(empty);
  return left;
}

// Children of this process begin a new PID namespace. The first of them has pid 1 in it, and its
// /proc is still that of this process's namespace.
inline bool ForkIntoPidNamespace() {
  return WithCapabilities([] { return unshare(CLONE_NEWPID) == 0; });
}

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_NAMESPACES_H_
