// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/handshake_budget.h"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "kj/exception.h"
#include "kj/time.h"

namespace remoteobj::transport_internal {
namespace {

// Handshakes get a fifth of the time, and a burst of them as much as they would get in 100 ms.
constexpr std::int64_t kOneIn = 5;
constexpr std::int64_t kMostCredit = HandshakeBudget::kMostNanos;

}  // namespace

std::int64_t HandshakeBudget::ProcessorNanos() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t HandshakeBudget::Credit() {
  const kj::TimePoint now = timer_.now();
  const std::int64_t passed = (now - std::exchange(credited_, now)) / kj::NANOSECONDS;
  credit_ = std::min(kMostCredit, credit_ + passed / kOneIn);
  return credit_;
}

kj::Promise<void> HandshakeBudget::Turn(const std::string& network) {
  auto turn = kj::newPromiseAndFulfiller<void>();
  Stack& stack = stacks_[network];
  // The oldest are those that were dropped.
  while (!stack.empty() && !stack.front()->isWaiting()) stack.pop_front();
  stack.push_back(kj::mv(turn.fulfiller));
  if (!std::exchange(admitting_, true)) {
    admitting_on_ = AdmitOn().eagerlyEvaluate([this](kj::Exception&&) { admitting_ = false; });
  }
  return kj::mv(turn.promise);
}

// One step in a turn of the loop, which then looks at the sockets of others.
kj::Promise<void> HandshakeBudget::AdmitOn() {
  const std::int64_t missing = 1 - Credit();
  bool admitted = false;
  while (!admitted && missing <= 0 && !stacks_.empty()) {
    auto next = stacks_.upper_bound(last_);
    if (next == stacks_.end()) next = stacks_.begin();
    last_ = next->first;
    kj::Own<kj::PromiseFulfiller<void>> fulfiller = kj::mv(next->second.back());
    next->second.pop_back();
    if (next->second.empty()) stacks_.erase(next);
    admitted = fulfiller->isWaiting();  // Otherwise its client is gone, or was dropped.
    if (admitted) fulfiller->fulfill();
  }
  if (stacks_.empty() && !admitted) {
    admitting_ = false;
    return kj::READY_NOW;
  }
  return timer_.afterDelay(std::max<std::int64_t>(0, missing * kOneIn) * kj::NANOSECONDS)
      .then([this] { return AdmitOn(); });
}

}  // namespace remoteobj::transport_internal
