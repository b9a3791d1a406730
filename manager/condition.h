// SPDX-License-Identifier: MIT
//
// A condition variable that processes share by a manager, with its lock.
//
//   remoteobj::Condition changed = manager.Condition();  // or manager.Condition(lock)
//   std::scoped_lock guard(changed);                     // the dot is the proxy: its lock
//   changed->wait_for([&] { return list->size() > 0; });
//   ...                                                  // elsewhere, with the lock as well:
//   changed->notify();
//
// The lock is the Lock or RLock that the condition was made with, which others may use as well, or
// else an RLock of its own. wait() releases the lock, as deep as it is held, waits for a
// notification, and then for the lock, behind all callers that wait for it already. If a process
// that was notified dies, or gives up, before it has the lock, another one is notified in its
// place; so wait() may, rarely, return true to a caller that came after a notify_all(): check the
// state again, as wait_for() does.
//
// Threads:  thread-safe. Copies are the same condition.
// Errors:   std::runtime_error if the caller does not own the lock (a Lock: if its process does
//           not); the errors of a call to a manager. A wait() with a time-out is DeadlineExceeded,
//           some seconds after it, if the network has failed. If wait() throws, the lock is
//           released, except when the caller did not own it or the request never reached the
//           manager. unlock() is a no-op if the lock is not held, so a guard copes with that. For a
//           status: changed->wait.TryCall().
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_CONDITION_H_
#define REMOTEOBJ_MANAGER_CONDITION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/except/try.h"
#include "remoteobj/manager/internal/arrow_with_more.h"
#include "remoteobj/manager/lockable.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj {

// The operations of a condition: `c->` leads to them. A time-out is an absl::Duration.
class ConditionInterface {
 public:
  virtual ~ConditionInterface() = default;

  // The operations of the lock: see LockInterface.
  virtual bool acquire(WaitTime timeout = {}) = 0;
  virtual void release() = 0;
  virtual void unlock() = 0;

  // Returns true if it was notified in time. Then waits without limit for the lock, and acquires it
  // as often as it was acquired before.
  virtual bool wait(WaitTimeThenOthers timeout = {}) = 0;
  // Wakes the `count` callers that have waited longest, or all if there are fewer.
  virtual void notify(std::int64_t count = 1) = 0;
  virtual void notify_all() = 0;

  static constexpr bool NeverInterrupted(std::string_view method) {
    return method == "release" || method == "unlock";
  }
};
REMOTEOBJ_DESCRIBE(ConditionInterface, acquire, release, unlock, wait, notify, notify_all)

class ConditionArrow final : public manager_internal::ArrowWithMore<ConditionInterface> {
 public:
  using ArrowWithMore::ArrowWithMore;

  // Waits until predicate() returns true, or until the time-out, and returns its last result. It is
  // called in the calling process, with the lock held.
  template <typename Predicate>
  auto wait_for(Predicate predicate, absl::Duration limit = absl::InfiniteDuration()) const {
    const Deadline deadline = Deadline::After(limit);
    auto result = predicate();
    while (!result) {
      const absl::Duration left = deadline.left();
      if (left <= absl::ZeroDuration()) break;
      Wait(left);
      result = predicate();
    }
    return result;
  }
  // The same, with a status. Never throws; also what `predicate` throws becomes a status.
  template <typename Predicate>
  auto TryWaitFor(Predicate predicate, absl::Duration limit = absl::InfiniteDuration()) const {
    return Try([&] { return wait_for(std::move(predicate), limit); });
  }

  const ConditionArrow* operator->() const { return this; }

 private:
  void Wait(absl::Duration limit) const;
};

class Condition final : public Lockable<Condition, ConditionInterface, ConditionArrow> {
 public:
  static constexpr std::string_view kTypeId = "Condition";
  static std::string Type() { return "Condition"; }
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

#endif  // REMOTEOBJ_MANAGER_CONDITION_H_
