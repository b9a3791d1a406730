// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/leader_followers.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::transport_internal {
namespace {

Deadline Watchdog() { return Deadline::After(absl::Seconds(60)); }

// A loop whose events are functions. It checks that one thread at a time is in it.
class TestLoop final : public SharedLoop {
 public:
  // From any thread, as a peer would.
  void Happen(std::function<void()> event) {
    {
      const std::scoped_lock lock(mutex_);
      events_.push_back(std::move(event));
    }
    changed_.notify_all();
  }

  void Enter(absl::FunctionRef<void()> inside) override {
    if (refused_ == std::this_thread::get_id()) throw std::logic_error("this thread can't enter");
    EXPECT_FALSE(entered_.exchange(true));
    struct Left {
      ~Left() { loop.entered_ = false; }
      TestLoop& loop;
    };
    const Left left{*this};
    ++leads_;
    inside();
  }
  bool RunReady() override {
    EXPECT_TRUE(entered_);
    std::vector<std::function<void()>> events;
    {
      const std::scoped_lock lock(mutex_);
      events.swap(events_);
    }
    for (const auto& event : events) event();
    return !over_;
  }
  void Sleep(absl::Duration timeout) override {
    EXPECT_TRUE(entered_);
    std::unique_lock lock(mutex_);
    ++sleeps_;
    changed_.notify_all();
    changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout),
                      [&] { return woken_ || !events_.empty(); });
    woken_ = false;
  }
  void Wake() override {
    ++wakes_;
    {
      const std::scoped_lock lock(mutex_);
      woken_ = true;
    }
    changed_.notify_all();
  }

  // Returns when a leader has gone to sleep.
  void AwaitSleep() {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return sleeps_ > 0; }));
  }
  void End() { over_ = true; }
  void Refuse(std::thread::id thread) { refused_ = thread; }
  int leads() const { return leads_; }
  int wakes() const { return wakes_; }

 private:
  std::atomic<bool> entered_{false}, over_{false};
  std::atomic<std::thread::id> refused_{};
  std::atomic<int> leads_{0}, wakes_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> events_;
  bool woken_ = false;
  int sleeps_ = 0;
};

class LeaderFollowersTest : public testing::Test {
 protected:
  // The condition of one thread. Guarded by threads_.
  struct Event {
    bool done = false;
    int checks = 0;  // How often its condition was evaluated.
  };

  void Complete(Event& event) {
    threads_.Update([&] { event.done = true; });
  }
  void RunUntil(Event& event, Deadline deadline = Watchdog()) {
    threads_.RunUntil(
        [&] {
          ++event.checks;
          return event.done;
        },
        deadline);
  }
  bool IsDone(Event& event) {
    return threads_.Check([&] { return event.done; });
  }
  // Starts a thread that waits for `event`, and returns when it leads and sleeps.
  std::thread Lead(Event& event) {
    std::thread leader([&] { RunUntil(event); });
    loop_.AwaitSleep();
    return leader;
  }
  // Returns when a thread follows in RunUntil(event). A condition is evaluated and its thread goes
  // to sleep in one critical section, so the thread is notified of updates from now on.
  void AwaitFollower(Event& event) {
    const Deadline deadline = Watchdog();
    while (!threads_.Check([&] { return event.checks > 0; })) {
      ASSERT_FALSE(deadline.expired());
      std::this_thread::yield();
    }
  }
  std::thread Follow(Event& event) {
    std::thread follower([&] { RunUntil(event); });
    AwaitFollower(event);
    return follower;
  }

  TestLoop loop_;
  LeaderFollowers threads_{loop_};
};

TEST_F(LeaderFollowersTest, AThreadAloneRunsItsWorkDirectly) {
  Event event;
  std::thread::id ran;
  threads_.RunUntil(
      [&] {
        ran = std::this_thread::get_id();
        loop_.Happen([&] { Complete(event); });
      },
      [&] { return event.done; }, Watchdog());
  EXPECT_TRUE(event.done);
  EXPECT_EQ(ran, std::this_thread::get_id());
  EXPECT_EQ(loop_.leads(), 1);
  EXPECT_EQ(loop_.wakes(), 0);
}

TEST_F(LeaderFollowersTest, AConditionThatHoldsNeedsNoLoop) {
  threads_.RunUntil([] { return true; }, Watchdog());
  EXPECT_EQ(loop_.leads(), 0);
}

TEST_F(LeaderFollowersTest, WorkRunsInTheOrderInWhichItWasPosted) {
  std::vector<int> order;
  threads_.Post([&] { order.push_back(1); });
  threads_.Post([&] { order.push_back(2); });
  threads_.RunUntil([&] { order.push_back(3); }, [&] { return order.size() == 3; }, Watchdog());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(loop_.wakes(), 0);
}

