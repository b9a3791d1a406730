// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/identity.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
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

// What /proc says of a process: its state and when it was started. False if there is no such
// process.
bool ReadStat(pid_t pid, char* state, unsigned long long* start) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[1024];
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return false;
  text[size] = '\0';
  // The name, field 2, may contain anything, so count from the last parenthesis.
  const char* at = std::strrchr(text, ')');
  if (at == nullptr) return false;
  *state = at[2];
  for (int field = 2; field < 22 && at != nullptr; ++field) at = std::strchr(at + 1, ' ');
  if (at == nullptr) return false;
  *start = std::strtoull(at + 1, nullptr, 10);
  return true;
}

Identity Make(pid_t pid, unsigned long long start) {
  return (static_cast<Identity>(start) << 22) | static_cast<Identity>(pid);
}

}  // namespace

Identity IdentityOf(pid_t pid) {
  char state;
  unsigned long long start;
  if (!ReadStat(pid, &state, &start) || state == 'Z' || state == 'X') return 0;
  return Make(pid, start);
}

Identity Self() {
  std::atomic<Identity>* cache = Cache();
  if (cache != nullptr) {
    const Identity self = cache->load(std::memory_order_relaxed);
    if (self != 0) return self;
  }
  const pid_t pid = getpid();
  char state;
  unsigned long long start = 0;
  ReadStat(pid, &state, &start);
  const Identity self = Make(pid, start);
  if (cache != nullptr) cache->store(self, std::memory_order_relaxed);
  return self;
}

bool Alive(Identity process) { return process != 0 && IdentityOf(PidOf(process)) == process; }

}  // namespace remoteobj::transport_internal
