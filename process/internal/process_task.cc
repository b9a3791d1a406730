// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/process_task.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/traceback.h"
#include "remoteobj/process/internal/confine.h"
#include "remoteobj/process/internal/crash.h"
#include "remoteobj/process/internal/fork_server.h"
#include "remoteobj/process/internal/signals.h"
#include "remoteobj/process/internal/spawned.h"
#include "remoteobj/transport/internal/child_end.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::process_internal {
namespace {

using transport_internal::Identity;
using transport_internal::ReapChild;

// Only these: the buffer of another file may hold unflushed data of the parent.
void FlushStandardStreams() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(stdout);
  std::fflush(stderr);
}

void WarnIfThreaded() {
  static constinit std::atomic<bool> warned{false};
  struct stat status;
  if (warned.load(std::memory_order_relaxed) || stat("/proc/self/task", &status) != 0) return;
  // The directory's links: itself, its parent, and one per thread.
  if (status.st_nlink <= 3 || warned.exchange(true)) return;
  transport_internal::LogLine(
      transport_internal::LogSeverity::kWarning,
      absl::StrCat("a process is forked from a program that has ", status.st_nlink - 2,
                   " threads: a lock that another thread holds at this moment (of the memory "
                   "allocator, a mutex) "
                   "stays locked in the process for ever. Start it before the threads, or with "
                   "remoteobj::Start::kSpawn or kForkServer. This warning is given once."));
}

// The processes to wait for at exit, each with the process that started it: a fork has a copy of
// this map, but waits for its own children only.
struct WaitedForAtExit;
std::map<const ProcessTask*, std::pair<std::weak_ptr<ProcessTask>, Identity>>&
waited_for_at_exit() {
  return transport_internal::MadeOnce([] {
    return new std::map<const ProcessTask*, std::pair<std::weak_ptr<ProcessTask>, Identity>>;
  });
}

void WaitAtExit() {
  std::vector<std::shared_ptr<ProcessTask>> tasks;
  {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<WaitedForAtExit>());
    for (const auto& [_, task] : waited_for_at_exit()) {
      if (task.second != transport_internal::Self()) continue;
      if (auto living = task.first.lock()) tasks.push_back(std::move(living));
    }
  }
  for (const auto& task : tasks) task->StopWaitingForReaders();
  for (const auto& task : tasks) task->WaitForEnd(absl::InfiniteDuration());
}

// The pauses between polls without a pidfd. They grow from short ones, for processes that end at
// once.
constexpr std::chrono::nanoseconds kShortestPause = std::chrono::microseconds(200);
constexpr std::chrono::nanoseconds kLongestPause = std::chrono::milliseconds(20);

// Like ppoll(), but a descriptor that is not open is an EBADF.
int WaitReadable(int fd, std::optional<std::chrono::nanoseconds> timeout) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  const auto result = [&](int ready) {
    if (ready <= 0 || (wait.revents & POLLNVAL) == 0) return ready;
    errno = EBADF;
    return -1;
  };
  if (!timeout) return result(ppoll(&wait, 1, nullptr, nullptr));
  const std::chrono::nanoseconds left = std::max(*timeout, std::chrono::nanoseconds::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec spec{.tv_sec = static_cast<time_t>(seconds.count()),
                      .tv_nsec = static_cast<long>((left - seconds).count())};
  return result(ppoll(&wait, 1, &spec, nullptr));
}

}  // namespace

void RunAsProcess(SharedLog& log, const ProcessOptions& options, const std::string& name,
                  int lifeline, Identity owner, const Except* errors,
                  absl::FunctionRef<void(Body&)> call) {
  if (lifeline >= 0) EndWithParent(lifeline);
  prctl(PR_SET_NAME, name.c_str());
  program_invocation_short_name = strdup(name.c_str());  // The process name in errors.
  // A terminal is line-buffered, too.
  if (options.output != Output::kInherit) std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  InstallCrashHandler(log);
  if (IsConfined(options)) {
    try {
      Confine(options.limits, options.sandbox);
    } catch (const std::exception&) {
      log.Append(kThrew, PackError(CaptureCurrentException()));
      _exit(EXIT_FAILURE);
    }
    ControlOf(log).confined.store(1, std::memory_order_release);
    transport_internal::FutexWakeAll(ControlOf(log).confined);
  }
  bool good;
  {
    Body body(log, errors, options.max_backlog, owner);
    good = body.Run(call);
  }
  WaitAtExit();
  FlushStandardStreams();
  _exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}

