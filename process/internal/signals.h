// SPDX-License-Identifier: MIT
//
// The signal mask and handlers of new processes.
//
// A program may block signals for sigwait() or signalfd(), ignore or handle them. A process that
// inherited that could not be ended by SIGTERM, and its inherited handlers would write into the
// pipes of its parent.
//
// Threads:  thread-safe.
// Errors:   none.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_SIGNALS_H_
#define REMOTEOBJ_PROCESS_INTERNAL_SIGNALS_H_

#include <signal.h>

namespace remoteobj::process_internal {

// Blocks all signals of the calling thread while it forks, so that none is delivered to a child
// that still has its parent's handlers.
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

// Called in a fork: SIGTERM ends it, it can wait for its own children, and no signal is blocked.
// Other handlers stay.
void ResetSignalsOfFork();

// Returns the signals that this program ignores now but did not when it was started. A spawned
// process does not ignore these, but still those that nohup or a shell had set to be ignored.
sigset_t IgnoredSinceStart();

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_SIGNALS_H_
