// SPDX-License-Identifier: MIT
//
// Makes the client types of locks, conditions and semaphores mutexes for std::scoped_lock and
// std::unique_lock.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_LOCKABLE_H_
#define REMOTEOBJ_MANAGER_INTERNAL_LOCKABLE_H_

#include <chrono>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::manager_internal {

// The interface has acquire(WaitTime), and unlock() or release().
template <typename D, typename Interface, typename ArrowType = proxy_internal::Arrow<Interface>>
class Lockable : public SharedProxy<D, Interface, ArrowType> {
 public:
  using SharedProxy<D, Interface, ArrowType>::SharedProxy;

  // Blocks until the calling thread has acquired it.
  void lock() const { (*this)->acquire(); }
  // Returns false if it is not free.
  bool try_lock() const { return (*this)->acquire(absl::ZeroDuration()); }
  template <typename Rep, typename Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return (*this)->acquire(absl::FromChrono(std::chrono::ceil<std::chrono::nanoseconds>(timeout)));
  }
  template <typename Clock, typename Duration>
  bool try_lock_until(const std::chrono::time_point<Clock, Duration>& deadline) const {
    return try_lock_for(deadline - Clock::now());
  }
  // Releases what this thread has acquired. Does nothing if it has acquired nothing, as after a
  // wait that failed, or if the manager is gone: destructors of guards call it.
  void unlock() const noexcept {
    const transport_internal::Uninterrupted uninterrupted;
    try {
      if constexpr (requires { &Interface::unlock; }) {
        (*this)->unlock();
      } else {
        (*this)->release();
      }
    } catch (...) {
    }
  }
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_LOCKABLE_H_
