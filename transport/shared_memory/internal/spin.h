// SPDX-License-Identifier: MIT
//
// When to spin before sleeping, and for how long.
//
// A wake-up across cores costs 30 to 60 us, seeing a changed cache line a quarter of one. So it
// pays to spin while the answer is likely to come sooner than a wake-up would, and only on another
// core: on the same one spinning keeps the peer from running. The last tries show which core the
// peer has, and whether spinning pays (adaptive spinning).
//
// Threads:  thread-compatible; one per waiting thread.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SPIN_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SPIN_H_

#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "remoteobj/transport/deadline.h"

namespace remoteobj::transport_internal {

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Spinner {
 public:
  // Spins until `done`, and returns true; or returns false at once, where spinning has lately not
  // paid, or after the budget. `peer_cpu` is where the other side was last seen, or negative.
  template <typename Done>
  bool Spin(int peer_cpu, Done&& done) {
    if (skip_ > 0) {
      --skip_;
      return false;
    }
    if (peer_cpu >= 0 && peer_cpu == sched_getcpu()) return false;
    std::int64_t end = 0;
    for (int i = 1;; ++i) {
      if (done()) {
        failures_ = 0;
        return true;
      }
      Pause();
      if (i % kPausesPerLook != 0) continue;
      const std::int64_t now = MonotonicNanos();
      if (end == 0) {
        end = now + kBudgetNanos;
      } else if (now > end) {
        break;
      }
      // The peer, or another process, may be waiting for this very core.
      sched_yield();
    }
    // Try again after 1, 3, 7 … 255 waits.
    failures_ = std::min(failures_ + 1, 8);
    skip_ = (1 << failures_) - 1;
    return false;
  }

 private:
  static constexpr int kPausesPerLook = 64;             // About 3 us.
  static constexpr std::int64_t kBudgetNanos = 50'000;  // About a wake-up.

  int failures_ = 0;
  int skip_ = 0;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SPIN_H_
