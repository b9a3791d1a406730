// SPDX-License-Identifier: MIT
#include "remoteobj/manager/condition.h"

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/semaphore.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

constexpr absl::Duration kForEver = absl::InfiniteDuration();

enum class With { kOwn, kLock, kRLock };

class ConditionTest : public testing::TestWithParam<With> {
 protected:
  Condition MakeCondition() {
    if (GetParam() == With::kLock) return a_.Make<Condition>(std::optional(a_.Make<Lock>()));
    if (GetParam() == With::kRLock) return a_.Make<Condition>(a_.Make<RLock>());
    return a_.Make<Condition>();
  }
  // Waits as thread `thread` of the client, and has the lock before.
  Begun<bool> BeginWait(TestClient& client, std::uint32_t thread,
                        absl::Duration timeout = kForEver) {
    EXPECT_TRUE(client.BeginAs<bool>(thread, condition_, "acquire", kForEver).Get());
    return client.BeginAs<bool>(thread, condition_, "wait", timeout);
  }
  void Release(TestClient& client, std::uint32_t thread) {
    client.BeginAs<void>(thread, condition_, "release").Get();
  }
  void Notify(int count) {
    const std::scoped_lock guard(condition_);
    condition_->notify(count);
  }
  bool Free() { return std::unique_lock(condition_, std::try_to_lock).owns_lock(); }

  TestServer server_{AddSyncTypes};
  TestClient a_{server_};
  TestClient b_{server_};
  TestClient c_{server_};
  Condition condition_ = MakeCondition();
  Condition condition_b_ = b_.Get(condition_);
};
INSTANTIATE_TEST_SUITE_P(Locks, ConditionTest,
                         testing::Values(With::kOwn, With::kLock, With::kRLock));

TEST_P(ConditionTest, NeedsTheLock) {
  EXPECT_THROW(condition_->wait(), std::runtime_error);
  EXPECT_THROW(condition_->notify(), std::runtime_error);
  EXPECT_THROW(condition_->notify_all(), std::runtime_error);
  EXPECT_THROW(condition_->release(), std::runtime_error);
  // Nor while another client owns the lock.
  EXPECT_TRUE(condition_b_->acquire());
  EXPECT_FALSE(condition_->acquire(absl::ZeroDuration()));
  EXPECT_THROW(condition_->wait(), std::runtime_error);
  EXPECT_THROW(condition_->notify(), std::runtime_error);
  EXPECT_THROW(condition_->notify_all(), std::runtime_error);
  EXPECT_FALSE(Free());
  condition_b_->release();
  EXPECT_TRUE(Free());
}

TEST_P(ConditionTest, NotifiesAsManyAsItSaysInOrder) {
  std::vector<Begun<bool>> waiting;
  for (std::uint64_t i = 0; i < 6; ++i) waiting.push_back(BeginWait(i % 2 == 0 ? a_ : b_, 100 + i));
  EXPECT_EQ(server_.waiting(), 6u);
  std::uint64_t notified = 0;
  for (const int count : {0, -1, 1, 2, 100}) {
    Notify(count);
    for (int i = 0; i < count && notified < waiting.size(); ++i, ++notified) {
      EXPECT_TRUE(waiting[notified].Get());
      Release(notified % 2 == 0 ? a_ : b_, 100 + notified);
    }
    EXPECT_EQ(server_.waiting(), 6u - notified);
  }
  // A notification without a waiting call is not remembered.
  EXPECT_FALSE(BeginWait(a_, 200, absl::Milliseconds(5)).Get());
}

TEST_P(ConditionTest, NotifiesAThousandOneAfterTheOther) {
  std::vector<Begun<bool>> waiting;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    waiting.push_back(BeginWait(i % 2 == 0 ? b_ : c_, 100 + i));
  }
  ASSERT_TRUE(condition_->acquire());
  condition_->notify_all();
  EXPECT_FALSE(waiting[0].ready()) << "the lock is not free";
  condition_->release();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(i == 999 || !waiting[i + 1].ready());
    ASSERT_TRUE(waiting[i].Get());
    Release(i % 2 == 0 ? b_ : c_, 100 + i);
  }
  EXPECT_TRUE(Free());
}

