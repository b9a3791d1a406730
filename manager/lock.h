// SPDX-License-Identifier: MIT
//
// Locks that processes share by a manager. Locks of a process that dies are released.
//
//   remoteobj::Lock lock = manager.Lock();
//   { std::scoped_lock guard(lock); ... }              // the dot: the proxy, which is a mutex
//   if (lock->acquire(absl::Seconds(1))) { ...; lock->release(); }
//
// A Lock may be released by any thread. An RLock belongs to its owner, a thread of a process, which
// may acquire it again and releases it as often. Waiting callers are served in order of arrival.
//
// If the owner's process dies or disconnects, the next caller gets the lock, and lock->abandoned()
// returns true: the data that the lock guards may be half changed.
//
// Threads:  thread-safe. Copies are the same lock.
// Errors:   std::runtime_error for a release of a lock that is free or, of an RLock, another
//           thread's; the errors of a call to a manager. If acquire() throws, the caller does not
//           have the lock. unlock(), which guards call, never throws. For a status:
//           lock->acquire.TryCall().
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_LOCK_H_
#define REMOTEOBJ_MANAGER_LOCK_H_

#include <string>
#include <string_view>

#include "remoteobj/manager/lockable.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj {

// The operations of a lock: `lock->` leads to them. A time-out is an absl::Duration.
class LockInterface {
 public:
  virtual ~LockInterface() = default;

  // Returns true if the calling thread got the lock in time. Tries once if `timeout` is not
  // positive.
  virtual bool acquire(WaitTime timeout = {}) = 0;
  // Throws std::runtime_error if it is free, or is an RLock of another thread. No interruption
  // point: a thread that is asked to stop still releases its locks.
  virtual void release() = 0;
  // Releases the lock if the calling thread has acquired it: for guards.
  virtual void unlock() = 0;
  virtual bool locked() const = 0;
  // Returns true if the previous owner died while it held the lock, or was being granted it. Reset
  // by release().
  virtual bool abandoned() const = 0;

  static constexpr bool NeverInterrupted(std::string_view method) {
    return method == "release" || method == "unlock";
  }
};
REMOTEOBJ_DESCRIBE(LockInterface, acquire, release, unlock, locked, abandoned)

class Lock final : public Lockable<Lock, LockInterface> {
 public:
  static constexpr std::string_view kTypeId = "Lock";
  static std::string Type() { return "Lock"; }
  using Lockable::Lockable;
  // A mutex of C++, for std::scoped_lock and std::unique_lock. lock() waits; the others return
  // false if the calling thread did not get it in time. unlock() never throws. See lockable.h.
  using Lockable::lock;
  using Lockable::try_lock;
  using Lockable::try_lock_for;
  using Lockable::try_lock_until;
  using Lockable::unlock;
};

class RLock final : public Lockable<RLock, LockInterface> {
 public:
  static constexpr std::string_view kTypeId = "RLock";
  static std::string Type() { return "RLock"; }
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

#endif  // REMOTEOBJ_MANAGER_LOCK_H_
