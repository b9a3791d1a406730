// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/signals.h"

#include <signal.h>

namespace remoteobj::process_internal {
namespace {

sigset_t Ignored() {
  sigset_t ignored;
  sigemptyset(&ignored);
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action;
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
      sigaddset(&ignored, number);
    }
  }
  return ignored;
}

const sigset_t ignored_at_start = Ignored();

}  // namespace

void ResetSignalsOfFork() {
  signal(SIGTERM, SIG_DFL);
  struct sigaction children;
  // If SIGCHLD is ignored, the exit codes of children are lost.
  if (sigaction(SIGCHLD, nullptr, &children) == 0 && children.sa_handler == SIG_IGN) {
    signal(SIGCHLD, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

sigset_t IgnoredSinceStart() {
  sigset_t since = Ignored();
  for (int number = 1; number < NSIG; ++number) {
    if (sigismember(&ignored_at_start, number) == 1) sigdelset(&since, number);
  }
  return since;
}

}  // namespace remoteobj::process_internal