TEST_P(ConditionTest, ATimeoutIsFalseAndHasTheLock) {
  const std::scoped_lock guard(condition_);
  for (const absl::Duration timeout :
       {absl::Milliseconds(5), absl::ZeroDuration(), -absl::Seconds(1)}) {
    EXPECT_FALSE(condition_->wait(timeout));
    EXPECT_FALSE(condition_b_->acquire(absl::ZeroDuration()));
  }
}

TEST_P(ConditionTest, ATimeoutWaitsForTheLock) {
  Begun<bool> waiting = BeginWait(b_, 100, absl::Milliseconds(1));
  condition_->acquire();
  // Lets its time pass.
  EXPECT_FALSE(b_.BeginAs<bool>(1, condition_, "acquire", absl::Milliseconds(10)).Get());
  EXPECT_FALSE(waiting.ready());
  // Too late for it: it is not lost on one who has left.
  condition_->notify();
  condition_->release();
  EXPECT_FALSE(waiting.Get());
  EXPECT_FALSE(Free());
  Release(b_, 100);
  EXPECT_TRUE(Free());
}

TEST_P(ConditionTest, WaitForAsksInTheCaller) {
  const std::scoped_lock guard(condition_);
  int asked = 0;
  EXPECT_EQ(condition_->wait_for([&] { return ++asked; }), 1);
  EXPECT_FALSE(condition_->wait_for([&] { return ++asked, false; }, absl::ZeroDuration()));
  EXPECT_EQ(asked, 2);
  EXPECT_FALSE(condition_->wait_for([&] { return ++asked, false; }, absl::Milliseconds(5)));
  EXPECT_GE(asked, 4);
  const auto thread = std::this_thread::get_id();
  EXPECT_TRUE(condition_->wait_for([&] { return std::this_thread::get_id() == thread; }));
}

TEST_P(ConditionTest, HandsThingsOn) {
  std::deque<int> things;
  constexpr int kThings = 200;
  std::vector<int> got[2];
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      const Condition mine = t == 0 ? condition_ : condition_b_;
      for (;;) {
        const std::scoped_lock guard(mine);
        mine->wait_for([&] { return !things.empty(); });
        const int thing = things.front();
        if (thing == kThings) return;
        things.pop_front();
        got[t].push_back(thing);
      }
    });
  }
  for (int i = 0; i <= kThings; ++i) {
    const std::scoped_lock guard(condition_);
    things.push_back(i);
    i == kThings ? condition_->notify_all() : condition_->notify();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got[0].size() + got[1].size(), std::size_t{kThings});
  EXPECT_EQ(server_.waiting(), 0u);
}

TEST_P(ConditionTest, TheDeadAreNotNotified) {
  Begun<bool> dead = BeginWait(b_, 100);
  Begun<bool> next = BeginWait(c_, 100);
  dead.GiveUp();
  b_.Die();
  Notify(1);
  EXPECT_TRUE(next.Get());
}

TEST_P(ConditionTest, ANotificationOfWhoDiesGoesToTheNext) {
  Begun<bool> dead = BeginWait(b_, 100);
  Begun<bool> next = BeginWait(c_, 100);
  {
    const std::scoped_lock guard(condition_);
    condition_->notify();
    dead.GiveUp();  // While it waits for the lock.
    b_.Die();
    EXPECT_FALSE(next.ready());
  }
  EXPECT_TRUE(next.Get());
  Release(c_, 100);
  // After it has got the lock, and before it knows.
  Begun<bool> late = BeginWait(a_, 100);
  next = BeginWait(c_, 100);
  Notify(1);
  EXPECT_TRUE(late.ready());
  EXPECT_FALSE(next.ready());
  late.GiveUp();
  EXPECT_TRUE(next.Get());
  Release(c_, 100);
  EXPECT_TRUE(Free());
}

