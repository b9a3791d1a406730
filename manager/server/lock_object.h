// SPDX-License-Identifier: MIT
//
// A lock of a manager, as its server has it: Lock and RLock, and what a Condition leaves and takes.
//
// A lock belongs to who got it: a thread of a client. When the client goes, it is free, and says so
// (abandoned). A lock that was on its way to a client which did not get it is free as well.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_LOCK_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_LOCK_OBJECT_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj::manager_internal {

class LockObject final : public SharedObject {
 public:
  enum class Kind {
    kLock,   // Anybody may release it.
    kRLock,  // Its owner may acquire it again, and nobody else may release it.
  };
  explicit LockObject(Kind kind) : kind_(kind) {}

  // As clients call it. `thread` is the calling one's number in its process.

  // False if it was not free in time.
  bool acquire(std::uint64_t thread, absl::Duration timeout);
  // Throws std::runtime_error for what is not to be released.
  void release(std::uint64_t thread);
  // What this very thread has acquired, and nothing otherwise: for guards.
  void unlock(std::uint64_t thread);
  bool locked() const { return depth_ != 0; }
  bool abandoned() const { return abandoned_; }

  // As conditions use it, in a call of their own.

  // A plain lock belongs to a client as a whole here, since it may hand it on among its threads.
  bool OwnedBy(ClientId client, std::uint64_t thread) const;
  // Returns how often it was acquired. REQUIRES: it is locked.
  int ReleaseAll();
  // REQUIRES: it is not locked.
  void TakeBack(CurrentCall& call, std::uint64_t thread, int depth);
  WaitList& waiters() { return waiters_; }

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override { return waiters_.size(); }

 private:
  bool IsOwner(ClientId client, std::uint64_t thread) const {
    return depth_ != 0 && client_ == client && thread_ == thread;
  }
  void GiveBackUnlessReceived(CurrentCall& call, int depth);
  void Leave(int depth);

  const Kind kind_;
  int depth_ = 0;  // How often it is acquired.
  ClientId client_ = 0;
  std::uint64_t thread_ = 0;
  std::uint64_t ownership_ = 0;  // One more for each owner.
  // Whether the last owner who has left it died. An owner that releases it clears this.
  bool abandoned_ = false;
  WaitList waiters_;
};
REMOTEOBJ_DESCRIBE(LockObject, acquire, release, unlock, locked, abandoned)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_LOCK_OBJECT_H_
