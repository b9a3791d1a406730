// SPDX-License-Identifier: MIT
#include "remoteobj/tools/bench/system_calls.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>

namespace bench {

SystemCalls::SystemCalls() {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  shared_ = new (memory) Shared;
}

SystemCalls::~SystemCalls() {
  for (const pid_t process : processes_) {
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
  munmap(shared_, sizeof(Shared));
}

pid_t SystemCalls::Trace(const std::function<void()>& body) {
  const pid_t process = fork();
  if (process < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (process == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    raise(SIGSTOP);
    body();
    _exit(0);
  }
  processes_.push_back(process);
  return process;
}

bool SystemCalls::Run() {
  for (const pid_t process : processes_) {
    int status;
    if (waitpid(process, &status, __WALL) != process || !WIFSTOPPED(status)) return false;
    // Stops at a system call are told from others by a bit of the signal.
    if (ptrace(PTRACE_SETOPTIONS, process, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) !=
            0 ||
        ptrace(PTRACE_SYSCALL, process, nullptr, nullptr) != 0) {
      return false;
    }
  }
  for (const pid_t last = processes_.back();;) {
    int status;
    const pid_t process = waitpid(-1, &status, __WALL);
    if (process < 0) return false;
    if (!WIFSTOPPED(status)) {
      std::erase(processes_, process);
      if (process != last) continue;
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    int signal = 0;
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info = {};
      ptrace(PTRACE_GET_SYSCALL_INFO, process, sizeof info, &info);
      const auto number = static_cast<long>(info.entry.nr);
      const bool counts = number != SYS_clock_gettime && number != SYS_sched_yield;
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY && counts) {
        shared_->last = number;
        shared_->count += 1;
      }
    } else {
      signal = WSTOPSIG(status);
    }
    ptrace(PTRACE_SYSCALL, process, nullptr, signal);
  }
}

}  // namespace bench
