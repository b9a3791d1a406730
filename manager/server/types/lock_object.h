// SPDX-License-Identifier: MIT
//
// A lock of a manager, as its server has it: Lock and RLock, and what a Condition leaves and takes.
//
// A lock belongs to who got it: a thread of a client. When the client goes, it is free, and says so
// (abandoned). A lock that was on its way to a client which did not get it is free as well.
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
    kLock,   // Anybody may release it.
    kRLock,  // Its owner may acquire it again, and nobody else may release it.
  };
  explicit LockObject(Kind kind) : kind_(kind) {}

  bool acquire(WaitTime timeout) override;
  void release() override;
  void unlock() override;
  bool locked() const override { return depth_ != 0; }
  bool abandoned() const override { return abandoned_; }

  // As conditions use it, in a call of their own.

  // A plain lock belongs to a client as a whole here, since it may hand it on among its threads.
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
  int depth_ = 0;  // How often it is acquired.
  ClientId client_ = 0;
  std::uint32_t thread_ = 0;
  std::uint64_t ownership_ = 0;  // One more for each owner.
  // Whether the last owner who has left it died. An owner that releases it clears this.
  bool abandoned_ = false;
  WaitList waiters_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_LOCK_OBJECT_H_
