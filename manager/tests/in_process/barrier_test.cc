// SPDX-License-Identifier: MIT
#include "remoteobj/manager/barrier.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj::manager_internal {
namespace {

// Its index, and the round to act for.
using Came = std::pair<std::int64_t, std::uint64_t>;

class BarrierTest : public testing::Test {
 protected:
  Begun<Came> BeginWait(TestClient& client, const Barrier& barrier, bool may_act = false) {
    return client.Begin<Came>(barrier, "arrive", may_act);
  }

  TestServer server_{AddSyncTypes};
  TestClient a_{server_};
  TestClient b_{server_};
  TestClient c_{server_};
};

TEST_F(BarrierTest, LetsAllGoOnWhenAllAreThere) {
  const auto barrier = a_.Make<Barrier>(3);
  EXPECT_EQ(barrier->parties(), 3);
  for (int round = 0; round < 3; ++round) {
    Begun<Came> first = BeginWait(a_, barrier);
    Begun<Came> second = BeginWait(b_, barrier);
    EXPECT_EQ(barrier->n_waiting(), 2u);
    EXPECT_FALSE(first.ready());
    EXPECT_EQ(c_.Get(barrier)->wait(), 2);
    EXPECT_EQ(first.Get().first, 0);
    EXPECT_EQ(second.Get().first, 1);
    EXPECT_EQ(barrier->n_waiting(), 0u);
    EXPECT_FALSE(barrier->broken());
  }
}

TEST_F(BarrierTest, NeedsAParty) {
  EXPECT_THROW(a_.Make<Barrier>(0), std::invalid_argument);
  EXPECT_THROW(a_.Make<Barrier>(-1), std::invalid_argument);
  EXPECT_EQ(a_.Make<Barrier>(1)->wait(), 0);
  EXPECT_EQ(a_.Make<Barrier>(1)->wait(absl::ZeroDuration()), 0);
}

TEST_F(BarrierTest, ManyRoundsOfThreads) {
  constexpr int kParties = 5;
  constexpr int kRounds = 50;
  const auto barrier = a_.Make<Barrier>(kParties);
  std::atomic<int> came{0};
  std::atomic<int> acted{0};
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kParties; ++t) {
    threads.emplace_back([&, mine = t % 2 == 0 ? barrier : b_.Get(barrier)] {
      for (int round = 1; round <= kRounds; ++round) {
        ++came;
        sum += mine->wait_and_act([&] {
          EXPECT_EQ(came, round * kParties);
          ++acted;
        });
        EXPECT_EQ(acted, round);
        mine->wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(acted, kRounds);
  EXPECT_EQ(sum, kRounds * (0 + 1 + 2 + 3 + 4));
  EXPECT_EQ(server_.waiting(), 0u);
}

TEST_F(BarrierTest, AThousandMeet) {
  const auto barrier = a_.Make<Barrier>(1000);
  std::vector<Begun<Came>> waiting;
  for (int i = 0; i < 1000; ++i) waiting.push_back(BeginWait(i % 2 == 0 ? a_ : b_, barrier));
  std::set<std::int64_t> indices;
  for (Begun<Came>& one : waiting) indices.insert(one.Get().first);
  EXPECT_EQ(indices.size(), 1000u);
  EXPECT_EQ(*indices.begin(), 0);
  EXPECT_EQ(*indices.rbegin(), 999);
}

TEST_F(BarrierTest, BreaksWhenOneComesTooLate) {
  // By its own timeout, by the barrier's, without any.
  const auto none = a_.Make<Barrier>(3);
  const auto short_one = a_.Make<Barrier>(3, absl::Milliseconds(5));
  for (const Barrier& barrier : {none, short_one}) {
    Begun<Came> other = barrier == none
                            ? BeginWait(b_, barrier)
                            : b_.Begin<Came>(barrier, "arrive", false, absl::InfiniteDuration());
    EXPECT_THROW(barrier == none ? barrier->wait(absl::Milliseconds(5)) : barrier->wait(),
                 BrokenBarrier);
    EXPECT_THROW(other.Get(), BrokenBarrier);
    EXPECT_TRUE(barrier->broken());
    EXPECT_THROW(barrier->wait(), BrokenBarrier);
    EXPECT_EQ(barrier->n_waiting(), 0u);
  }
  const auto another = a_.Make<Barrier>(2);
  EXPECT_THROW(another->wait(absl::ZeroDuration()), BrokenBarrier);
  EXPECT_TRUE(another->broken());
}

TEST_F(BarrierTest, IsAbortedAndReset) {
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> waiting = BeginWait(b_, barrier);
  barrier->abort();
  EXPECT_THROW(waiting.Get(), BrokenBarrier);
  EXPECT_THROW(barrier->wait(), BrokenBarrier);
  barrier->reset();
  EXPECT_FALSE(barrier->broken());
  Begun<Came> freed = BeginWait(b_, barrier);
  barrier->reset();
  EXPECT_THROW(freed.Get(), BrokenBarrier);
  EXPECT_FALSE(barrier->broken());
  Begun<Came> met = BeginWait(b_, barrier);
  EXPECT_EQ(barrier->wait(), 1);
  EXPECT_EQ(met.Get().first, 0);
}

TEST_F(BarrierTest, BreaksWhenOneDiesOrGivesUp) {
  const auto barrier = a_.Make<Barrier>(3);
  for (const bool dies : {false, true}) {
    Begun<Came> other = BeginWait(b_, barrier);
    Begun<Came> gone = BeginWait(c_, barrier);
    gone.GiveUp();
    if (dies) c_.Die();
    EXPECT_THROW(other.Get(), BrokenBarrier);
    EXPECT_TRUE(barrier->broken());
    barrier->reset();
  }
}

TEST_F(BarrierTest, WhoWaitedOnceMayDieLater) {
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> first = BeginWait(c_, barrier);
  barrier->wait();
  EXPECT_EQ(first.Get().first, 0);
  Begun<Came> next = BeginWait(b_, barrier);
  c_.Die();
  EXPECT_FALSE(barrier->broken());
  barrier->wait();
  EXPECT_EQ(next.Get().first, 0);
  // Nor does it matter to others if one dies who has gone through and does not know it yet.
  Begun<Came> unread = BeginWait(b_, barrier);
  barrier->wait();
  unread.GiveUp();
  b_.Die();
  EXPECT_FALSE(barrier->broken());
}

TEST_F(BarrierTest, NobodyGoesOnBeforeTheActionHasRun) {
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> first = BeginWait(b_, barrier, true);
  std::optional<Begun<Came>> next;
  EXPECT_EQ(barrier->wait_and_act([&] {
    EXPECT_FALSE(first.ready());
    // A client that arrives now belongs to the next round.
    next = BeginWait(b_, barrier);
    EXPECT_FALSE(next->ready());
    EXPECT_EQ(server_.waiting(), 2u);
  }),
            1);
  EXPECT_EQ(first.Get(), Came(0, 0));
  EXPECT_EQ(barrier->n_waiting(), 1u);
  EXPECT_EQ(barrier->wait_and_act(absl::Seconds(100), [] {}), 1);
  EXPECT_EQ(next->Get().first, 0);
}

// It was over when the action was.
TEST_F(BarrierTest, ATimeBeginsWithTheRound) {
  constexpr absl::Duration kTimeout = absl::Milliseconds(50);
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> first = BeginWait(b_, barrier);
  std::optional<Begun<Came>> next;
  Deadline acted = Deadline::Never();
  barrier->wait_and_act([&] {
    next = c_.Begin<Came>(barrier, "arrive", false, kTimeout);
    absl::SleepFor(kTimeout);
    acted = Deadline::Now();
  });
  EXPECT_GE(server_.objects().NextTimeout(), acted + kTimeout);
}

TEST_F(BarrierTest, AFailedActionBreaksIt) {
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> first = BeginWait(b_, barrier);
  EXPECT_THROW(barrier->wait_and_act([] { throw std::out_of_range("as told"); }),
               std::out_of_range);
  EXPECT_THROW(first.Get(), BrokenBarrier);
  EXPECT_TRUE(barrier->broken());
}

TEST_F(BarrierTest, BreaksWhenWhoActsDies) {
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> first = BeginWait(b_, barrier);
  EXPECT_NE(BeginWait(c_, barrier, true).Get().second, 0u);
  EXPECT_FALSE(first.ready());
  c_.Die();
  EXPECT_THROW(first.Get(), BrokenBarrier);
  barrier->reset();
  // Or does not even know that it is to act.
  Begun<Came> again = BeginWait(b_, barrier);
  BeginWait(a_, barrier, true).GiveUp();
  EXPECT_THROW(again.Get(), BrokenBarrier);
}

TEST_F(BarrierTest, AnActionMayTakeTooLong) {
  const auto barrier = a_.Make<Barrier>(2);
  Begun<Came> first = b_.Begin<Came>(barrier, "arrive", false, absl::Milliseconds(5));
  EXPECT_THROW(barrier->wait_and_act([&] { EXPECT_THROW(first.Get(), BrokenBarrier); }),
               BrokenBarrier);
  EXPECT_TRUE(barrier->broken());
}

}  // namespace
}  // namespace remoteobj::manager_internal
