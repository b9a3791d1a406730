// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/barrier.h.
//
// The last process to arrive releases the others; or first runs an action, in its own process, and
// reports when that is done. A process that arrives during the action waits for the next round.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_BARRIER_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_BARRIER_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/manager/barrier.h"
#include "remoteobj/manager/server/current_call.h"

namespace remoteobj::manager_internal {

class BarrierObject final : public SharedObject, public BarrierInterface {
 public:
  // Throws std::invalid_argument for less than one party.
  BarrierObject(std::int64_t parties, absl::Duration timeout);

  std::pair<std::int64_t, std::uint64_t> arrive(bool may_act) override {
    return arrive(may_act, timeout_);
  }
  std::pair<std::int64_t, std::uint64_t> arrive(bool may_act, WaitTimeThenOthers timeout) override;
  void acted(std::uint64_t round) override;
  void failed(std::uint64_t round) override;
  void abort() override;
  void reset() override;

  std::int64_t parties() const override { return parties_; }
  std::uint64_t n_waiting() const override { return waiters_.size(); }
  bool broken() const override { return broken_; }

  void ClientGone(ClientId client) override;
  std::size_t waiting() const override { return waiters_.size() + next_.size(); }

 private:
  struct Round {
    enum State { kFilling, kActing, kPassed, kBroken };
    std::uint64_t number;
    State state = kFilling;
    // The clients that have arrived.
    std::vector<ClientId> clients = {};
  };
  // The state of a call to wait().
  struct Arrival {
    std::shared_ptr<Round> round;
    std::int64_t index;
  };

  void Arrive(CurrentCall& call);
  void EndRound(Round::State state);

  const std::int64_t parties_;
  const absl::Duration timeout_;
  bool broken_ = false;
  std::shared_ptr<Round> round_ = std::make_shared<Round>(Round{.number = 1});
  WaitList waiters_;
  WaitList next_;  // The callers that arrived during an action.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_BARRIER_OBJECT_H_
