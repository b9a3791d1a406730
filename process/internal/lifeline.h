// SPDX-License-Identifier: MIT
//
// A pipe by which the kernel kills a child when its parent process ends.
//
//   Lifeline lifeline;                       // in the parent, which has the only write end
//   const pid_t pid = lifeline.Fork();
//   if (pid == 0) EndWithParent(lifeline.fd());
//
// The child asks for SIGKILL as the signal that announces input on the read end (F_SETSIG, F_SETOWN
// and O_ASYNC in fcntl(2)). When the parent ends the kernel closes the write end, which announces
// input. The child needs no thread for that, and blocked signals don't delay it. PR_SET_PDEATHSIG
// is no substitute: it fires when the thread that forked ends, and is reset when the child changes
// its user.
//
// The parent keeps the read end open, too: the owner and the signal belong to the open file, so
// they last when the child closes all descriptors or executes another program. A process that exits
// closes its descriptors in the order of their numbers, and files are released in reverse; the read
// end has the lower number, and so outlives the write end.
//
// Every fork of the parent closes its copies (pthread_atfork), and exec does (O_CLOEXEC).
//
// Threads:  thread-safe.
// Lifetime: the destructor closes the pipe, which kills the child if it runs. In a fork of the
//           parent it does nothing.
// Errors:   std::system_error.
// Not here: children made by a direct system call of clone(2), which keep write ends open. In a
//           user namespace the kernel refuses to signal a child that has changed its user there.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_LIFELINE_H_
#define REMOTEOBJ_PROCESS_INTERNAL_LIFELINE_H_

#include <sys/types.h>

#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj::process_internal {

class Lifeline {
 public:
  Lifeline();
  ~Lifeline();
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  // The read end, closed at exec.
  int fd() const { return read_.get(); }
  // Calls fork(). Only in its child is fd() open; other forks close it.
  pid_t Fork() const;

 private:
  static void CloseInChild();
  static const int closed_in_child_;

  transport_internal::OwnDescriptor read_;
  transport_internal::OwnDescriptor write_;
};

// In the child: has the kernel kill this process when the process with the Lifeline ends, or at
// once if that has ended already.
void EndWithParent(int lifeline);

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_LIFELINE_H_
