// SPDX-License-Identifier: MIT
//
// Waiting on a word of shared memory, and waking the threads that wait there. Source: futex(2).
//
// A wait ends early when the thread is interrupted; the caller then comes to InterruptionPoint().
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_FUTEX_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>

#include "absl/time/time.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::transport_internal {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
              std::atomic<std::uint32_t>::is_always_lock_free);

// Sleeps while `word` is `value`, at most `timeout`. May return early.
inline void FutexWait(std::atomic<std::uint32_t>& word, std::uint32_t value,
                      absl::Duration timeout) {
  timeout = std::clamp(timeout, absl::ZeroDuration(), absl::Hours(1));
  if (interruption != nullptr) {
#if defined(FUTEX_32) && defined(SYS_futex_waitv)
    futex_waitv words[2] = {};
    words[0].val = value;
    words[0].uaddr = reinterpret_cast<std::uintptr_t>(&word);
    words[0].flags = FUTEX_32;
    words[1].val = interruption->told();
    words[1].uaddr = reinterpret_cast<std::uintptr_t>(&interruption->word());
    words[1].flags = FUTEX_32;
    timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end = absl::ToTimespec(absl::DurationFromTimespec(end) + timeout);
    if (syscall(SYS_futex_waitv, words, 2, 0, &end, CLOCK_MONOTONIC) >= 0 || errno == EAGAIN ||
        errno == ETIMEDOUT || errno == EINTR) {
      return;
    }
#endif
    // Before Linux 5.16, or where a sandbox forbids it, only one word can be waited on.
    if (Interrupted()) return;
    timeout = std::min(timeout, absl::Milliseconds(20));
  }
  const timespec relative = absl::ToTimespec(timeout);
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &relative, nullptr, 0);
}

// Returns how many it has woken.
inline long FutexWake(std::atomic<std::uint32_t>& word, int count) {
  return syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

inline void FutexWakeAll(std::atomic<std::uint32_t>& word) { FutexWake(word, INT_MAX); }

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_FUTEX_H_
