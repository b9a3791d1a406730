// SPDX-License-Identifier: MIT
//
// The signals that a new process begins with.
//
// A program may block signals for sigwait() or signalfd(), ignore or handle them. A process that
// inherited that could not be ended by SIGTERM, and would write into its parent's pipes in handlers
// that are not meant for it.
//
// Threads:  thread-safe.
// Errors:   none.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_SIGNALS_H_
#define REMOTEOBJ_PROCESS_INTERNAL_SIGNALS_H_

#include <signal.h>

namespace remoteobj::process_internal {

// Blocks all signals for the calling thread while it forks, so that none meets a child that still
// has the handlers of its parent.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// In a fork: SIGTERM ends it, it can wait for children of its own, and no signal is blocked. Other
// handlers stay, as all else that a fork copies.
void ResetSignalsOfFork();

// Those that this program ignores although it did not when it was started: a re-executed process
// begins without, but with what nohup and shells had ignored for the program.
sigset_t IgnoredSinceStart();

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_SIGNALS_H_
