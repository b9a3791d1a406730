// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/child_end.h"

#include <sys/wait.h>

#include <cerrno>

namespace remoteobj::transport_internal {

ProcessEnd EndOf(pid_t pid, bool exited, int status) {
  ProcessEnd end{.pid = pid};
  (exited ? end.exit_code : end.signal) = status;
  return end;
}

std::optional<ProcessEnd> ReapChild(pid_t pid) {
  siginfo_t info{};
  int result;
  do {
    result = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return EndOf(pid, info.si_code == CLD_EXITED, info.si_status);
  if (errno == ECHILD) return std::nullopt;
  // A sandbox may deny waitid() but not waitpid().
  int status;
  do {
    result = waitpid(pid, &status, 0);
  } while (result < 0 && errno == EINTR);
  if (result != pid) return std::nullopt;
  const bool exited = WIFEXITED(status);
  return EndOf(pid, exited, exited ? WEXITSTATUS(status) : WTERMSIG(status));
}

std::optional<ProcessEnd> PeekChild(pid_t pid) {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != pid) {
    return std::nullopt;
  }
  return EndOf(pid, info.si_code == CLD_EXITED, info.si_status);
}

}  // namespace remoteobj::transport_internal
