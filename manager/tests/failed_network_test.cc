// SPDX-License-Identifier: MIT
//
// Calls with a time-out when the manager can't be reached any more. A manager that is stopped
// stands in for a network that has failed: its connections are there, and nothing comes.
#include <signal.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/barrier.h"
#include "remoteobj/manager/condition.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

using manager_internal::AwaitWaiting;

// Longer than a client waits before it pings the manager.
constexpr absl::Duration kLong = absl::Seconds(3);

// How a wait ends.
template <typename Wait>
std::string EndOf(Wait wait) {
  try {
    wait();
    return "an answer";
  } catch (const DeadlineExceeded&) {
    return "told";
  } catch (const BrokenBarrier&) {
    return "an answer";
  }
}

TEST(FailedNetworkTest, WhoWaitsIsTold) {
  Manager manager;
  // Until the manager is stopped before the time is over.
  for (absl::Duration timeout = absl::Milliseconds(200);; timeout *= 2) {
    const auto condition = manager.Condition();
    const auto barrier = manager.Barrier(2);
    std::string at_condition, at_barrier;
    std::thread first([&] {
      condition->acquire();
      at_condition = EndOf([&] { condition->wait(timeout); });
    });
    std::thread second([&] { at_barrier = EndOf([&] { barrier->wait(timeout); }); });
    AwaitWaiting(manager, 2);
    kill(manager.pid(), SIGSTOP);
    first.join();
    second.join();
    kill(manager.pid(), SIGCONT);
    if (at_condition != "told" || at_barrier != "told") continue;
    // Nothing is left behind, once the manager has heard of it.
    condition->acquire();
    AwaitWaiting(manager, 0);
    EXPECT_TRUE(barrier->broken());
    return;
  }
}

TEST(FailedNetworkTest, ALockThatIsHeldForLongIsNone) {
  Manager manager;
  const auto condition = manager.Condition();
  const auto ready = manager.Event();
  Process waiter([&] {
    const std::scoped_lock guard(condition);
    ready->set();
    AwaitWaiting(manager, 1);  // For the lock.
    return condition->wait(absl::Milliseconds(1));
  });
  ready->wait();
  condition->acquire();
  absl::SleepFor(kLong);
  EXPECT_TRUE(waiter.alive());
  condition->release();
  waiter.Join();
  EXPECT_EQ(waiter.result(), false);
}

TEST(FailedNetworkTest, AnActionThatTakesLongIsNone) {
  Manager manager;
  const auto barrier = manager.Barrier(1);
  const auto acting = manager.Event();
  Process next([&] {
    acting->wait();
    return barrier->wait(absl::Milliseconds(1));
  });
  barrier->wait_and_act([&] {
    acting->set();
    AwaitWaiting(manager, 1);
    absl::SleepFor(kLong);
  });
  next.Join();
  EXPECT_EQ(next.result(), 0);
}

}  // namespace
}  // namespace remoteobj
