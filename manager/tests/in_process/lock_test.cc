// SPDX-License-Identifier: MIT
#include "remoteobj/manager/lock.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"

namespace remoteobj::manager_internal {
namespace {

constexpr absl::Duration kForEver = absl::InfiniteDuration();

// A lock as two threads of client a and one of client b see it.
template <typename T>
class LockTest : public testing::Test {
 protected:
  // A thread's number that is no real one's.
  static constexpr std::uint32_t kOther = 1'000'000;

  Begun<bool> BeginAcquire(TestClient& client, absl::Duration timeout = kForEver) {
    return client.BeginAs<bool>(kOther, a_, "acquire", timeout);
  }
  bool Try(TestClient& client) { return BeginAcquire(client, absl::ZeroDuration()).Get(); }
  // Releases it in the thread kOther.
  void Release(TestClient& client) { client.BeginAs<void>(kOther, a_, "release").Get(); }

  TestServer server_{AddSyncTypes};
  TestClient client_a_{server_};
  TestClient client_b_{server_};
  T a_ = client_a_.Make<T>();
  T b_ = client_b_.Get(a_);
};
using Locks = testing::Types<Lock, RLock>;
TYPED_TEST_SUITE(LockTest, Locks);

TYPED_TEST(LockTest, IsOneForAll) {
  EXPECT_FALSE(this->a_->locked());
  EXPECT_TRUE(this->a_->acquire());
  EXPECT_TRUE(this->b_->locked());
  EXPECT_FALSE(this->b_->acquire(absl::ZeroDuration()));
  EXPECT_FALSE(this->b_->acquire(-absl::Seconds(1)));
  EXPECT_FALSE(this->b_->acquire(absl::Milliseconds(5)));
  this->a_->release();
  EXPECT_FALSE(this->b_->locked());
  EXPECT_TRUE(this->b_->acquire(absl::Milliseconds(5)));
  EXPECT_FALSE(this->a_->acquire(absl::ZeroDuration()));
  this->b_->release();
  EXPECT_THROW(this->a_->release(), std::runtime_error);
  EXPECT_EQ(this->server_.waiting(), 0u);
}

TYPED_TEST(LockTest, IsAMutexForGuards) {
  {
    const std::scoped_lock guard(this->a_);
    EXPECT_TRUE(this->a_->locked());
    std::unique_lock other(this->b_, std::try_to_lock);
    EXPECT_FALSE(other.owns_lock());
    EXPECT_FALSE(other.try_lock_for(std::chrono::milliseconds(2)));
    EXPECT_FALSE(other.try_lock_until(std::chrono::steady_clock::now()));
  }
  EXPECT_FALSE(this->a_->locked());
  TypeParam second = this->client_b_.template Make<TypeParam>();
  const std::scoped_lock both(this->a_, second);
  EXPECT_TRUE(this->b_->locked());
  EXPECT_TRUE(second->locked());
}

TYPED_TEST(LockTest, AGuardReleasesWhatIsItsOwnOnly) {
  this->a_.unlock();
  this->b_->acquire();
  this->a_.unlock();
  EXPECT_TRUE(this->b_->locked());
  this->b_.unlock();
  EXPECT_FALSE(this->b_->locked());
}

TYPED_TEST(LockTest, AGuardOutlivesItsServersPatience) {
  const std::scoped_lock guard(this->a_);
  this->client_a_.Die();  // unlock() can't be called any more, which concerns nobody.
}

TYPED_TEST(LockTest, ComesToWhoWaitsInOrder) {
  this->a_->acquire();
  std::vector<std::unique_ptr<TestClient>> clients;
  std::vector<Begun<bool>> waiting;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<TestClient>(this->server_));
    waiting.push_back(this->BeginAcquire(*clients.back()));
  }
  EXPECT_EQ(this->server_.waiting(), 1000u);
  this->a_->release();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(waiting[i].ready());
    ASSERT_TRUE(i == 999 || !waiting[i + 1].ready());
    ASSERT_TRUE(waiting[i].Get());
    this->Release(*clients[i]);
  }
  EXPECT_FALSE(this->a_->locked());
}

TYPED_TEST(LockTest, IsReleasedForTheDead) {
  TestClient third(this->server_);
  EXPECT_FALSE(this->a_->abandoned());
  this->a_->acquire();
  Begun<bool> dead_waiter = this->BeginAcquire(third);
  Begun<bool> waiter = this->BeginAcquire(this->client_b_);
  dead_waiter.GiveUp();
  third.Die();
  EXPECT_FALSE(waiter.ready());
  this->client_a_.Die();
  EXPECT_TRUE(waiter.Get());
  // The one before is known to have died until the lock is released.
  EXPECT_TRUE(this->b_->abandoned());
  EXPECT_TRUE(this->b_->abandoned());
  this->Release(this->client_b_);
  EXPECT_FALSE(this->b_->locked());
  EXPECT_FALSE(this->b_->abandoned());
}

