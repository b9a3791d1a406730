// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/handshake_budget.h"

#include <time.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kj/async.h"
#include "kj/timer.h"

namespace remoteobj::transport_internal {
namespace {

class HandshakeBudgetTest : public testing::Test {
 protected:
  ~HandshakeBudgetTest() noexcept override {}
  // Asks for a turn, in which `what` is noted.
  void Ask(const std::string& address, const std::string& what) {
    turns_.push_back(budget_.Turn(address)
                         .then([this, what] { served_.push_back(what); })
                         .eagerlyEvaluate(nullptr));
  }
  // Turns of the loop, a microsecond apart.
  void RunTurns(int turns) {
    for (int i = 0; i < turns; ++i) {
      now_ = now_ + kj::MICROSECONDS;
      timer_.advanceTo(now_);
      kj::evalLast([] {}).wait(scope_);
    }
  }
  // A handshake that takes three times the whole budget.
  void SpendMuch() {
    budget_.Spend([] { Burn(3 * HandshakeBudget::kMostNanos); });
  }
  static void Burn(std::int64_t nanos) {
    timespec start = {}, now = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do {
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while ((now.tv_sec - start.tv_sec) * 1'000'000'000 + now.tv_nsec - start.tv_nsec < nanos);
  }

  kj::EventLoop loop_;
  kj::WaitScope scope_{loop_};
  kj::TimePoint now_ = kj::origin<kj::TimePoint>();
  kj::TimerImpl timer_{now_};
  HandshakeBudget budget_{timer_};
  std::vector<std::string> served_;
  std::vector<kj::Promise<void>> turns_;
};

TEST_F(HandshakeBudgetTest, AHandshakeAloneBeginsAtOnce) {
  Ask("10.0.0.1", "one");
  RunTurns(1);
  EXPECT_EQ(served_, std::vector<std::string>{"one"});
}

TEST_F(HandshakeBudgetTest, OneBeginsInATurnOfTheLoop) {
  for (int i = 0; i < 3; ++i) Ask("10.0.0.1", "one");
  RunTurns(1);
  EXPECT_LE(served_.size(), 2u);
  RunTurns(5);
  EXPECT_EQ(served_.size(), 3u);
}

// They had all of the time.
TEST_F(HandshakeBudgetTest, HandshakesThatTookMuchTimeMakeTheNextWait) {
  SpendMuch();
  Ask("10.0.0.1", "late");
  RunTurns(100);
  EXPECT_TRUE(served_.empty());
  now_ = now_ + 11 * (HandshakeBudget::kMostNanos * kj::NANOSECONDS);
  RunTurns(2);
  EXPECT_EQ(served_, std::vector<std::string>{"late"});
}

TEST_F(HandshakeBudgetTest, AnAddressThatAsksForManyDelaysItsOwn) {
  SpendMuch();
  for (int i = 0; i < 100; ++i) Ask("10.0.0.1", "flood");
  Ask("10.0.0.2", "honest");
  now_ = now_ + 1 * kj::SECONDS;
  RunTurns(3);
  ASSERT_GE(served_.size(), 2u);
  EXPECT_TRUE(served_[0] == "honest" || served_[1] == "honest");
}

TEST_F(HandshakeBudgetTest, TheNewestOfAnAddressDoesNotWaitForThoseThatAFloodHasLeft) {
  SpendMuch();
  for (int i = 0; i < 100; ++i) Ask("10.0.0.1", "flood");
  Ask("10.0.0.1", "honest");
  now_ = now_ + 1 * kj::SECONDS;
  RunTurns(1);
  ASSERT_FALSE(served_.empty());
  EXPECT_EQ(served_[0], "honest");
}

TEST_F(HandshakeBudgetTest, ClientsThatHaveGoneTakeNoTurn) {
  SpendMuch();
  for (int i = 0; i < 100; ++i) Ask("10.0.0.1", "gone");
  turns_.clear();
  Ask("10.0.0.1", "there");
  now_ = now_ + 1 * kj::SECONDS;
  RunTurns(1);
  EXPECT_EQ(served_, std::vector<std::string>{"there"});
}

}  // namespace
}  // namespace remoteobj::transport_internal
