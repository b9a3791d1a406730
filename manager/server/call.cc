// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/call.h"

#include <stdexcept>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/server/entry.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/proxy/internal/evaluate.h"

namespace remoteobj::manager_internal {
namespace {

constinit thread_local Call* current_call = nullptr;
constinit thread_local bool serving_all = false;

}  // namespace

Evaluating::Evaluating(Call& call) : before_(std::exchange(current_call, &call)) {}
Evaluating::~Evaluating() { current_call = before_; }
Call* Evaluating::call() { return current_call; }

ServingAll::ServingAll() : before_(std::exchange(serving_all, true)) {}
ServingAll::~ServingAll() { serving_all = before_; }

bool ServingAll::active() { return serving_all; }

void ServingAll::CheckMayBlock() {
  if (serving_all) {
    throw std::logic_error(
        "a method on the thread that serves all clients can't block: register its type with "
        "Run::kOnThread");
  }
}

// Call

Call::Call(ObjectServer& server, ClientId client, std::shared_ptr<Entry> entry, Done done)
    : server_(server), client_(client), entry_(std::move(entry)), done_(std::move(done)) {}

Call::~Call() {
  if (give_back_.empty()) return;
  server_.Locked([this] {
    for (auto& give_back : give_back_) give_back();
    give_back_.clear();
  });
}

bool Call::finished() {
  const absl::MutexLock lock(&server_.mutex_);
  return finished_;
}

void Call::Sent() {
  request_ = nullptr;
  bytes_ = Charge();
  outcome_.reset();
}

void Call::Received() {
  give_back_.clear();
  giving_.clear();
}

void Call::Refuse() {
  server_.Locked([this] { ObjectServer::Refuse(*this); });
}

void Call::Cancel() {
  const absl::MutexLock lock(&server_.mutex_);
  done_ = nullptr;
  cancelled_ = true;
  if (list_ == nullptr) return;
  server_.waiting_.Remove(*this);
  finished_ = true;
}

// WaitList

void WaitList::WakeOne() {
  if (calls_.empty()) return;
  Call& call = *calls_.front();
  call.server_.mutex_.AssertHeld();
  call.server_.waiting_.Wake(call);
}

void WaitList::WakeAll() {
  while (!calls_.empty()) WakeOne();
}

// CurrentCall

CurrentCall::CurrentCall() : call_(*current_call) {}

ClientId CurrentCall::client() const { return call_.client_; }
std::uint32_t CurrentCall::thread() const { return call_.thread_; }
const Rights* CurrentCall::rights() const {
  return call_.session_ == nullptr ? nullptr : call_.session_->rights.get();
}

void CurrentCall::ContinueAt(Place place) {
  if (std::exchange(call_.place_, place) != place) throw proxy_internal::LeftEvaluation();
}

void CurrentCall::WillWait() {
  ServingAll::CheckMayBlock();
  if (!call_.may_wait_) throw proxy_internal::LeftEvaluation();
  ObjectServer::ChargeOnce(call_);  // Before the method does anything.
}

void CurrentCall::Wait(WaitList& list, absl::Duration timeout) {
  if (!call_.begun_) call_.begun_ = Deadline::Now();
  Wait(list, *call_.begun_ + timeout);
}

void CurrentCall::Wait(WaitList& list, Deadline deadline) {
  ServingAll::CheckMayBlock();
  if (call_.may_wait_) ObjectServer::ChargeOnce(call_);
  call_.list_ = &list;
  call_.until_ = deadline;
  throw proxy_internal::LeftEvaluation();
}

bool CurrentCall::timed_out() const { return call_.timed_out_; }
bool CurrentCall::waited() const { return call_.waited_; }
std::any& CurrentCall::memory() { return call_.memory_; }

void CurrentCall::IfNotReceived(std::function<void()> give_back) {
  call_.give_back_.push_back(std::move(give_back));
}

void CurrentCall::LeavesSomething() { LeavesSomething(call_.entry_); }

void CurrentCall::LeavesSomething(const std::shared_ptr<Entry>& in) {
  call_.server_.LeavesSomething(call_.client_, in);
}

}  // namespace remoteobj::manager_internal
