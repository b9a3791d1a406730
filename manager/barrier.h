// SPDX-License-Identifier: MIT
//
// A barrier that processes share by a manager: they wait for one another, round after round.
//
//   remoteobj::Barrier barrier = manager.Barrier(/*parties=*/4);
//   const std::int64_t index = barrier->wait();          // 0 for the first that arrives, up to 3
//   barrier->wait_and_act([&] { merge(); });             // run once, before the others go on
//
// If a process comes too late, dies while it waits, gives up, or calls abort(), the barrier is
// broken: all callers, waiting and later ones, get BrokenBarrier until reset() is called.
//
// Threads:  thread-safe. Copies are the same barrier.
// Errors:   BrokenBarrier; the errors of a call to a manager. A wait() with a time-out is
//           DeadlineExceeded, some seconds after it, if the network has failed. For a status:
//           barrier->wait.TryCall().
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_BARRIER_H_
#define REMOTEOBJ_MANAGER_BARRIER_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/except/try.h"
#include "remoteobj/manager/errors.h"  // IWYU pragma: export
#include "remoteobj/manager/internal/arrow_with_more.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj {

// The operations of a barrier: `b->` leads to them. A time-out is an absl::Duration.
class BarrierInterface {
 public:
  virtual ~BarrierInterface() = default;

  // Returns how many arrived before in this round. Breaks the barrier if not all arrive before the
  // time-out (the barrier's own, or this one), which begins when the action of the round before is
  // done.
  std::int64_t wait() { return arrive(false).first; }
  std::int64_t wait(WaitTimeThenOthers timeout) { return arrive(false, timeout).first; }

  // Breaks it.
  virtual void abort() = 0;
  // Begins a new round. Waiting callers get BrokenBarrier.
  virtual void reset() = 0;

  virtual std::int64_t parties() const = 0;
  virtual std::uint64_t n_waiting() const = 0;
  virtual bool broken() const = 0;

  // The steps of wait_and_act(). Returns how many arrived before, and the number of the round if
  // the caller is the last and `may_act`, else 0.
  virtual std::pair<std::int64_t, std::uint64_t> arrive(bool may_act) = 0;
  virtual std::pair<std::int64_t, std::uint64_t> arrive(bool may_act,
                                                        WaitTimeThenOthers timeout) = 0;
  // Ends the round: the others continue. Throws BrokenBarrier if it was broken.
  virtual void acted(std::uint64_t round) = 0;
  // Breaks the barrier, unless that round is over.
  virtual void failed(std::uint64_t round) = 0;

  static constexpr bool NeverInterrupted(std::string_view method) { return method == "failed"; }
};
REMOTEOBJ_DESCRIBE(BarrierInterface, (wait, std::int64_t(), std::int64_t(WaitTimeThenOthers)),
                   abort, reset, parties, n_waiting, broken,
                   (arrive, std::pair<std::int64_t, std::uint64_t>(bool),
                    std::pair<std::int64_t, std::uint64_t>(bool, WaitTimeThenOthers)),
                   acted, failed)

class BarrierArrow final : public manager_internal::ArrowWithMore<BarrierInterface> {
 public:
  using ArrowWithMore::ArrowWithMore;

  // Like wait(). The process that arrives last runs its `action` before the others continue. If the
  // action throws, or its process dies, the barrier breaks.
  template <std::invocable Action>
  std::int64_t wait_and_act(Action&& action) const {
    return Act(Arrive(), std::forward<Action>(action));
  }
  template <std::invocable Action>
  std::int64_t wait_and_act(absl::Duration limit, Action&& action) const {
    return Act(Arrive(limit), std::forward<Action>(action));
  }
  // The same, with a status. Never throw; also what `action` throws becomes a status.
  template <std::invocable Action>
  absl::StatusOr<std::int64_t> TryWaitAndAct(Action&& action) const {
    return Try([&] { return wait_and_act(std::forward<Action>(action)); });
  }
  template <std::invocable Action>
  absl::StatusOr<std::int64_t> TryWaitAndAct(absl::Duration limit, Action&& action) const {
    return Try([&] { return wait_and_act(limit, std::forward<Action>(action)); });
  }

  const BarrierArrow* operator->() const { return this; }

 private:
  using Arrival = std::pair<std::int64_t, std::uint64_t>;

  Arrival Arrive() const;
  Arrival Arrive(absl::Duration limit) const;
  void Acted(std::uint64_t round) const;
  void Failed(std::uint64_t round) const;

  template <typename Action>
  std::int64_t Act(Arrival arrival, Action&& action) const {
    const auto [index, round] = arrival;
    if (round == 0) return index;
    try {
      std::forward<Action>(action)();
    } catch (...) {
      Failed(round);
      throw;
    }
    Acted(round);
    return index;
  }
};

class Barrier final : public SharedProxy<Barrier, BarrierInterface, BarrierArrow> {
 public:
  static constexpr std::string_view kTypeId = "Barrier";
  static std::string Type() { return "Barrier"; }
  using SharedProxy::SharedProxy;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_BARRIER_H_
