// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/condition.h.
//
// Its lock is a Lock or RLock of the same server, which others may use as well, or an RLock of its
// own. wait() releases the lock, waits for a notification, then for the lock, behind all callers
// that wait for it. If its client dies or gives up before that, the next caller is notified.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_CONDITION_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_CONDITION_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "remoteobj/manager/condition.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/types/lock_object.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class Entry;

class ConditionObject final : public SharedObject, public ConditionInterface {
 public:
  // With an RLock of its own.
  ConditionObject();
  // Throws BadValue if `lock` is neither a Lock nor an RLock.
  explicit ConditionObject(const Reference& lock);

  bool acquire(WaitTime timeout) override;
  void release() override { lock_->release(); }
  void unlock() override { lock_->unlock(); }

  bool wait(WaitTimeThenOthers timeout) override;
  void notify(std::int64_t count) override;
  void notify_all() override;

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override;

 private:
  void CheckOwned() const;
  void LeavesLock(CurrentCall& call) const;

  const std::shared_ptr<Entry> entry_;  // The lock's entry. Null if the lock is its own.
  const std::unique_ptr<LockObject> own_;
  LockObject* const lock_;
  WaitList waiters_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_CONDITION_OBJECT_H_
