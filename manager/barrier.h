// SPDX-License-Identifier: MIT
//
// A place where processes wait for one another, round after round, by a manager.
//
//   remoteobj::Barrier barrier = manager.Barrier(/*parties=*/4);
//   const std::int64_t index = barrier->wait();          // 0 for the first who comes, up to 3
//   barrier->wait([&] { merge(); });                     // run once, before anybody goes on
//
// If one comes too late, dies as it waits, gives up, or calls abort(), the barrier is broken: who
// waits, and who comes later, gets BrokenBarrier, until somebody calls reset().
//
// Threads:  thread-safe. Copies are the same barrier.
// Errors:   BrokenBarrier; and what goes wrong on the way to the manager. A wait(timeout) is
//           DeadlineExceeded, some seconds after it, if the network has failed meanwhile.
#ifndef REMOTEOBJ_MANAGER_BARRIER_H_
#define REMOTEOBJ_MANAGER_BARRIER_H_

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/manager/errors.h"  // IWYU pragma: export
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

class Barrier final : public manager_internal::Shared {
 public:
  static constexpr std::string_view kTypeId = "Barrier";
  static std::string Type() { return "Barrier"; }
  // Of no object, until another is assigned to it.
  Barrier() = default;
  explicit Barrier(const Reference& reference) : Shared(reference, Type()) {}

  class Methods {
   public:
    // How many came before, this round. Breaks the barrier if not all come in time: that of the
    // barrier, or this one. An action of the round before is waited for as long as it takes.
    std::int64_t wait() const { return Wait(std::nullopt, false).first; }
    std::int64_t wait(absl::Duration timeout) const { return Wait(timeout, false).first; }

    // Who comes last runs `action` before the others go on; so all had better bring the same. If it
    // throws, or its process dies, the barrier breaks.
    template <std::invocable Action>
    std::int64_t wait(Action&& action) const {
      return WaitAndAct(std::nullopt, std::forward<Action>(action));
    }
    template <std::invocable Action>
    std::int64_t wait(absl::Duration timeout, Action&& action) const {
      return WaitAndAct(timeout, std::forward<Action>(action));
    }

    // Breaks it.
    void abort() const { barrier_.Call<void>("abort"); }
    // As new. Who waits gets BrokenBarrier.
    void reset() const { barrier_.Call<void>("reset"); }

    std::int64_t parties() const { return barrier_.Call<std::int64_t>("parties"); }
    std::uint64_t n_waiting() const { return barrier_.Call<std::uint64_t>("n_waiting"); }
    bool broken() const { return barrier_.Call<bool>("broken"); }

    const Methods* operator->() const { return this; }

   private:
    friend class Barrier;
    explicit Methods(const Barrier& barrier) : barrier_(barrier) {}

    // The index, and the number of the round to act for, or 0.
    std::pair<std::int64_t, std::uint64_t> Wait(std::optional<absl::Duration> timeout,
                                                bool may_act) const {
      return barrier_.CallForAtLeast<std::pair<std::int64_t, std::uint64_t>>(
          timeout.value_or(absl::InfiniteDuration()), "wait", timeout, may_act);
    }
    template <typename Action>
    std::int64_t WaitAndAct(std::optional<absl::Duration> timeout, Action&& action) const {
      const std::pair<std::int64_t, std::uint64_t> came = Wait(timeout, true);
      if (came.second != 0) {
        try {
          std::forward<Action>(action)();
        } catch (...) {
          Fail(came.second);
          throw;
        }
        barrier_.Call<void>("acted", came.second);
      }
      return came.first;
    }

    void Fail(std::uint64_t round) const noexcept {
      const transport_internal::Uninterrupted uninterrupted;
      try {
        barrier_.Call<void>("failed", round);
      } catch (...) {  // There is no manager, then, and no barrier.
      }
    }

    const Barrier& barrier_;
  };
  Methods operator->() const { return Methods(*this); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_BARRIER_H_