TEST_P(ConditionTest, TheDeadReleaseTheLock) {
  condition_b_->acquire();
  Begun<bool> waiting = c_.BeginAs<bool>(1, condition_, "acquire", kForEver);
  b_.Die();
  EXPECT_TRUE(waiting.Get());
  c_.Die();
  // A client that owns the lock again after it waited.
  TestClient d(server_);
  Begun<bool> notified = BeginWait(d, 100);
  Notify(1);
  EXPECT_TRUE(notified.Get());
  EXPECT_FALSE(Free());
  d.Die();
  EXPECT_TRUE(Free());
}

TEST_P(ConditionTest, AGuardCopesWithAWaitThatFailed) {
  std::thread waiter([&] {
    const std::scoped_lock guard(condition_b_);
    EXPECT_THROW(condition_b_->wait(), ClientDied);
  });
  server_.AwaitWaiting(1);
  b_.Die();
  waiter.join();
  EXPECT_TRUE(Free());
}

class ConditionOnTest : public testing::Test {
 protected:
  TestServer server_{AddSyncTypes};
  TestClient a_{server_};
  TestClient b_{server_};
};

TEST_F(ConditionOnTest, ItsLockIsShared) {
  const auto lock = a_.Make<Lock>();
  const auto full = a_.Make<Condition>(lock);
  const auto empty = a_.Make<Condition>(lock);
  full->acquire();
  EXPECT_TRUE(lock->locked());
  empty->notify();
  lock->release();
  EXPECT_FALSE(full->acquire() && lock->acquire(absl::ZeroDuration()));
  full->release();
  EXPECT_FALSE(lock->locked());
}

TEST_F(ConditionOnTest, AnRLockIsLeftAsAWholeAndTakenBackAsDeep) {
  const auto lock = a_.Make<RLock>();
  const auto condition = a_.Make<Condition>(lock);
  std::thread waiter([&] {
    for (int i = 0; i < 3; ++i) lock->acquire();
    EXPECT_TRUE(condition->wait());
    for (int i = 0; i < 3; ++i) lock->release();
    EXPECT_THROW(lock->release(), std::runtime_error);
  });
  server_.AwaitWaiting(1);
  EXPECT_FALSE(lock->locked());
  const auto other = b_.Get(condition);
  other->acquire();
  other->notify();
  other->release();
  waiter.join();
  EXPECT_FALSE(lock->locked());
}

TEST_F(ConditionOnTest, WhoIsNotifiedComesAfterThoseWhoWaitForTheLock) {
  const auto lock = a_.Make<Lock>();
  const auto condition = a_.Make<Condition>(lock);
  lock->acquire();
  Begun<bool> notified = a_.Begin<bool>(condition, "wait", kForEver);
  lock->acquire();
  Begun<bool> first = b_.BeginAs<bool>(1, lock, "acquire", kForEver);
  condition->notify();
  Begun<bool> last = b_.BeginAs<bool>(2, lock, "acquire", kForEver);
  lock->release();
  EXPECT_TRUE(first.Get());
  EXPECT_FALSE(notified.ready());
  lock->release();
  EXPECT_TRUE(notified.Get());
  EXPECT_FALSE(last.ready());
  lock->release();
  EXPECT_TRUE(last.Get());
}

TEST_F(ConditionOnTest, ALockIsReleasedForTheDeadAfterItsConditionIsGone) {
  const auto lock = a_.Make<Lock>();
  {
    const auto condition = b_.Make<Condition>(b_.Get(lock));
    condition->acquire();
  }
  EXPECT_TRUE(lock->locked());
  b_.Die();
  EXPECT_FALSE(lock->locked());
  EXPECT_TRUE(lock->abandoned());
}

TEST_F(ConditionOnTest, TakesNothingButLocks) {
  EXPECT_THROW(a_.Make<Condition>(a_.Make<Semaphore>(1)), BadValue);
  EXPECT_THROW(a_.Make<Condition>(a_.Make<Condition>()), BadValue);
}

}  // namespace
}  // namespace remoteobj::manager_internal