TEST_F(LeaderFollowersTest, TheLeaderRunsWhatAFollowerPosts) {
  Event first, second;
  std::thread leader = Lead(first);
  std::thread::id ran;
  threads_.RunUntil(
      [&] {
        ran = std::this_thread::get_id();
        Complete(second);
      },
      [&] { return second.done; }, Watchdog());
  EXPECT_TRUE(IsDone(second));
  EXPECT_EQ(ran, leader.get_id());
  EXPECT_EQ(loop_.wakes(), 1);
  loop_.Happen([&] { Complete(first); });
  leader.join();
  EXPECT_EQ(loop_.leads(), 1);
}

TEST_F(LeaderFollowersTest, AFollowerLeadsWhenTheLeaderLeaves) {
  Event first, second;
  std::thread leader = Lead(first);
  std::thread follower = Follow(second);
  loop_.Happen([&] { Complete(first); });
  leader.join();
  EXPECT_FALSE(IsDone(second));
  loop_.Happen([&] { Complete(second); });
  follower.join();
  EXPECT_TRUE(IsDone(second));
  EXPECT_EQ(loop_.leads(), 2);
}

TEST_F(LeaderFollowersTest, ManyThreadsAreServedByOneAtATime) {
  constexpr int kThreads = 8, kRounds = 500;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        Event event;
        threads_.RunUntil([&] { loop_.Happen([&] { Complete(event); }); },
                          [&] { return event.done; }, Watchdog());
        ASSERT_TRUE(event.done);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// The leader had left the queue alone, and had not given up the lead yet.
TEST_F(LeaderFollowersTest, NoPostedWorkIsForgottenByALeaderThatLeaves) {
  constexpr int kRounds = 20'000;
  std::atomic<bool> stop{false};
  std::thread leader([&] {
    while (!stop) {
      bool ran = false;
      threads_.RunUntil([&] { ran = true; }, [&] { return ran; }, Watchdog());
    }
  });
  int posted = 0;
  std::atomic<int> ran{0};
  for (; posted < kRounds; ++posted) {
    threads_.Post([&] { ++ran; });
    threads_.Flush();
  }
  stop = true;
  leader.join();
  EXPECT_EQ(ran, posted);
}

TEST_F(LeaderFollowersTest, FlushRunsWhatWasPostedAndWhatIsReady) {
  int ran = 0;
  threads_.Post([&] { ++ran; });
  loop_.Happen([&] { ++ran; });
  threads_.Flush();
  EXPECT_EQ(ran, 2);
}

TEST_F(LeaderFollowersTest, FlushDoesNotWaitForALeader) {
  Event event;
  std::thread leader = Lead(event);
  threads_.Flush();
  EXPECT_EQ(loop_.leads(), 1);
  loop_.Happen([&] { Complete(event); });
  leader.join();
}

TEST_F(LeaderFollowersTest, DeadlinesEndLeadersAndFollowers) {
  Event never, last;
  RunUntil(never, Deadline::After(absl::Milliseconds(5)));
  EXPECT_FALSE(never.done);
  std::thread leader = Lead(last);
  RunUntil(never, Deadline::After(absl::Milliseconds(5)));
  EXPECT_FALSE(IsDone(never));
  loop_.Happen([&] { Complete(last); });
  leader.join();
}

// An event that is ready when the deadline has passed already still counts.
TEST_F(LeaderFollowersTest, WhatIsReadyAtTheDeadlineCounts) {
  Event event;
  loop_.Happen([&] { Complete(event); });
  RunUntil(event, Deadline::Passed());
  EXPECT_TRUE(event.done);
}

// An interruption that only marks.
class TestInterruption final : public Interruption {
 public:
  TestInterruption() : Interruption(word_) {}
  void Interrupt() {
    ++word_;
    FutexWakeAll(word_);
  }

 private:
  void Tell() override {}
  std::atomic<std::uint32_t> word_{0};
};

TEST_F(LeaderFollowersTest, AnInterruptedLeaderLeaves) {
  Event first, second;
  TestInterruption by_test;
  std::thread leader([&] {
    interruption = &by_test;
    RunUntil(first);
    EXPECT_FALSE(IsDone(first));
    interruption = nullptr;
  });
  loop_.AwaitSleep();
  std::thread follower = Follow(second);
  by_test.Interrupt();
  leader.join();
  loop_.Happen([&] { Complete(second); });
  follower.join();
  EXPECT_TRUE(IsDone(second));
}

TEST_F(LeaderFollowersTest, AnInterruptedFollowerReturns) {
  Event first, second;
  TestInterruption by_test;
  std::thread leader = Lead(first);
  std::thread follower([&] {
    interruption = &by_test;
    RunUntil(second);
    EXPECT_FALSE(IsDone(second));
    interruption = nullptr;
  });
  AwaitFollower(second);
  by_test.Interrupt();
  follower.join();
  loop_.Happen([&] { Complete(first); });
  leader.join();
}

TEST_F(LeaderFollowersTest, WorkThatThrowsEndsTheLoopForAll) {
  Event first, second;
  std::thread leader = Lead(first);
  std::thread follower = Follow(second);
  threads_.Post([] { throw std::runtime_error("of the work"); });
  leader.join();
  follower.join();
  EXPECT_TRUE(threads_.ended());
  EXPECT_FALSE(IsDone(first));
}

TEST_F(LeaderFollowersTest, WorkBehindWorkThatThrowsIsRun) {
  Event never;
  bool others_ran = false;
  threads_.Post([] { throw std::runtime_error("of the work"); });
  threads_.Post([&] { others_ran = true; });
  RunUntil(never);
  EXPECT_TRUE(threads_.ended());
  EXPECT_TRUE(others_ran);
}

TEST_F(LeaderFollowersTest, TheEndOfTheLoopEndsAllWaits) {
  Event first, second;
  std::thread leader = Lead(first);
  std::thread follower = Follow(second);
  loop_.Happen([&] { loop_.End(); });
  leader.join();
  follower.join();
  EXPECT_TRUE(threads_.ended());
  RunUntil(first);  // Returns at once.
}

TEST_F(LeaderFollowersTest, ALeaderWhoseCallbackThrowsIsReplaced) {
  Event first, second;
  std::thread leader([&] { EXPECT_THROW(RunUntil(first), std::runtime_error); });
  loop_.AwaitSleep();
  std::thread follower = Follow(second);
  loop_.Happen([] { throw std::runtime_error("of the callback"); });
  leader.join();
  EXPECT_FALSE(threads_.ended());
  loop_.Happen([&] { Complete(second); });
  follower.join();
  EXPECT_TRUE(IsDone(second));
}

TEST_F(LeaderFollowersTest, AConditionThatThrowsReachesItsThread) {
  EXPECT_THROW(
      threads_.RunUntil([]() -> bool { throw std::runtime_error("of the condition"); }, Watchdog()),
      std::runtime_error);
  int checks = 0;
  EXPECT_THROW(threads_.RunUntil(
                   [&]() -> bool {
                     if (++checks == 2) throw std::runtime_error("of the condition, in the lead");
                     return false;
                   },
                   Watchdog()),
               std::runtime_error);
  Event event;
  loop_.Happen([&] { Complete(event); });
  RunUntil(event);
  EXPECT_TRUE(event.done);
}

TEST_F(LeaderFollowersTest, AThreadThatCannotEnterLeavesItsWorkToTheNext) {
  int ran = 0;
  loop_.Refuse(std::this_thread::get_id());
  threads_.Post([&] { ++ran; });
  threads_.Flush();
  EXPECT_THROW(threads_.RunUntil([] { return false; }, Watchdog()), std::logic_error);
  EXPECT_EQ(ran, 0);
  std::thread other([&] { threads_.RunUntil([&] { return ran == 1; }, Watchdog()); });
  other.join();
  EXPECT_EQ(ran, 1);
}

TEST_F(LeaderFollowersTest, AForkedChildHasNoPartInIt) {
  auto threads = std::make_unique<LeaderFollowers>(loop_);
  threads->Post([] {});
  Event event;
  std::thread leader([&] { threads->RunUntil([&] { return event.done; }, Watchdog()); });
  loop_.AwaitSleep();
  remoteobj_testing::Forked child([&] {
    EXPECT_FALSE(threads->of_this_process());
    EXPECT_THROW(threads->RunUntil([] { return true; }, Watchdog()), std::logic_error);
    EXPECT_THROW(threads->RunUntil([] {}, [] { return true; }, Watchdog()), std::logic_error);
    EXPECT_THROW(threads->Check([] { return true; }), std::logic_error);
    threads->Flush();
    threads.reset();
    if (HasFailure()) throw std::runtime_error("see above");
  });
  EXPECT_EQ(child.Wait(), 0);
  loop_.Happen([&] { threads->Update([&] { event.done = true; }); });
  leader.join();
}

// A thread of the parent held the mutex at the fork.
TEST_F(LeaderFollowersTest, AForkThatFindsTheMutexTakenDoesNotHang) {
  auto threads = std::make_unique<LeaderFollowers>(loop_);
  std::atomic<bool> held{false}, release{false};
  std::thread holder([&] {
    threads->Update([&] {
      held = true;
      while (!release) std::this_thread::yield();
    });
  });
  while (!held) std::this_thread::yield();
  remoteobj_testing::Forked child([&] {
    EXPECT_THROW(threads->RunUntil([] { return true; }, Watchdog()), std::logic_error);
    threads.reset();
    if (HasFailure()) throw std::runtime_error("see above");
  });
  EXPECT_EQ(child.Wait(), 0);
  release = true;
  holder.join();
}

}  // namespace
}  // namespace remoteobj::transport_internal
