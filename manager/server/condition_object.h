// SPDX-License-Identifier: MIT
//
// A condition of a manager, as its server has it.
//
// Its lock is a Lock or RLock of the same server, with which others may have to do as well, or an
// RLock of its own. A call to wait leaves the lock, waits to be notified, then waits for the lock
// among all who want it, last of them. If its client dies or gives up on the way, the notification
// goes to the next.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_CONDITION_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_CONDITION_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/manager/server/lock_object.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class Entry;

class ConditionObject final : public SharedObject {
 public:
  // With an RLock of its own.
  ConditionObject();
  // Throws BadValue for what is neither a Lock nor an RLock.
  explicit ConditionObject(const Reference& lock);

  // The lock's.
  bool acquire(std::uint64_t thread, absl::Duration timeout);
  void release(std::uint64_t thread) { lock_->release(thread); }
  void unlock(std::uint64_t thread) { lock_->unlock(thread); }

  // All of these throw std::runtime_error if the caller does not own the lock.

  // False if nobody notified it in time. Has the lock again when it returns, as deep as before.
  bool wait(std::uint64_t thread, absl::Duration timeout);
  void notify(std::uint64_t thread, std::int64_t count);
  void notify_all(std::uint64_t thread);

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override;

 private:
  void CheckOwned(std::uint64_t thread) const;
  void LeavesLock(CurrentCall& call) const;

  const std::shared_ptr<Entry> entry_;  // Of the lock. Null for its own.
  const std::unique_ptr<LockObject> own_;
  LockObject* const lock_;
  WaitList waiters_;
};
REMOTEOBJ_DESCRIBE(ConditionObject, acquire, release, unlock, wait, notify, notify_all)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_CONDITION_OBJECT_H_
