// SPDX-License-Identifier: MIT
//
// What locks and conditions have in common: a mutex for std::scoped_lock and std::unique_lock,
// whose owner is a thread of a process.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_LOCKABLE_H_
#define REMOTEOBJ_MANAGER_INTERNAL_LOCKABLE_H_

#include <chrono>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/shared.h"

namespace remoteobj::manager_internal {

class Lockable : public Shared {
 public:
  void lock() const { Acquire(absl::InfiniteDuration()); }
  bool try_lock() const { return Acquire(absl::ZeroDuration()); }
  template <typename Rep, typename Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return Acquire(absl::FromChrono(std::chrono::ceil<std::chrono::nanoseconds>(timeout)));
  }
  template <typename Clock, typename Duration>
  bool try_lock_until(const std::chrono::time_point<Clock, Duration>& deadline) const {
    return try_lock_for(deadline - Clock::now());
  }
  // Releases what this thread has acquired. Nothing if it has nothing, as after a wait that failed,
  // or if the manager is gone: destructors of guards call it.
  void unlock() const noexcept;

 protected:
  using Shared::Shared;

  bool Acquire(absl::Duration timeout) const;
  void Release() const;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_LOCKABLE_H_
