// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/identity.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/synchronization/mutex.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj::transport_internal {
namespace {

// USER_HZ, which the kernel has promised to programs for ever.
constexpr std::uint64_t kTicksPerSecond = 100;

constexpr int kTickShift = 22;
constexpr std::uint64_t kTickMask = (std::uint64_t{1} << 34) - 1;
constexpr int kSpaceShift = 56;
constexpr std::uint64_t kSpaceMask = 127;

std::uint64_t TicksOf(Identity process) { return (process >> kTickShift) & kTickMask; }
std::uint64_t SpaceOf(Identity process) { return (process >> kSpaceShift) & kSpaceMask; }

// A page that the kernel clears in a child at fork, so that what is cached here is never a
// parent's. Unlike pthread_atfork this also holds for a raw clone(). Null where the kernel has no
// MADV_WIPEONFORK (before Linux 4.14): then `ancestor` has to do.
class CachePage {
 public:
  CachePage() {
    void* page = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    if (madvise(page, size_, MADV_WIPEONFORK) != 0) {
      munmap(page, size_);
      return;
    }
    cache_ = static_cast<std::atomic<Identity>*>(page);
  }
  CachePage(const CachePage&) = delete;
  CachePage& operator=(const CachePage&) = delete;
  ~CachePage() {
    if (cache_ != nullptr) munmap(cache_, size_);
  }

  std::atomic<Identity>* get() const { return cache_; }

 private:
  std::size_t size_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::atomic<Identity>* cache_ = nullptr;
};

std::atomic<Identity>* Cache() {
  return MadeOnce([] { return new const CachePage; }).get();
}

// The last process of this line of forks that has looked itself up. A child whose parent it is has
// its namespace, unless it is the first process of a new one, whose parent has no pid there.
std::atomic<Identity> ancestor{0};

// A hash of this process's PID namespace, or 0 if it can't be known. Takes no descriptor.
std::uint64_t FindSpace() {
  char name[32];
  const ssize_t size = readlink("/proc/self/ns/pid", name, sizeof name - 1);
  if (size > 5) {  // "pid:[4026531836]"
    name[size] = '\0';
    return std::strtoull(name + 5, nullptr, 10) % kSpaceMask + 1;
  }
  const Identity parent = ancestor.load(std::memory_order_relaxed);
  return parent != 0 && PidOf(parent) == getppid() ? SpaceOf(parent) : 0;
}

Identity Make(pid_t pid, std::uint64_t space) {
  // The clock of proc(5), which goes on in suspension.
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  const std::uint64_t ticks =
      static_cast<std::uint64_t>(now.tv_sec) * kTicksPerSecond +
      static_cast<std::uint64_t>(now.tv_nsec) / (1'000'000'000 / kTicksPerSecond);
  return space << kSpaceShift | (ticks & kTickMask) << kTickShift | static_cast<Identity>(pid);
}

// Returns true if /proc is there, and of this process's namespace: a mount that was inherited from
// an outer one knows this process by another pid.
bool ProcIsOurs() {
  char name[16];
  const ssize_t size = readlink("/proc/self", name, sizeof name - 1);
  if (size <= 0) return false;
  name[size] = '\0';
  return std::strtol(name, nullptr, 10) == getpid();
}

// By /proc, which also knows when a process was started.
Life LifeByProc(Identity process) {
  if (!ProcIsOurs()) return Life::kUnknown;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", PidOf(process));
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Life::kUnknown;
  char text[1024];
  const ssize_t size = read(fd, text, sizeof text - 1);
  const bool gone = size < 0 && errno == ESRCH;
  close(fd);
  if (gone) return Life::kEnded;
  if (size <= 0) return Life::kUnknown;
  text[size] = '\0';
  // The name, field 2, may contain anything, so count from the last parenthesis.
  const char* at = std::strrchr(text, ')');
  if (at == nullptr) return Life::kUnknown;
  const char state = at[2];
  long threads = 0;
  for (int field = 2; field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
    if (at == nullptr) return Life::kUnknown;
    if (field + 1 == 20) threads = std::strtol(at + 1, nullptr, 10);
  }
  // A main thread that has ended by pthread_exit looks like a zombie while others go on.
  if (state == 'X' || (state == 'Z' && threads <= 1)) return Life::kEnded;
  const std::uint64_t start = std::strtoull(at + 1, nullptr, 10);
  const bool started_before = ((TicksOf(process) - start) & kTickMask) <= kTickMask / 2;
  return started_before ? Life::kRuns : Life::kEnded;
}

// Without /proc it is not known when a process was started, so one that has got the pid since is
// taken for it.
Life LifeByPid(pid_t pid) {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    return info.si_pid == pid ? Life::kEnded : Life::kRuns;  // A child of this process.
  }
  if (kill(pid, 0) != 0 && errno == ESRCH) return Life::kEnded;
  // A zombie answers kill(), but its pidfd is readable.
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno == ESRCH ? Life::kEnded : Life::kUnknown;
  pollfd end = {fd, POLLIN, 0};
  const bool ended = poll(&end, 1, 0) == 1;
  close(fd);
  return ended ? Life::kEnded : Life::kUnknown;
}

// Builds of Abseil that look for deadlocks (Debian's is one) take a lock of their own at each lock
// of an absl::Mutex. In a child of a thread beside which others locked mutexes it may be taken for
// good.
[[maybe_unused]] const int mutexes_work_in_children = pthread_atfork(
    nullptr, nullptr, [] { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); });

}  // namespace

Identity FindSelf() {
  std::atomic<Identity>* cache = Cache();
  self_cache.store(cache, std::memory_order_release);
  const Identity last = ancestor.load(std::memory_order_relaxed);
  if (cache == nullptr && PidOf(last) == getpid()) return last;
  const Identity self = Make(getpid(), FindSpace());
  ancestor.store(self, std::memory_order_relaxed);
  if (cache == nullptr) return self;
  // Another thread may have been first; all must return the same.
  Identity none = 0;
  return cache->compare_exchange_strong(none, self, std::memory_order_relaxed) ? self : none;
}

Identity IdentityOf(pid_t pid) {
  const Identity process = Make(pid, SpaceOf(Self()));
  return pid > 0 && LifeOf(process) != Life::kEnded ? process : 0;
}

bool OfThisNamespace(Identity process) { return SpaceOf(process) == SpaceOf(Self()); }

Life LifeOf(Identity process) {
  const pid_t pid = PidOf(process);
  if (process == 0 || pid == 0) return Life::kEnded;
  if ((process & ~kHasToken) == Self()) return Life::kRuns;
  if (!OfThisNamespace(process)) return Life::kUnknown;
  const int error = errno;
  Life life = LifeByProc(process);
  if (life == Life::kUnknown) life = LifeByPid(pid);
  errno = error;
  return life;
}

}  // namespace remoteobj::transport_internal
