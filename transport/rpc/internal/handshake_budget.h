// SPDX-License-Identifier: MIT
//
// Limits the share of the server's time that TLS handshakes take. A handshake costs the server a
// hundred times what a message that asks for one costs its sender, who need not have a key: without
// a limit, a few hundred such messages a second would leave no time for the calls of others.
//
// The steps of the handshakes of a network wait on a stack, and the stacks take turns: a network
// that asks for many delays its own only. The newest goes first, since a flood leaves old ones
// behind whose clients have gone. The time limit of a handshake covers the wait.
//
// Threads: used in the loop only.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_HANDSHAKE_BUDGET_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_HANDSHAKE_BUDGET_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "kj/async.h"
#include "kj/common.h"
#include "kj/memory.h"
#include "kj/time.h"
#include "kj/timer.h"

namespace remoteobj::transport_internal {

class HandshakeBudget {
 public:
  // The processor time that is given to handshakes at once, after a time without any.
  static constexpr std::int64_t kMostNanos = 20'000'000;

  explicit HandshakeBudget(kj::Timer& timer) : timer_(timer) {}

  // Resolves when a client of that network may do a step of its handshake. Then call Spend().
  kj::Promise<void> Turn(const std::string& network);
  // Returns true if there is time for one more now.
  bool affordable() { return Credit() > 0; }
  // Calls `compute`, and takes the processor time that it needs from the budget.
  template <typename F>
  void Spend(F compute) {
    const std::int64_t before = ProcessorNanos();
    const auto end = kj::defer([&] { credit_ -= ProcessorNanos() - before; });
    compute();
  }

 private:
  using Stack = std::deque<kj::Own<kj::PromiseFulfiller<void>>>;

  static std::int64_t ProcessorNanos();
  // Adds the credit of the time that has passed, and returns what there is then.
  std::int64_t Credit();
  kj::Promise<void> AdmitOn();

  kj::Timer& timer_;
  std::map<std::string, Stack> stacks_;  // None is empty.
  std::string last_;                     // The network that had the last turn.
  std::int64_t credit_ = kMostNanos;
  kj::TimePoint credited_ = timer_.now();  // When credit was added last.
  bool admitting_ = false;
  kj::Promise<void> admitting_on_ = nullptr;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_HANDSHAKE_BUDGET_H_