TYPED_TEST(LockTest, StaysAbandonedUntilSomebodyReleasesIt) {
  this->a_->acquire();
  this->client_a_.Die();
  EXPECT_FALSE(this->b_->locked());
  EXPECT_TRUE(this->b_->abandoned());
  // A client that does not get the lock, or gives up, is no owner.
  EXPECT_TRUE(this->BeginAcquire(this->client_b_).ready());
  EXPECT_FALSE(this->b_->locked());
  EXPECT_TRUE(this->b_->abandoned());
  this->b_->acquire();
  this->b_->release();
  EXPECT_FALSE(this->b_->abandoned());
}

TYPED_TEST(LockTest, IsGivenBackByWhoGaveUp) {
  this->a_->acquire();
  Begun<bool> first = this->BeginAcquire(this->client_b_);
  TestClient third(this->server_);
  Begun<bool> second = this->BeginAcquire(third);
  this->a_->release();
  EXPECT_TRUE(first.ready());
  EXPECT_FALSE(second.ready());
  first.GiveUp();
  EXPECT_TRUE(second.Get());
  EXPECT_FALSE(this->a_->abandoned());
}

// Whichever the server hears of first: that the client has gone, or that it has not received.
TYPED_TEST(LockTest, IsGivenBackOnce) {
  this->a_->acquire();
  Begun<bool> granted = this->BeginAcquire(this->client_b_);
  this->a_->release();
  ASSERT_TRUE(granted.ready());
  this->client_b_.Die();
  this->a_->acquire();
  granted.GiveUp();
  EXPECT_TRUE(this->a_->locked());
  this->a_->release();
}

TYPED_TEST(LockTest, TimesOutInAnyOrder) {
  this->a_->acquire();
  Begun<bool> patient = this->BeginAcquire(this->client_b_);
  EXPECT_FALSE(this->BeginAcquire(this->client_b_, absl::Milliseconds(10)).Get());
  EXPECT_FALSE(this->BeginAcquire(this->client_b_, absl::Milliseconds(1)).Get());
  EXPECT_FALSE(patient.ready());
  this->a_->release();
  EXPECT_TRUE(patient.Get());
}

TYPED_TEST(LockTest, ExcludesThreads) {
  int counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, mine = t % 2 == 0 ? this->a_ : this->b_] {
      for (int i = 0; i < 100; ++i) {
        const std::scoped_lock guard(mine);
        ++counter;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 400);
  EXPECT_EQ(this->server_.waiting(), 0u);
}

TYPED_TEST(LockTest, IsAValue) {
  EXPECT_EQ(this->a_, TypeParam(this->a_));
  std::ostringstream out;
  out << this->a_;
  EXPECT_EQ(out.str(), "<Remote " + TypeParam::Type() + " 1>");
}

class PlainLockTest : public LockTest<Lock> {};

TEST_F(PlainLockTest, AnybodyMayReleaseIt) {
  a_->acquire();
  b_->release();
  EXPECT_FALSE(a_->locked());
  // It has no owner that could die.
  client_a_.Die();
  EXPECT_FALSE(b_->abandoned());
  b_->acquire();
  EXPECT_FALSE(b_->acquire(absl::ZeroDuration()));
}

class RLockTest : public LockTest<RLock> {};

TEST_F(RLockTest, IsReentrant) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(a_->acquire());
  EXPECT_FALSE(Try(client_a_)) << "another thread";
  EXPECT_FALSE(Try(client_b_));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(a_->locked());
    a_->release();
  }
  EXPECT_FALSE(a_->locked());
}

TEST_F(RLockTest, OnlyItsOwnerMayReleaseIt) {
  a_->acquire();
  EXPECT_THROW(b_->release(), std::runtime_error);
  EXPECT_THROW(Release(client_a_), std::runtime_error) << "another thread";
  std::thread([&] {
    EXPECT_FALSE(a_->acquire(absl::ZeroDuration()));
    EXPECT_THROW(a_->release(), std::runtime_error);
  }).join();
  a_->release();
}

TEST_F(RLockTest, IsReleasedForTheDeadHoweverDeepTheyWere) {
  for (int i = 0; i < 3; ++i) a_->acquire();
  client_a_.Die();
  EXPECT_FALSE(b_->locked());
  EXPECT_TRUE(b_->abandoned());
}

TEST_F(RLockTest, GivesBackOneLevelOnly) {
  EXPECT_TRUE(BeginAcquire(client_a_).Get());
  EXPECT_TRUE(BeginAcquire(client_a_).ready());
  EXPECT_TRUE(b_->locked());
  Release(client_a_);
  EXPECT_FALSE(b_->locked());
}

TEST_F(RLockTest, AnInnerReleaseDoesNotForgetTheDead) {
  a_->acquire();
  client_a_.Die();
  b_->acquire();
  b_->acquire();
  b_->release();
  EXPECT_TRUE(b_->abandoned());
  b_->release();
  EXPECT_FALSE(b_->abandoned());
}

}  // namespace
}  // namespace remoteobj::manager_internal
