// SPDX-License-Identifier: MIT
//
// The end of a wait: a point in time of the monotonic clock, which can't be set.
//
//   const Deadline deadline = Deadline::After(absl::Seconds(1));
//   while (!done()) {
//     if (deadline.expired()) throw DeadlineExceeded("it did not come in time");
//     poll(&wait, 1, MillisecondsOf(deadline.left()));
//   }
//
// All processes of one machine read the same clock (CLOCK_MONOTONIC), so a deadline means the same
// in each of them; it means nothing on another machine, which is sent left() instead. The wall
// clock (absl::Now(), absl::Time) may be stepped by hours while a thread waits, and reading it
// takes a lock of Abseil's, which a forked child may find taken for good.
//
// Threads:  a value. Every function takes no lock, is async-signal-safe, and can be called in a
//           forked child.
// Not here: dates. See absl::Time.
#ifndef REMOTEOBJ_TRANSPORT_DEADLINE_H_
#define REMOTEOBJ_TRANSPORT_DEADLINE_H_

#include <time.h>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace remoteobj {

namespace transport_internal {

// The time of CLOCK_MONOTONIC.
inline std::int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace transport_internal

class Deadline {
 public:
  static constexpr Deadline Never() { return Deadline(kNever); }
  static constexpr Deadline Passed() { return Deadline(kPassed); }
  static Deadline Now() { return Deadline(transport_internal::MonotonicNanos()); }
  // Never() if `timeout` is infinite or would end after 292 years of uptime; has passed if it is
  // zero or negative.
  static Deadline After(absl::Duration timeout) { return Now() + timeout; }

  // How long until then: infinite for Never(), zero or negative once it has passed.
  absl::Duration left() const {
    if (nanos_ == kNever) return absl::InfiniteDuration();
    return absl::Nanoseconds(nanos_ - transport_internal::MonotonicNanos());
  }
  bool expired() const {
    return nanos_ != kNever && transport_internal::MonotonicNanos() >= nanos_;
  }

  friend Deadline operator+(Deadline deadline, absl::Duration further) {
    if (deadline == Never()) return deadline;
    // Saturates.
    const std::int64_t nanos =
        absl::ToInt64Nanoseconds(absl::Nanoseconds(deadline.nanos_) + further);
    return Deadline(std::max(nanos, kPassed));
  }
  friend constexpr auto operator<=>(const Deadline&, const Deadline&) = default;

  // For messages and shared memory: nanoseconds of CLOCK_MONOTONIC, and 0 for Never(). Every number
  // is a deadline; one that is negative has passed.
  constexpr std::int64_t nanos() const { return nanos_ == kNever ? 0 : nanos_; }
  static constexpr Deadline FromNanos(std::int64_t nanos) {
    return Deadline(nanos == 0 ? kNever : std::max(nanos, kPassed));
  }

 private:
  static constexpr std::int64_t kPassed = 1;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  explicit constexpr Deadline(std::int64_t nanos) : nanos_(nanos) {}

  std::int64_t nanos_;  // At least kPassed.
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_DEADLINE_H_
