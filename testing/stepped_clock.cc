// SPDX-License-Identifier: MIT
#include "remoteobj/testing/stepped_clock.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <new>
#include <system_error>

namespace remoteobj_testing {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// How far the wall clock is ahead of the kernel's, in nanoseconds; in memory that forks share.
constinit std::atomic<std::int64_t>* ahead = nullptr;

timespec WallClock(clockid_t clock) {
  timespec time;
  syscall(SYS_clock_gettime, clock, &time);
  if (ahead == nullptr) return time;
  const std::int64_t nanos = time.tv_sec * kNanosPerSecond + time.tv_nsec + ahead->load();
  return {.tv_sec = nanos / kNanosPerSecond, .tv_nsec = nanos % kNanosPerSecond};
}

}  // namespace

void OwnWallClock() {
  void* const memory =
      mmap(nullptr, sizeof *ahead, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  ahead = new (memory) std::atomic<std::int64_t>(ahead == nullptr ? 0 : ahead->load());
}

void StepWallClock(absl::Duration by) { ahead->fetch_add(absl::ToInt64Nanoseconds(by)); }

}  // namespace remoteobj_testing

// In place of libc's.
extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE) {
    return static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  }
  *time = remoteobj_testing::WallClock(clock);
  return 0;
}

int gettimeofday(timeval* time, void*) noexcept {
  const timespec now = remoteobj_testing::WallClock(CLOCK_REALTIME);
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* out) noexcept {
  const time_t now = remoteobj_testing::WallClock(CLOCK_REALTIME).tv_sec;
  if (out != nullptr) *out = now;
  return now;
}

}  // extern "C"
