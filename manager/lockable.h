// SPDX-License-Identifier: MIT
//
// The proxy of a lock, a condition or a semaphore as a mutex of C++, for std::scoped_lock,
// std::unique_lock and std::lock.
//
//   { std::scoped_lock guard(lock); ... }
//   if (std::unique_lock guard(lock, std::chrono::seconds(1)); guard) ...
//
// Each operation is one call to the manager. An RLock belongs to the calling thread, as one of C++
// does; a Lock and a unit of a semaphore can be released by any thread. The locks and
// units of a process are released if it dies.
//
// Threads:  thread-safe. Copies are the same lock.
// Errors:   lock() and the functions that begin with try_ throw the errors of a call to a manager
//           (shared_proxy.h), and then have not acquired it; a thread that waits in lock() is
//           interrupted as in any call. unlock() never throws. For a status:
//           lock->acquire.TryCall().
#ifndef REMOTEOBJ_MANAGER_LOCKABLE_H_
#define REMOTEOBJ_MANAGER_LOCKABLE_H_

#include <chrono>

#include "absl/time/time.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj {

// The interface has acquire(WaitTime), and unlock() or release().
template <typename D, typename Interface, typename ArrowType = proxy_internal::Arrow<Interface>>
class Lockable : public SharedProxy<D, Interface, ArrowType> {
 public:
  using SharedProxy<D, Interface, ArrowType>::SharedProxy;

  // Blocks until the calling thread has acquired it. Callers get it in order of arrival.
  void lock() const { (*this)->acquire(); }
  // Acquires it if it is free. Returns false if it is not.
  bool try_lock() const { return (*this)->acquire(absl::ZeroDuration()); }
  // Blocks until the calling thread has acquired it, for at most `timeout`. Returns false at the
  // time-out. Tries once if `timeout` is not positive.
  template <typename Rep, typename Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return (*this)->acquire(absl::FromChrono(std::chrono::ceil<std::chrono::nanoseconds>(timeout)));
  }
  // The same, until `deadline`. A later change of that clock has no effect.
  template <typename Clock, typename Duration>
  bool try_lock_until(const std::chrono::time_point<Clock, Duration>& deadline) const {
    return try_lock_for(deadline - Clock::now());
  }
  // Releases what this thread has acquired. Does nothing if it has acquired nothing, as after a
  // wait that failed, or if the manager is gone: destructors of guards call it. No interruption
  // point.
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

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_LOCKABLE_H_
