// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/strand.h"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/server/worker_pool.h"
#include "remoteobj/testing/eventually.h"

namespace remoteobj::manager_internal {
namespace {

using remoteobj_testing::Eventually;

class StrandTest : public ::testing::Test {
 protected:
  ~StrandTest() override { pool_.Stop(); }

  bool idle() {
    const absl::MutexLock lock(&mutex_);
    return strand_.size() == 0;
  }
  // `turn` as for Strand::Run().
  void Run(std::function<void()> work, std::function<bool()> turn = nullptr) {
    const absl::MutexLock lock(&mutex_);
    strand_.Run(owner_, std::move(work), nullptr, std::move(turn));
  }

  absl::Mutex mutex_;
  WorkerPool pool_{1};
  Strand strand_{mutex_, pool_};
  const std::shared_ptr<void> owner_ = std::make_shared<int>();
};

TEST_F(StrandTest, FunctionsRunInTheOrderInWhichTheyCame) {
  std::vector<int> ran;
  for (int i = 0; i < 100; ++i) Run([&, i] { ran.push_back(i); });
  Eventually("all have run", [&] { return idle(); });
  ASSERT_EQ(ran.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ran[i], i);
}

// A function that threw on a thread that waited for it left those behind it in line for good.
TEST_F(StrandTest, AFunctionThatThrowsKeepsNoOtherFromRunning) {
  bool its_turn = false;
  std::atomic<bool> ran = false, next_turn = false;
  Run([] { throw std::runtime_error("no"); }, [&] { return its_turn = true; });
  Run([&] { ran = true; });
  ASSERT_TRUE(its_turn);
  EXPECT_THROW(strand_.RunHere(owner_), std::runtime_error);
  Eventually("the next one has run", [&] { return idle(); });
  EXPECT_TRUE(ran);

  // A thread that waits for the next one is told.
  Run([] { throw std::runtime_error("no"); }, [&] { return true; });
  Run([&] { ran = false; }, [&] { return next_turn.exchange(true) == false; });
  EXPECT_FALSE(next_turn);
  EXPECT_THROW(strand_.RunHere(owner_), std::runtime_error);
  EXPECT_TRUE(next_turn);
  strand_.RunHere(owner_);
  EXPECT_FALSE(ran);
}

TEST_F(StrandTest, AThreadThatIsBlockedMakesRoomForAnother) {
  absl::Notification blocked, other_ran;
  pool_.Run([&] {
    blocked.Notify();
    const WorkerPool::Blocked waits(pool_);
    other_ran.WaitForNotification();
  });
  blocked.WaitForNotification();
  pool_.Run([&] { other_ran.Notify(); });
  other_ran.WaitForNotification();
  EXPECT_EQ(pool_.threads(), 2u);

  // Afterwards it takes one function at a time again.
  std::atomic<int> running = 0, most = 0, left = 200;
  for (int i = 0; i < 200; ++i) {
    pool_.Run([&] {
      const int now = ++running;
      if (now > most) most = now;
      --running;
      --left;
    });
  }
  Eventually("all have run", [&] { return left == 0; });
  EXPECT_EQ(most, 1);
  pool_.Stop();  // The threads use what is destroyed next.
}

// The work that is queued first starts the further thread.
TEST_F(StrandTest, WorkThatIsQueuedBeforeTheThreadIsBlockedRuns) {
  absl::Notification queued, other_ran;
  pool_.Run([&] {
    queued.WaitForNotification();
    const WorkerPool::Blocked waits(pool_);
    other_ran.WaitForNotification();
  });
  pool_.Run([&] { other_ran.Notify(); });
  queued.Notify();
  other_ran.WaitForNotification();
  pool_.Stop();
}

TEST_F(StrandTest, AnotherThreadIsNotCounted) {
  const WorkerPool::Blocked waits(pool_);
  EXPECT_EQ(pool_.threads(), 0u);
}

}  // namespace
}  // namespace remoteobj::manager_internal
