// SPDX-License-Identifier: MIT
#include "remoteobj/process/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <system_error>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "glog/logging.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj {
namespace {

using transport_internal::Identity;
using transport_internal::Self;

std::string NameOf(const ProcessOptions& options) {
  static std::atomic<int> count{0};
  return options.name.empty() ? absl::StrCat("process-", ++count) : options.name;
}

std::string TextOf(const std::string& name, const ProcessDied::End& end) {
  const std::string who = absl::StrCat("process ", name, " (pid ", end.pid, ") ");
  if (end.exit_code) return absl::StrCat(who, "ended with exit code ", *end.exit_code);
  if (end.signal) {
    return absl::StrCat(who, "was ended by signal ", *end.signal, " (", strsignal(*end.signal),
                        ")");
  }
  return absl::StrCat(who, "has ended, and something else has taken its exit code");
}

// Only these: another file's buffer may hold what the parent has written and not yet flushed.
void FlushStandardStreams() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(stdout);
  std::fflush(stderr);
}

// All that the new process does.
[[noreturn]] void Run(const std::string& name, bool daemon, Identity parent,
                      absl::FunctionRef<void()> body) {
  prctl(PR_SET_NAME, name.c_str());
  if (daemon) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have ended before that.
    if (getppid() != transport_internal::PidOf(parent)) raise(SIGKILL);
  }
  int code = EXIT_SUCCESS;
  try {
    body();
  } catch (...) {
    code = EXIT_FAILURE;
    std::ostringstream text;
    text << "process " << name << " ended by " << RemoteError(CaptureCurrentException()) << "\n";
    std::fputs(text.str().c_str(), stderr);
  }
  FlushStandardStreams();
  _exit(code);
}

// -1 at EINTR and the like, 0 at the timeout.
int WaitReadable(int fd, std::optional<std::chrono::nanoseconds> timeout) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  if (!timeout) return ppoll(&wait, 1, nullptr, nullptr);
  const std::chrono::nanoseconds left = std::max(*timeout, std::chrono::nanoseconds::zero());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  const timespec spec{.tv_sec = static_cast<time_t>(seconds.count()),
                      .tv_nsec = static_cast<long>((left - seconds).count())};
  return ppoll(&wait, 1, &spec, nullptr);
}

}  // namespace

ProcessDied::ProcessDied(const std::string& name, End end)
    : std::runtime_error(TextOf(name, end)),
      end_(end),
      name_(std::make_shared<const std::string>(name)) {}

struct Process::State {
  explicit State(std::string name) : name(std::move(name)) {}
  ~State() {
    if (fd >= 0) close(fd);
  }

  const std::string name;
  const Identity parent = Self();
  pid_t pid = 0;
  // A pidfd: readable once the process has ended, and never another's. -1 if it was gone at once,
  // as it may be where SIGCHLD is ignored.
  int fd = -1;

  // The end has been told of, or is what was asked for. Relaxed: it publishes nothing.
  std::atomic<bool> taken = false;
  absl::Mutex mutex = {};
  std::optional<ProcessDied::End> end ABSL_GUARDED_BY(mutex) = {};

  bool mine() const { return parent == Self(); }

  // Waits at most so long; whether it has ended. Any process may wait, and for one that is reaped.
  bool Wait(absl::Duration timeout) const {
    if (fd < 0) return true;
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      std::optional<std::chrono::nanoseconds> left;
      if (timeout != absl::InfiniteDuration()) {
        left = absl::ToChronoNanoseconds(std::max(timeout, absl::ZeroDuration())) -
               (std::chrono::steady_clock::now() - start);
      }
      const int ready = WaitReadable(fd, left);
      if (ready > 0) return true;
      if (ready == 0) return false;
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "ppoll");
    }
  }

  // How it ended. REQUIRES: it has, and this process started it.
  ProcessDied::End Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (end) return *end;
    end.emplace().pid = pid;
    siginfo_t info{};
    int result;
    do {
      result = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
    } while (result != 0 && errno == EINTR);
    if (result == 0) (info.si_code == CLD_EXITED ? end->exit_code : end->signal) = info.si_status;
    return *end;
  }

  void Signal(int signal) {
    taken.store(true, std::memory_order_relaxed);
    syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0);
  }
};

void Process::Start(ProcessOptions options, absl::FunctionRef<void()> body) {
  auto state = std::make_shared<State>(NameOf(options));
  FlushStandardStreams();
  const pid_t pid = fork();
  if (pid == 0) Run(state->name, options.daemon, state->parent, body);
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  state->pid = pid;
  state->fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (state->fd < 0 && errno != ESRCH) {
    const int error = errno;
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw std::system_error(error, std::generic_category(), "pidfd_open");
  }
  state_ = std::move(state);
}

Process::~Process() { JoinBeforeForgetting(); }

Process::Process(Process&& other) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    JoinBeforeForgetting();
    state_ = std::move(other.state_);
  }
  return *this;
}

void Process::JoinBeforeForgetting() noexcept {
  if (state_ == nullptr || !state_->mine()) return;
  const bool taken = state_->taken.load(std::memory_order_relaxed);
  try {
    Join();
  } catch (const std::exception& e) {
    LOG_IF(ERROR, !taken) << e.what();
  }
}

pid_t Process::pid() const { return state_ == nullptr ? 0 : state_->pid; }

const std::string& Process::name() const { return state_->name; }

bool Process::alive() const { return !state_->Wait(absl::ZeroDuration()); }

std::optional<int> Process::exit_code() const {
  State& state = *state_;
  if (!state.mine() || !state.Wait(absl::ZeroDuration())) return std::nullopt;
  state.taken.store(true, std::memory_order_relaxed);
  const absl::MutexLock lock(&state.mutex);
  const ProcessDied::End end = state.Reap();
  return end.signal ? -*end.signal : end.exit_code;
}

void Process::Join() { Join(absl::InfiniteDuration()); }

bool Process::Join(absl::Duration timeout) {
  State& state = *state_;
  if (!state.mine()) {
    throw std::logic_error(absl::StrCat("process ", state.name, " (pid ", state.pid,
                                        ") can be joined only by the process that started it"));
  }
  if (!state.Wait(timeout)) return false;
  const absl::MutexLock lock(&state.mutex);
  const ProcessDied::End end = state.Reap();
  if (end.exit_code == 0) return true;
  state.taken.store(true, std::memory_order_relaxed);
  throw ProcessDied(state.name, end);
}

void Process::Terminate() { state_->Signal(SIGTERM); }

void Process::Kill() { state_->Signal(SIGKILL); }

}  // namespace remoteobj
