// SPDX-License-Identifier: MIT
//
// Waiting on a word of shared memory, and waking who waits there. Source: futex(2).
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_FUTEX_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_FUTEX_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdint>

#include "absl/time/time.h"

namespace remoteobj::transport_internal {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
              std::atomic<std::uint32_t>::is_always_lock_free);

// Sleeps while `word` is `value`, at most `timeout`. May return early.
inline void FutexWait(std::atomic<std::uint32_t>& word, std::uint32_t value,
                      absl::Duration timeout) {
  const timespec relative =
      absl::ToTimespec(std::clamp(timeout, absl::ZeroDuration(), absl::Hours(1)));
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &relative, nullptr, 0);
}

// Returns how many it has woken.
inline long FutexWake(std::atomic<std::uint32_t>& word, int count) {
  return syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
}

inline void FutexWakeAll(std::atomic<std::uint32_t>& word) { FutexWake(word, INT_MAX); }

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_FUTEX_H_
