// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/barrier_object.h"

#include <algorithm>
#include <any>
#include <stdexcept>

#include "absl/time/clock.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj::manager_internal {
namespace {

[[noreturn]] void ThrowBroken() { throw BrokenBarrier("the barrier is broken"); }

}  // namespace

BarrierObject::BarrierObject(std::int64_t parties, absl::Duration timeout)
    : parties_(parties), timeout_(timeout) {
  if (parties < 1) throw std::invalid_argument("a barrier has at least one party");
}

std::pair<std::int64_t, std::uint64_t> BarrierObject::arrive(bool may_act,
                                                             WaitTimeThenOthers timeout) {
  CurrentCall call;
  if (const auto* arrival = std::any_cast<Arrival>(&call.memory())) {
    if (arrival->round->state == Round::kPassed) return {arrival->index, 0};
    if (arrival->round->state != Round::kBroken) abort();  // It timed out.
    ThrowBroken();
  }
  if (broken_) ThrowBroken();
  if (round_->state == Round::kActing) call.Wait(next_);
  const auto index = static_cast<std::int64_t>(round_->clients.size());
  if (index + 1 < parties_) {
    if (timeout <= absl::ZeroDuration()) {
      abort();
      ThrowBroken();
    }
    call.WillWait();
    call.memory() = Arrival{round_, index};
    Arrive(call);
    // Its time begins with the round.
    call.Wait(waiters_, Deadline::After(timeout));
  }
  if (!may_act) {
    EndRound(Round::kPassed);
    return {index, 0};
  }
  round_->state = Round::kActing;
  Arrive(call);
  return {index, round_->number};
}

// If this call fails, the barrier breaks for all.
void BarrierObject::Arrive(CurrentCall& call) {
  round_->clients.push_back(call.client());
  call.LeavesSomething();
  call.IfNotReceived([this, round = round_] {
    if (round == round_) abort();
  });
}

void BarrierObject::EndRound(Round::State state) {
  round_->state = state;
  round_ = std::make_shared<Round>(Round{.number = round_->number + 1});
  waiters_.WakeAll();
  next_.WakeAll();
}

void BarrierObject::acted(std::uint64_t round) {
  if (round_->number != round || round_->state != Round::kActing) ThrowBroken();
  EndRound(Round::kPassed);
}

void BarrierObject::failed(std::uint64_t round) {
  if (round_->number == round) abort();
}

void BarrierObject::abort() {
  broken_ = true;
  EndRound(Round::kBroken);
}

void BarrierObject::reset() {
  broken_ = false;
  if (!round_->clients.empty()) EndRound(Round::kBroken);
}

void BarrierObject::ClientGone(ClientId client) {
  const std::vector<ClientId>& clients = round_->clients;
  if (std::find(clients.begin(), clients.end(), client) != clients.end()) abort();
}

}  // namespace remoteobj::manager_internal
