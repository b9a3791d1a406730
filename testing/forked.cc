// SPDX-License-Identifier: MIT
#include "remoteobj/testing/forked.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>

namespace remoteobj_testing {

Forked::Forked(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // 0: the parent is outside of this process's PID namespace.
  if (getppid() != parent && getppid() != 0) _exit(1);
  int code = 0;
  try {
    body();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "the child threw: %s\n", e.what());
    code = 1;
  }
  std::fflush(nullptr);
  _exit(code);
}

Forked::~Forked() { Kill(); }

void Forked::Signal(int signal) const {
  if (!reaped_) kill(pid_, signal);
}

int Forked::Kill() {
  Signal(SIGKILL);
  return Wait();
}

int Forked::Wait() {
  if (!reaped_) {
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
  }
  return WIFSIGNALED(status_) ? -WTERMSIG(status_) : WEXITSTATUS(status_);
}

}  // namespace remoteobj_testing
