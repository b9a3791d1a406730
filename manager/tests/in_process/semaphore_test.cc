// SPDX-License-Identifier: MIT
#include "remoteobj/manager/semaphore.h"

#include <cstdint>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"

namespace remoteobj::manager_internal {
namespace {

class SemaphoreTest : public testing::Test {
 protected:
  template <typename T>
  Begun<bool> BeginAcquire(TestClient& client, const T& semaphore) {
    return client.Begin<bool>(semaphore, "acquire", absl::InfiniteDuration());
  }
  // How many units there are.
  template <typename T>
  int Count(const T& semaphore) {
    int count = 0;
    while (semaphore->acquire(absl::ZeroDuration())) ++count;
    if (count != 0) semaphore->release(count);
    return count;
  }

  TestServer server_{AddSyncTypes};
  TestClient a_{server_};
  TestClient b_{server_};
  TestClient c_{server_};
};

TEST_F(SemaphoreTest, Counts) {
  const auto seats = a_.Make<Semaphore>(2);
  EXPECT_TRUE(seats->acquire());
  EXPECT_TRUE(b_.Get(seats)->acquire(absl::Milliseconds(1)));
  EXPECT_FALSE(seats->acquire(absl::ZeroDuration()));
  EXPECT_FALSE(seats->acquire(-absl::Seconds(1)));
  EXPECT_FALSE(b_.Get(seats)->acquire(absl::Milliseconds(5)));
  seats->release();
  EXPECT_EQ(Count(seats), 1);
  seats->release(5);
  EXPECT_EQ(Count(seats), 6) << "more than at first";
  EXPECT_THROW(seats->release(0), std::invalid_argument);
  EXPECT_THROW(seats->release(-1), std::invalid_argument);
  EXPECT_THROW(seats->release(std::numeric_limits<std::int64_t>::max()), std::invalid_argument);
  EXPECT_EQ(Count(a_.Make<Semaphore>()), 1);
  EXPECT_THROW(a_.Make<Semaphore>(-1), std::invalid_argument);
}

// Each unit was looked for among all, with the server's lock held: for minutes.
TEST_F(SemaphoreTest, AClientThatReleasesTheManyUnitsOfOthers) {
  constexpr int kUnits = 100'000;
  const auto seats = a_.Make<BoundedSemaphore>(2 * kUnits);
  const auto others = b_.Get(seats);
  for (int i = 0; i < kUnits; ++i) seats->acquire();
  for (int i = 0; i < kUnits; ++i) others->acquire();
  others->release(2 * kUnits);
  EXPECT_THROW(seats->release(), std::invalid_argument);
}

TEST_F(SemaphoreTest, ABoundedOneHasNoMoreThanAtFirst) {
  const auto seats = a_.Make<BoundedSemaphore>(3);
  EXPECT_THROW(seats->release(), std::invalid_argument);
  seats->acquire();
  seats->acquire();
  EXPECT_THROW(seats->release(3), std::invalid_argument);
  EXPECT_EQ(Count(seats), 1) << "all or nothing";
  seats->release(2);
  EXPECT_EQ(Count(seats), 3);
}

TEST_F(SemaphoreTest, IsAMutexForGuards) {
  const auto seats = a_.Make<BoundedSemaphore>(1);
  {
    const std::scoped_lock guard(seats);
    EXPECT_FALSE(std::unique_lock(seats, std::try_to_lock).owns_lock());
  }
  seats.unlock();  // Too often: nothing, since destructors call it.
  EXPECT_EQ(Count(seats), 1);
}

TEST_F(SemaphoreTest, ReleasesAsManyAsItSaysInOrder) {
  const auto seats = a_.Make<Semaphore>(0);
  std::vector<Begun<bool>> waiting;
  for (int i = 0; i < 1000; ++i) waiting.push_back(BeginAcquire(i % 2 == 0 ? a_ : b_, seats));
  EXPECT_EQ(server_.waiting(), 1000u);
  int released = 0;
  for (const int units : {1, 2, 497, 500, 3}) {
    seats->release(units);
    released += units;
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(waiting[i].ready(), i < released);
  }
  for (Begun<bool>& one : waiting) EXPECT_TRUE(one.Get());
  EXPECT_EQ(Count(seats), 3);
}

TEST_F(SemaphoreTest, UnitsOfTheDeadAreReleased) {
  const auto seats = a_.Make<BoundedSemaphore>(3);
  const auto seats_b = b_.Get(seats);
  seats->acquire();
  seats_b->acquire();
  seats_b->acquire();
  Begun<bool> first = BeginAcquire(c_, seats);
  Begun<bool> dead = BeginAcquire(b_, seats);
  Begun<bool> second = BeginAcquire(c_, seats);
  Begun<bool> third = BeginAcquire(c_, seats);
  dead.GiveUp();
  b_.Die();
  EXPECT_TRUE(first.Get());
  EXPECT_TRUE(second.Get());
  EXPECT_FALSE(third.ready());
  seats->release();
  EXPECT_TRUE(third.Get());
  c_.Die();
  EXPECT_EQ(Count(seats), 3);
}

TEST_F(SemaphoreTest, WhatOneHasReleasedIsNotReleasedAgain) {
  const auto seats = a_.Make<Semaphore>(3);
  const auto seats_b = b_.Get(seats);
  seats_b->acquire();
  seats_b->acquire();
  seats_b->release();
  seats->release();  // For the other's.
  b_.Die();
  EXPECT_EQ(Count(seats), 3);
}

TEST_F(SemaphoreTest, OneReleasesItsOwnUnitsFirst) {
  const auto seats = a_.Make<Semaphore>(3);
  b_.Get(seats)->acquire();
  seats->acquire();
  seats->release();
  b_.Die();
  EXPECT_EQ(Count(seats), 3);
}

TEST_F(SemaphoreTest, SignalsAreUsedUp) {
  const auto signals = a_.Make<Semaphore>(0);
  for (int i = 0; i < 5; ++i) signals->release();
  for (int i = 0; i < 3; ++i) b_.Get(signals)->acquire();
  b_.Die();
  EXPECT_EQ(Count(signals), 2);
  // But not by one who does not get them.
  EXPECT_TRUE(BeginAcquire(c_, signals).ready());
  EXPECT_EQ(Count(signals), 2);
}

TEST_F(SemaphoreTest, AUnitComesBackFromWhoGaveUp) {
  const auto seats = a_.Make<BoundedSemaphore>(1);
  seats->acquire();
  Begun<bool> first = BeginAcquire(b_, seats);
  Begun<bool> second = BeginAcquire(c_, seats);
  seats->release();
  EXPECT_FALSE(second.ready());
  first.GiveUp();
  EXPECT_TRUE(second.Get());
  c_.Die();
  EXPECT_EQ(Count(seats), 1);
}

TEST_F(SemaphoreTest, AUnitComesBackOnce) {
  const auto seats = a_.Make<Semaphore>(2);
  Begun<bool> got = BeginAcquire(b_, seats);
  ASSERT_TRUE(got.ready());
  b_.Die();
  got.GiveUp();
  EXPECT_EQ(Count(seats), 2);
  // A release between, of the same client, was for the other unit.
  Begun<bool> slow = BeginAcquire(c_, seats);
  c_.Get(seats)->acquire();
  c_.Get(seats)->release();
  slow.GiveUp();
  EXPECT_EQ(Count(seats), 2);
  c_.Die();
  EXPECT_EQ(Count(seats), 2);
}

}  // namespace
}  // namespace remoteobj::manager_internal
