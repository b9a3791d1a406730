// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/lock.h: Lock and RLock, also as a Condition uses them.
//
// A lock is owned by a thread of a client. It is released, and marked as abandoned, when the client
// disconnects, or if the outcome that grants it does not reach the client.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_LOCK_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_LOCK_OBJECT_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/server/current_call.h"

namespace remoteobj::manager_internal {

class LockObject final : public SharedObject, public LockInterface {
 public:
  enum class Kind {
    kLock,   // Any thread may release it.
    kRLock,  // Its owner may acquire it again; only the owner may release it.
  };
  explicit LockObject(Kind kind) : kind_(kind) {}

  bool acquire(WaitTime timeout) override;
  void release() override;
  void unlock() override;
  bool locked() const override { return depth_ != 0; }
  bool abandoned() const override { return abandoned_; }

  // For conditions, in their own calls.

  // Here, a Lock is owned by the whole client, whose threads may pass it on.
  bool OwnedBy(const CurrentCall& call) const;
  // Returns how often it was acquired. REQUIRES: it is locked.
  int ReleaseAll();
  // REQUIRES: it is not locked.
  void TakeBack(CurrentCall& call, int depth);
  WaitList& waiters() { return waiters_; }

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override { return waiters_.size(); }

 private:
  bool IsOwner(const CurrentCall& call) const {
    return depth_ != 0 && client_ == call.client() && thread_ == call.thread();
  }
  void GiveBackUnlessReceived(CurrentCall& call, int depth);
  void Leave(int depth);

  const Kind kind_;
  int depth_ = 0;  // How often its owner has acquired it.
  ClientId client_ = 0;
  std::uint32_t thread_ = 0;
  std::uint64_t ownership_ = 0;  // Incremented for each owner.
  // True if the previous owner died. Reset by release().
  bool abandoned_ = false;
  WaitList waiters_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_LOCK_OBJECT_H_
