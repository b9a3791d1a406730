// SPDX-License-Identifier: MIT
//
// How a call to an object of an object server begins, waits and ends: where it runs, what its
// client is charged for it, and what wakes it.
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::manager_internal {

using transport_internal::Access;
using transport_internal::In;
using transport_internal::RequestIn;

std::shared_ptr<Call> ObjectServer::Failed(std::shared_ptr<Call> call) {
  Access::Outcome(*call->outcome_).Error(CaptureCurrentException());
  call->done_ = nullptr;
  call->finished_ = true;
  return call;
}

void ObjectServer::EvaluateLocked(Call& call) {
  In in = call.request_->Read();
  if (Evaluate(call, RequestIn(in), /*may_wait=*/true)) return Finish(call);
  if (call.place_ == Place::kUnderLock) waiting_.Add(call);
}

void ObjectServer::EvaluateOnThread(Call& call) {
  const auto evaluate = [this, kept = call.shared_from_this()] {
    {
      const absl::MutexLock lock(&mutex_);
      if (kept->cancelled_) return Finish(*kept);
    }
    In in = kept->request_->Read();
    Evaluate(*kept, RequestIn(in), /*may_wait=*/false);
    const absl::MutexLock lock(&mutex_);
    Finish(*kept);
  };
  try {
    call.entry_->strand().Run(call.entry_, evaluate, ThreadsOf(call), std::move(call.turn_));
  } catch (const std::system_error&) {
    Failed(call.shared_from_this());
  }
}

void ObjectServer::Finish(Call& call) {
  call.finished_ = true;
  if (call.done_ != nullptr) std::exchange(call.done_, nullptr)();
}

void ObjectServer::RunWoken() {
  while (Call* const call = waiting_.NextWoken()) EvaluateLocked(*call);
}

std::shared_ptr<Call> ObjectServer::Begin(ClientId client, std::unique_ptr<HeapMessage> request,
                                          Call::Done done) {
  In in = request->Read();
  return Begin(client, FindFor(client, RequestIn(in).target()), std::move(request),
               std::move(done));
}

std::shared_ptr<Call> ObjectServer::Begin(ClientId client, std::shared_ptr<Entry> entry,
                                          std::unique_ptr<HeapMessage> message, Call::Done done,
                                          Call::Turn turn) {
  constexpr unsigned kMostNested = 64;  // They have one thread, and its stack.
  const auto call = std::make_shared<Call>(*this, client, std::move(entry), std::move(done));
  call->request_ = std::move(message);
  call->place_ = call->entry_->how().place();
  call->session_ = sessions_.Of(client);
  const Call* const caller = Evaluating::call();
  if (call->session_ == nullptr && caller != nullptr) {
    call->account_ = AccountOf(*caller);
    call->nested_ = caller->nested_ + 1;
    call->turn_ = std::move(turn);
  }
  try {
    if (call->nested_ > kMostNested && call->place_ != Place::kUnderLock) {
      throw BadValue(absl::StrCat("calls of a manager's objects to one another that are nested ",
                                  "more than ", kMostNested, " deep"));
    }
    In in = call->request_->Read();
    if (RequestIn(in).deadline().expired()) throw DeadlineExceeded("the request came too late");
  } catch (...) {
    return Failed(call);
  }
  if (call->place_ == Place::kUnderLock) {
    const absl::MutexLock lock(&mutex_);
    Call::Done later = std::exchange(call->done_, nullptr);  // See the header.
    EvaluateLocked(*call);
    RunWoken();
    if (call->finished_ ? call->hands_over() : call->place_ == Place::kUnderLock) {
      // It waits, or its outcome does, for the acknowledgement.
      if (!ChargeCall(*call)) return call;
    }
    if (call->finished_) return call;
    call->done_ = std::move(later);
    if (call->place_ == Place::kUnderLock) return call;
  }
  if (call->place_ == Place::kInServer) {
    const ServingAll serving_all;
    In in = call->request_->Read();
    Evaluate(*call, RequestIn(in), /*may_wait=*/false);
    call->finished_ = true;
    return call;
  }
  const absl::MutexLock lock(&mutex_);
  if (ChargeCall(*call)) EvaluateOnThread(*call);
  return call;
}

void ObjectServer::ChargeOnce(Call& call) {
  if (call.request_ == nullptr || call.charge_.charged()) return;
  const std::shared_ptr<Account> account = call.server_.AccountOf(call);
  if (account == nullptr) return;
  Charge one(account, &Account::calls);
  // A nested call is one of few, and has what the call around it has been charged for.
  if (call.nested_ == 0) {
    call.bytes_ = Charge(account, &Account::call_bytes, call.request_->words().size_bytes(),
                         /*at_least_one=*/true);
  }
  call.charge_ = std::move(one);
}

bool ObjectServer::ChargeCall(Call& call) {
  try {
    ChargeOnce(call);
    return true;
  } catch (const QuotaExceeded&) {
    if (call.list_ != nullptr) waiting_.Remove(call);
    Refuse(call);
  }
  RunWoken();
  return false;
}

void ObjectServer::Refuse(Call& call) {
  call.references_.clear();
  // The item or lock goes to another call.
  for (auto& give_back : std::exchange(call.give_back_, {})) give_back();
  Failed(call.shared_from_this());
}

std::shared_ptr<Call> ObjectServer::TryNow(ClientId client, const RequestReader& request) {
  std::shared_ptr<Call> call;
  try {
    const auto session = sessions_.restricts() ? sessions_.Of(client) : nullptr;
    call = std::make_shared<Call>(*this, client, FindFor(session.get(), request.target()), nullptr);
    call->session_ = session;
  } catch (...) {
    return Failed(std::make_shared<Call>(*this, client, root_, nullptr));
  }
  call->place_ = call->entry_->how().place();
  if (call->place_ == Place::kOnThread) return nullptr;
  if (call->place_ == Place::kInServer) {
    const ServingAll serving_all;
    if (!Evaluate(*call, request, /*may_wait=*/false)) return nullptr;
    call->finished_ = true;
    return call;
  }
  const absl::MutexLock lock(&mutex_);
  if (!Evaluate(*call, request, /*may_wait=*/false)) return nullptr;
  call->finished_ = true;
  RunWoken();
  return call;
}

void ObjectServer::EvaluateHere(Call& call) { call.entry_->strand().RunHere(call.entry_); }

void ObjectServer::Locked(absl::FunctionRef<void()> work) {
  const absl::MutexLock lock(&mutex_);
  work();
  RunWoken();
}

void ObjectServer::Do(std::function<void()> work) {
  ends_.Run([this, work = std::move(work)] { Locked(work); });
}

void ObjectServer::DoForOwner(std::shared_ptr<Entry> part, std::function<void()> work) {
  mutex_.AssertHeld();
  const std::shared_ptr<Entry>& owner = part->owner();
  // The work is the client's whose call asks for it.
  const Call* const caller = Evaluating::call();
  const auto session = caller == nullptr ? nullptr : SessionOf(*caller);
  const auto account = caller == nullptr ? nullptr : AccountOf(*caller);
  const auto run = [this, part, session, account, work = std::move(work)] {
    Call call(*this, session == nullptr ? 0 : session->info.id, part->owner(), nullptr);
    call.session_ = session;
    call.account_ = account;
    const Evaluating evaluating(call);
    work();
  };
  owner->strand().Run(owner, run, caller == nullptr ? nullptr : ThreadsOf(*caller));
}

void ObjectServer::RunTimeouts() {
  const absl::MutexLock lock(&mutex_);
  const Deadline now = Deadline::Now();
  while (Call* const call = waiting_.NextTimedOut(now)) {
    call->timed_out_ = true;
    EvaluateLocked(*call);
    call->timed_out_ = false;
    RunWoken();
  }
}
}  // namespace remoteobj::manager_internal
