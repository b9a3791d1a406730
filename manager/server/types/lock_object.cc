// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/lock_object.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "remoteobj/manager/server/rights.h"

namespace remoteobj::manager_internal {

bool LockObject::acquire(WaitTime timeout) {
  CurrentCall call;
  if (kind_ == Kind::kRLock && IsOwner(call)) {
    ++depth_;
    GiveBackUnlessReceived(call, 1);
    return true;
  }
  if (locked()) {
    if (call.timed_out() || timeout <= absl::ZeroDuration()) return false;
    call.Wait(waiters_, timeout);
  }
  TakeBack(call, 1);
  call.LeavesSomething();
  return true;
}

void LockObject::release() {
  if (!locked()) throw std::runtime_error("release of a lock that is not locked");
  if (kind_ == Kind::kRLock && !IsOwner(CurrentCall())) {
    throw std::runtime_error("release of an RLock that another thread owns");
  }
  if (const Rights* const rights = CurrentCall().rights();
      rights != nullptr && client_ != CurrentCall().client()) {
    rights->Refuse("to release a Lock that another client has acquired");
  }
  if (depth_ == 1) abandoned_ = false;
  Leave(1);
}

void LockObject::unlock() {
  if (IsOwner(CurrentCall())) release();
}

bool LockObject::OwnedBy(const CurrentCall& call) const {
  return kind_ == Kind::kRLock ? IsOwner(call) : locked() && client_ == call.client();
}

int LockObject::ReleaseAll() {
  abandoned_ = false;
  const int depth = depth_;
  Leave(depth);
  return depth;
}

void LockObject::TakeBack(CurrentCall& call, int depth) {
  client_ = call.client();
  thread_ = call.thread();
  depth_ = depth;
  ++ownership_;
  GiveBackUnlessReceived(call, depth);
}

// When this is called, the client may be gone, and another one may own the lock.
void LockObject::GiveBackUnlessReceived(CurrentCall& call, int depth) {
  call.IfNotReceived([this, depth, ownership = ownership_] {
    if (locked() && ownership == ownership_) Leave(std::min(depth, depth_));
  });
}

void LockObject::Leave(int depth) {
  depth_ -= depth;
  if (depth_ == 0) waiters_.WakeOne();
}

void LockObject::ClientGone(ClientId client) {
  if (!locked() || client_ != client) return;
  abandoned_ = true;
  Leave(depth_);
}

}  // namespace remoteobj::manager_internal
