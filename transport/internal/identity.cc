// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/identity.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace remoteobj::transport_internal {
namespace {

// A page that the kernel clears in a child at fork, so that what is cached here is never a
// parent's. Unlike pthread_atfork this also holds for a raw clone(). Null where the kernel has no
// MADV_WIPEONFORK (before Linux 4.14): then nothing is cached.
std::atomic<Identity>* Cache() {
  static std::atomic<Identity>* const cache = []() -> std::atomic<Identity>* {
    const std::size_t size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    if (madvise(page, size, MADV_WIPEONFORK) != 0) {
      munmap(page, size);
      return nullptr;
    }
    return static_cast<std::atomic<Identity>*>(page);
  }();
  return cache;
}

// USER_HZ, which the kernel has promised to programs for ever.
constexpr unsigned long long kTicksPerSecond = 100;

enum class Stat { kRuns, kEnded, kUnknown };

// What /proc says of a process, and when it was started. Unknown where /proc can't be read: there
// may be no descriptor left, or no /proc.
Stat ReadStat(pid_t pid, unsigned long long* start) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return kill(pid, 0) != 0 && errno == ESRCH ? Stat::kEnded : Stat::kUnknown;
  char text[1024];
  const ssize_t size = read(fd, text, sizeof text - 1);
  const bool gone = size < 0 && errno == ESRCH;
  close(fd);
  if (gone) return Stat::kEnded;
  if (size <= 0) return Stat::kUnknown;
  text[size] = '\0';
  // The name, field 2, may contain anything, so count from the last parenthesis.
  const char* at = std::strrchr(text, ')');
  if (at == nullptr) return Stat::kUnknown;
  const char state = at[2];
  long threads = 0;
  for (int field = 2; field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
    if (at == nullptr) return Stat::kUnknown;
    if (field + 1 == 20) threads = std::strtol(at + 1, nullptr, 10);
  }
  *start = std::strtoull(at + 1, nullptr, 10);
  // A main thread that has ended by pthread_exit looks like a zombie while others go on.
  return state == 'X' || (state == 'Z' && threads <= 1) ? Stat::kEnded : Stat::kRuns;
}

Identity Make(pid_t pid, unsigned long long start) {
  return (static_cast<Identity>(start) << 22) | static_cast<Identity>(pid);
}

}  // namespace

Identity IdentityOf(pid_t pid) {
  unsigned long long start;
  return ReadStat(pid, &start) == Stat::kRuns ? Make(pid, start) : 0;
}

Identity FindSelf() {
  std::atomic<Identity>* cache = Cache();
  self_cache.store(cache, std::memory_order_release);
  const pid_t pid = getpid();
  unsigned long long start = 0;
  ReadStat(pid, &start);
  const Identity self = Make(pid, start);
  if (cache != nullptr) cache->store(self, std::memory_order_relaxed);
  return self;
}

namespace {

// Whether there is a process of that pid that was started when `matches` says.
template <typename F>
bool AliveIf(Identity process, const F& matches) {
  if (process == 0) return false;
  unsigned long long start;
  switch (ReadStat(PidOf(process), &start)) {
    case Stat::kRuns:
      return matches(Make(PidOf(process), start));
    case Stat::kEnded:
      return false;
    case Stat::kUnknown:
      return true;  // There is one of that pid; a living one is not to be taken for dead.
  }
  return false;
}

}  // namespace

bool Alive(Identity process) {
  return AliveIf(process, [&](Identity found) { return found == process; });
}

Identity StampOfSelf() {
  // As proc(5) counts: in hundredths of a second, by the clock that goes on in suspension.
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  const auto ticks =
      static_cast<unsigned long long>(now.tv_sec) * kTicksPerSecond +
      static_cast<unsigned long long>(now.tv_nsec) / (1'000'000'000 / kTicksPerSecond);
  return Make(getpid(), ticks);
}

bool StampIsAlive(Identity stamp) {
  // The pid is the same, so the times are compared. One that has got the pid since was started
  // later.
  return AliveIf(stamp, [&](Identity found) { return found <= stamp; });
}

}  // namespace remoteobj::transport_internal
