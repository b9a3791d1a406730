// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/condition_object.h"

#include <any>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

// The state of a call to wait().
struct Waiting {
  int depth;  // How often it had acquired the lock.
  enum { kForNotification, kForLock } step = kForNotification;
  bool notified = false;
};

std::shared_ptr<Entry> LockEntry(const Reference& lock) {
  auto entry = std::dynamic_pointer_cast<Entry>(lock.referent);
  if (entry == nullptr || (entry->type_id() != "Lock" && entry->type_id() != "RLock")) {
    throw BadValue(absl::StrCat("the lock of a Condition is a Lock or an RLock, not ",
                                entry == nullptr ? "nothing" : entry->type()));
  }
  return entry;
}

}  // namespace

ConditionObject::ConditionObject()
    : own_(std::make_unique<LockObject>(LockObject::Kind::kRLock)), lock_(own_.get()) {}

ConditionObject::ConditionObject(const Reference& lock)
    : entry_(LockEntry(lock)), lock_(static_cast<LockObject*>(entry_->shared())) {}

bool ConditionObject::acquire(WaitTime timeout) {
  if (!lock_->acquire(timeout)) return false;
  CurrentCall call;
  LeavesLock(call);
  return true;
}

bool ConditionObject::wait(WaitTimeThenOthers timeout) {
  CurrentCall call;
  if (!call.memory().has_value()) {
    CheckOwned();
    call.WillWait();
    call.memory() = Waiting{.depth = lock_->ReleaseAll()};
    call.Wait(waiters_, timeout);
  }
  auto& waiting = std::any_cast<Waiting&>(call.memory());
  if (waiting.step == Waiting::kForNotification) {
    waiting.step = Waiting::kForLock;
    waiting.notified = !call.timed_out();
    if (waiting.notified) call.IfNotReceived([this] { waiters_.WakeOne(); });
  }
  if (lock_->locked()) call.Wait(lock_->waiters());
  lock_->TakeBack(call, waiting.depth);
  LeavesLock(call);
  return waiting.notified;
}

void ConditionObject::notify(std::int64_t count) {
  CheckOwned();
  for (; count > 0 && !waiters_.empty(); --count) waiters_.WakeOne();
}

void ConditionObject::notify_all() {
  CheckOwned();
  waiters_.WakeAll();
}

void ConditionObject::CheckOwned() const {
  if (!lock_->OwnedBy(CurrentCall())) {
    throw std::runtime_error("the caller does not own the lock of the condition");
  }
}

// The lock may outlive this object.
void ConditionObject::LeavesLock(CurrentCall& call) const {
  entry_ == nullptr ? call.LeavesSomething() : call.LeavesSomething(entry_);
}

void ConditionObject::ClientGone(ClientId client) {
  if (own_ != nullptr) own_->ClientGone(client);
}

std::size_t ConditionObject::waiting() const {
  return waiters_.size() + (own_ == nullptr ? 0 : own_->waiting());
}

}  // namespace remoteobj::manager_internal