ProcessTask::ProcessTask(ProcessOptions options, std::string name)
    : Task(std::move(options), std::move(name)),
      output_(Task::options().output, Task::options().max_output) {
  if (Task::options().daemon) lifeline_.emplace();
}

std::shared_ptr<ProcessTask> ProcessTask::Fork(ProcessOptions options, std::string name,
                                               absl::FunctionRef<void(Body&)> call) {
  std::shared_ptr<ProcessTask> task(new ProcessTask(std::move(options), std::move(name)));
  WarnIfThreaded();
  FlushStandardStreams();
  // Prepares tracebacks once, here, and not in each child.
  if (!except_internal::traceback_warm.load(std::memory_order_relaxed)) {
    except_internal::WarmUpTraceback();
  }
  pid_t pid;
  {
    const SignalsBlocked blocked;
    pid = task->lifeline_ ? task->lifeline_->Fork() : fork();
    if (pid == 0) {
      ResetSignalsOfFork();
      task->output_.Redirect();
      RunAsProcess(task->log(), task->options(), task->name(),
                   task->lifeline_ ? task->lifeline_->fd() : -1, task->parent_,
                   task->shared_errors(), call);
    }
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "remoteobj: fork");
  }
  task->Started(pid, OpenPidfd(pid));
  return task;
}

std::shared_ptr<ProcessTask> ProcessTask::Spawn(ProcessOptions options, std::string name,
                                                const void* function, std::string arguments,
                                                const std::vector<int>& descriptors) {
  std::shared_ptr<ProcessTask> task(new ProcessTask(std::move(options), std::move(name)));
  const Dispatch dispatch(task->options(), task->name(), function, std::move(arguments),
                          descriptors, task->log(), task->lifeline_ ? task->lifeline_->fd() : -1);
  FlushStandardStreams();
  if (task->options().start == Start::kForkServer) {
    const Forked forked =
        ForkByServer(dispatch.descriptors(), task->output_.out(), task->output_.err());
    task->server_ = forked.server;
    task->Started(forked.pid, forked.fd);
  } else {
    const pid_t pid = SpawnThisProgram(kDispatchVariable, dispatch.descriptors(),
                                       task->output_.out(), task->output_.err());
    task->Started(pid, OpenPidfd(pid));
  }
  return task;
}

// `fd` is a pidfd, or -1.
void ProcessTask::Started(pid_t pid, int fd) {
  pid_ = pid;
  fd_ = transport_internal::OwnDescriptor(fd);
  if (fd_.get() < 0 || server_ != 0) identity_ = transport_internal::IdentityOf(pid);
  try {
    output_.Started(name(), fd_.get());
  } catch (...) {
    Kill();
    WaitForEnd(absl::InfiniteDuration());
    throw;
  }
  if (IsConfined(options())) AwaitConfined();
  if (!options().daemon) {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<WaitedForAtExit>());
    static constinit bool waits_at_exit = false;
    if (!waits_at_exit) waits_at_exit = std::atexit(&WaitAtExit) == 0;
    waited_for_at_exit().emplace(this, std::pair(weak_from_this(), parent_));
  }
}

// Returns when the limits and the sandbox are in force. Throws SandboxUnavailable, or ProcessDied.
void ProcessTask::AwaitConfined() {
  const transport_internal::Uninterrupted uninterrupted;
  std::atomic<std::uint32_t>& confined = control().confined;
  while (confined.load(std::memory_order_acquire) == 0) {
    if (!alive()) {
      // It may have done it before the end.
      if (confined.load(std::memory_order_acquire) == 0) ThrowIfFailed();
      return;
    }
    transport_internal::FutexWait(confined, 0, absl::Milliseconds(20));
  }
}

ProcessTask::~ProcessTask() {
  if (!options().daemon) {
    const std::scoped_lock lock(transport_internal::ForkSafeMutex<WaitedForAtExit>());
    waited_for_at_exit().erase(this);
  }
  if (mine() && pid_ != 0 && WaitForEnd(absl::ZeroDuration())) Reap();
}

