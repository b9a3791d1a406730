// SPDX-License-Identifier: MIT
//
// Semaphores that processes share by a manager. Units of a process that dies are released.
//
//   remoteobj::Semaphore seats = manager.Semaphore(3);
//   seats->acquire();
//   ...
//   seats->release();
//
// Units that a process has acquired are released when it dies or disconnects. release() returns a
// unit of the calling process, else the unit that was acquired first. Units beyond the initial
// value have no holder: acquiring one of a Semaphore(0), used as a signal, consumes it.
//
// Threads:  thread-safe. Copies are the same semaphore. Waiting callers get a unit in order of
//           arrival.
// Errors:   std::invalid_argument for a release of less than one unit, or of more units of a
//           BoundedSemaphore than its first value; the errors of a call to a manager. For a status:
//           seats->acquire.TryCall().
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_SEMAPHORE_H_
#define REMOTEOBJ_MANAGER_SEMAPHORE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "remoteobj/manager/lockable.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj {

// The operations of a semaphore: `s->` leads to them. A time-out is an absl::Duration.
class SemaphoreInterface {
 public:
  virtual ~SemaphoreInterface() = default;

  // Returns true if it got a unit in time. Tries once if `timeout` is not positive.
  virtual bool acquire(WaitTime timeout = {}) = 0;
  // Releases all units in one step. No interruption point: a thread that is asked to stop still
  // releases its units.
  virtual void release(std::int64_t units = 1) = 0;

  static constexpr bool NeverInterrupted(std::string_view method) { return method == "release"; }
};
REMOTEOBJ_DESCRIBE(SemaphoreInterface, acquire, release)

// The dot is the proxy, a mutex for guards, which acquires one unit.
class Semaphore final : public Lockable<Semaphore, SemaphoreInterface> {
 public:
  static constexpr std::string_view kTypeId = "Semaphore";
  static std::string Type() { return "Semaphore"; }
  using Lockable::Lockable;
  // A mutex of C++, for std::scoped_lock and std::unique_lock. lock() waits; the others return
  // false if the calling thread did not get it in time. unlock() never throws. See lockable.h.
  using Lockable::lock;
  using Lockable::try_lock;
  using Lockable::try_lock_for;
  using Lockable::try_lock_until;
  using Lockable::unlock;
};

class BoundedSemaphore final : public Lockable<BoundedSemaphore, SemaphoreInterface> {
 public:
  static constexpr std::string_view kTypeId = "BoundedSemaphore";
  static std::string Type() { return "BoundedSemaphore"; }
  using Lockable::Lockable;
  // A mutex of C++, for std::scoped_lock and std::unique_lock. lock() waits; the others return
  // false if the calling thread did not get it in time. unlock() never throws. See lockable.h.
  using Lockable::lock;
  using Lockable::try_lock;
  using Lockable::try_lock_for;
  using Lockable::try_lock_until;
  using Lockable::unlock;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SEMAPHORE_H_
