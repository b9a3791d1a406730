// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/cond_var.h"

#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj::transport_internal {
namespace {

TEST(CondVarTest, AWaitEndsAtItsDeadline) {
  absl::Mutex mutex;
  CondVar changed;
  const absl::MutexLock lock(&mutex);
  const Deadline deadline = Deadline::After(absl::Milliseconds(20));
  while (!deadline.expired()) changed.Wait(mutex, deadline);
  changed.Wait(mutex, Deadline::Passed());  // Returns.
}

// Two threads that take turns: one that missed a notification would wait for ever.
TEST(CondVarTest, NoNotificationIsMissed) {
  constexpr int kTurns = 10000;
  absl::Mutex mutex;
  CondVar changed;
  int turns = 0;
  const auto play = [&](int side) {
    const absl::MutexLock lock(&mutex);
    while (turns < kTurns) {
      if (turns % 2 == side) {
        ++turns;
        changed.NotifyAll();
      } else {
        changed.Wait(mutex, Deadline::Never());
      }
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  EXPECT_EQ(turns, kTurns);
}

}  // namespace
}  // namespace remoteobj::transport_internal