// Polls, without a pidfd.
bool ProcessTask::HasEnded() const {
  if (reaped_.load(std::memory_order_relaxed)) return true;
  if (server_ != 0) {
    if (ControlOf(log()).end.load(std::memory_order_acquire) != 0) return true;
  } else if (mine()) {
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
      return info.si_pid != 0;
    }
    if (errno == ECHILD) return true;  // Other code has waited for it, or SIGCHLD is ignored.
  }
  if (identity_ == 0) return kill(pid_, 0) != 0 && errno == ESRCH;
  return !transport_internal::Alive(identity_);
}

// Works in any process, and after the process is reaped.
bool ProcessTask::WaitForEnd(absl::Duration timeout) const {
  const auto start = std::chrono::steady_clock::now();
  int fd = end_fd();
  for (std::chrono::nanoseconds pause = kShortestPause;;) {
    std::optional<std::chrono::nanoseconds> left;
    if (timeout != absl::InfiniteDuration()) {
      left = absl::ToChronoNanoseconds(std::max(timeout, absl::ZeroDuration())) -
             (std::chrono::steady_clock::now() - start);
    }
    if (fd < 0) {
      if (HasEnded()) return true;
      if (left && left->count() <= 0) return false;
      WaitReadable(-1, left ? std::min(*left, pause) : pause);
      pause = std::min(2 * pause, kLongestPause);
      continue;
    }
    const int ready = WaitReadable(fd, left);
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) fd = -1;
  }
}

// Returns how it ended. REQUIRES: it has ended, and this process started it.
ProcessEnd ProcessTask::Reap() {
  const absl::MutexLock lock(&reap_mutex_);
  if (end_) return *end_;
  lifeline_.reset();
  if (server_ != 0) end_ = EndToldByServer(control().end, server_, pid_);
  // If this process is number 1 of a container, it inherits the children of a server that died.
  cpu_time_ = server_ == 0 ? CpuTimeOf(pid_)
                           : absl::Milliseconds(control().cpu_ms.load(std::memory_order_relaxed));
  if (!end_) end_ = ReapChild(pid_);
  if (!end_) end_ = ProcessEnd{.pid = pid_};
  reaped_.store(true, std::memory_order_relaxed);
  // Limited: the output of this process may have no reader.
  output_.Finish(absl::Seconds(1));
  return *end_;
}

std::optional<int> ProcessTask::exit_code() {
  if (!mine() || !WaitForEnd(absl::ZeroDuration())) return std::nullopt;
  SetTaken();
  const ProcessEnd end = Reap();
  return end.signal ? -*end.signal : end.exit_code;
}

ProcessDied ProcessTask::Died(ProcessDied::Traces traces) {
  const ProcessEnd end = Reap();
  traces.error_output = output_.EndOfErr();
  {
    const absl::MutexLock lock(&reap_mutex_);
    traces.limit = LimitThatEnded(options(), end, cpu_time_,
                                  killed_.load(std::memory_order_relaxed), traces.last_words);
  }
  return ProcessDied(name(), end, std::move(traces));
}

void ProcessTask::Signal(int signal) {
  SetTaken();
  if (signal == SIGKILL) killed_.store(true, std::memory_order_relaxed);
  if (const int fd = end_fd(); fd >= 0) {
    if (syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) == 0 || errno == ESRCH) return;
  }
  // A child keeps its pid until it is reaped, under the same mutex.
  const absl::MutexLock lock(&reap_mutex_);
  if (HasEnded() || kill(pid_, signal) == 0 || errno == ESRCH) return;
  throw std::system_error(
      errno, std::generic_category(),
      absl::StrCat("remoteobj: signal ", signal, " to process ", name(), " (pid ", pid_, ")"));
}

void ProcessTask::Terminate() { Signal(SIGTERM); }
void ProcessTask::Kill() { Signal(SIGKILL); }

void ProcessTask::Terminate(absl::Duration grace) {
  Terminate();
  if (WaitForEnd(grace)) return;
  Kill();
  WaitForEnd(absl::InfiniteDuration());
}

void ProcessTask::End(absl::Duration grace) {
  RequestStop();
  if (WaitForEnd(grace)) return;
  try {
    Terminate(grace);
  } catch (const std::system_error&) {
    // The process may belong to another user now. The kernel still ends a daemon without lifeline.
    {
      const absl::MutexLock lock(&reap_mutex_);
      lifeline_.reset();
    }
    if (!WaitForEnd(grace)) throw;
  }
}

}  // namespace remoteobj::process_internal
