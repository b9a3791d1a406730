// SPDX-License-Identifier: MIT
#include "remoteobj/manager/queue.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {
namespace {

constexpr absl::Duration kForEver = absl::InfiniteDuration();
constexpr std::uint32_t kThread = 1'000'000;

class QueueTestBase : public testing::Test {
 protected:
  template <typename Q>
  Begun<int> BeginGet(TestClient& client, const Q& queue, std::uint32_t thread = kThread) {
    return client.BeginAs<int>(thread, queue, "get", kForEver);
  }
  template <typename Q>
  Begun<void> BeginPut(TestClient& client, const Q& queue, int item) {
    return client.Begin<void>(queue, "put", item, kForEver);
  }
  template <typename Q>
  std::vector<int> Drain(const Q& queue) {
    std::vector<int> items;
    while (const std::optional<int> item = queue->try_get()) items.push_back(*item);
    return items;
  }

  TestServer server_{AddSyncTypes};
  TestClient a_{server_};
  TestClient b_{server_};
  TestClient c_{server_};
};

template <typename Q>
class QueueTest : public QueueTestBase {};
using Queues = testing::Types<Queue<int>, JoinableQueue<int>>;
TYPED_TEST_SUITE(QueueTest, Queues);

// The item returns to a queue to which only the call refers.
TYPED_TEST(QueueTest, AClientThatReleasesAQueueOfItsBatch) {
  const auto first = this->a_.template Make<TypeParam>();
  std::optional<TypeParam> second(this->a_.template Make<TypeParam>());
  (*second)->put(7);
  const auto write = [&](RequestWriter request) {
    const OperationsWriter operations = request.Operations(8);
    operations.Set(0, OperationKind::kGetAttribute, "size", 0);
    operations.Set(1, OperationKind::kCall, {}, 0);
    operations.Set(2, OperationKind::kNext, {}, 0);
    const Referent& object = *second->referent();
    operations.Arguments(2, 1)[0].Object(object.id(), object.type());
    operations.Set(3, OperationKind::kGetAttribute, "try_get", 0);
    operations.Set(4, OperationKind::kCall, {}, 0);
    // An object that is not there leaves the one before it alone.
    operations.Set(5, OperationKind::kNext, {}, 0);
    operations.Arguments(5, 1)[0].Object(999'999, object.type());
    operations.Set(6, OperationKind::kGetAttribute, "size", 0);
    operations.Set(7, OperationKind::kCall, {}, 0);
  };
  std::unique_ptr<PendingCall> batch = first.referent()->channel().Start(write, Deadline::Never());
  EXPECT_TRUE(batch->ready());
  EXPECT_EQ((*second)->size(), 0u);
  second.reset();
  EXPECT_EQ(this->server_.objects().object_count(), 2u);
  batch.reset();
  EXPECT_EQ(this->server_.objects().object_count(), 1u);
}

TYPED_TEST(QueueTest, IsFirstInFirstOut) {
  const auto queue = this->a_.template Make<TypeParam>();
  const auto same = this->b_.Get(queue);
  EXPECT_TRUE(queue->empty());
  EXPECT_FALSE(queue->full());
  for (int i = 0; i < 5; ++i) queue->put(i);
  EXPECT_EQ(same->size(), 5u);
  EXPECT_FALSE(same->empty());
  EXPECT_EQ(same->get(), 0);
  EXPECT_EQ(same->get(absl::Seconds(1)), 1);
  EXPECT_EQ(same->get_nowait(), 2);
  EXPECT_EQ(same->try_get(), 3);
  EXPECT_EQ(queue->get(absl::ZeroDuration()), 4);
  EXPECT_EQ(queue->try_get(), std::nullopt);
}

TYPED_TEST(QueueTest, HasAMaximalSize) {
  for (const int maxsize : {0, -1}) {
    const auto queue = this->a_.template Make<TypeParam>(maxsize);
    for (int i = 0; i < 1000; ++i) queue->put_nowait(i);
    EXPECT_FALSE(queue->full());
  }
  const auto queue = this->a_.template Make<TypeParam>(2);
  queue->put(1);
  EXPECT_FALSE(queue->full());
  EXPECT_TRUE(queue->try_put(2));
  EXPECT_TRUE(queue->full());
  EXPECT_FALSE(queue->try_put(3));
  EXPECT_THROW(queue->put_nowait(3), QueueFull);
  EXPECT_THROW(queue->put(3, absl::Milliseconds(5)), QueueFull);
  EXPECT_EQ(queue->size(), 2u);
  EXPECT_EQ(queue->get(), 1);
  queue->put(3, absl::Milliseconds(5));
}

TYPED_TEST(QueueTest, TimesOut) {
  const auto queue = this->a_.template Make<TypeParam>(1);
  EXPECT_THROW(queue->get_nowait(), QueueEmpty);
  EXPECT_THROW(queue->get(absl::Milliseconds(5)), QueueEmpty);
  EXPECT_THROW(queue->get(-absl::Seconds(1)), std::invalid_argument);
  EXPECT_THROW(queue->put(1, -absl::Seconds(1)), std::invalid_argument);
  queue->put(1);
  EXPECT_THROW(queue->get(-absl::Seconds(1)), std::invalid_argument);
  EXPECT_EQ(this->server_.waiting(), 0u);
}

TYPED_TEST(QueueTest, ServesThoseWhoWaitInOrder) {
  const auto queue = this->a_.template Make<TypeParam>(1);
  std::vector<Begun<int>> getting;
  for (int i = 0; i < 1000; ++i) {
    getting.push_back(this->BeginGet(i % 2 == 0 ? this->a_ : this->b_, queue));
  }
  EXPECT_EQ(this->server_.waiting(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    queue->put_nowait(i);
    ASSERT_TRUE(i == 999 || !getting[i + 1].ready());
    ASSERT_EQ(getting[i].Get(), i);
  }
  std::vector<Begun<void>> putting;
  for (int i = 0; i < 1000; ++i) {
    putting.push_back(this->BeginPut(i % 2 == 0 ? this->a_ : this->b_, queue, i));
  }
  EXPECT_EQ(this->server_.waiting(), 999u);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(putting[i].ready());
    ASSERT_TRUE(i == 999 || !putting[i + 1].ready());
    ASSERT_EQ(queue->get_nowait(), i);
  }
}

TYPED_TEST(QueueTest, AnItemOfWhoGaveUpComesBackToTheFront) {
  const auto queue = this->a_.template Make<TypeParam>(3);
  for (int i = 0; i < 3; ++i) queue->put(i);
  Begun<int> first = this->BeginGet(this->b_, queue);
  Begun<int> second = this->BeginGet(this->c_, queue);
  queue->put(3);
  queue->put(4);
  EXPECT_TRUE(queue->full());
  // In their order, whichever client gives up first; for a while there may be more than maxsize.
  first.GiveUp();
  second.GiveUp();
  EXPECT_EQ(queue->size(), 5u);
  EXPECT_TRUE(queue->full());
  Begun<void> putting = this->BeginPut(this->b_, queue, 5);
  EXPECT_EQ(queue->get(), 0);
  EXPECT_EQ(queue->get(), 1);
  EXPECT_FALSE(putting.ready());
  EXPECT_EQ(queue->get(), 2);
  EXPECT_TRUE(putting.ready());
  EXPECT_EQ(this->Drain(queue), (std::vector{3, 4, 5}));
}

TYPED_TEST(QueueTest, AnItemOfTheDeadGoesToTheNextWhoWaits) {
  const auto queue = this->a_.template Make<TypeParam>();
  for (const bool told_first : {false, true}) {
    TestClient dead(this->server_);
    Begun<int> waits_no_more = this->BeginGet(dead, queue);
    Begun<int> on_its_way = this->BeginGet(dead, queue);
    Begun<int> next = this->BeginGet(this->b_, queue);
    waits_no_more.GiveUp();
    queue->put(7);
    EXPECT_TRUE(on_its_way.ready());
    EXPECT_FALSE(next.ready());
    if (told_first) dead.Die();
    on_its_way.GiveUp();
    dead.Die();
    EXPECT_EQ(next.Get(), 7);
    EXPECT_EQ(queue->size(), 0u);
  }
}

TYPED_TEST(QueueTest, ADeadGetterTakesNothingAlong) {
  const auto queue = this->a_.template Make<TypeParam>();
  std::thread getter([&] { EXPECT_THROW(this->b_.Get(queue)->get(), ClientDied); });
  this->server_.AwaitWaiting(1);
  this->b_.Die();
  getter.join();
  queue->put(1);
  EXPECT_EQ(queue->get(), 1);
}

TYPED_TEST(QueueTest, APutIsInOrNot) {
  const auto queue = this->a_.template Make<TypeParam>(1);
  Begun<void> in = this->BeginPut(this->b_, queue, 1);
  Begun<void> not_in = this->BeginPut(this->b_, queue, 2);
  Begun<void> next = this->BeginPut(this->c_, queue, 3);
  in.GiveUp();
  not_in.GiveUp();
  this->b_.Die();
  EXPECT_EQ(queue->get(), 1);
  EXPECT_TRUE(next.ready());
  EXPECT_EQ(this->Drain(queue), std::vector{3});
}

TYPED_TEST(QueueTest, AfterAShutdownOnlyWhatIsInItIsGot) {
  const auto queue = this->a_.template Make<TypeParam>(2);
  queue->put(1);
  queue->put(2);
  Begun<void> putting = this->BeginPut(this->b_, queue, 3);
  queue->shutdown();
  EXPECT_THROW(putting.Get(), QueueShutDown);
  EXPECT_THROW(queue->put(4), QueueShutDown);
  EXPECT_THROW(queue->try_put(4), QueueShutDown);
  EXPECT_EQ(queue->get(), 1);
  EXPECT_EQ(queue->try_get(), 2);
  EXPECT_THROW(queue->put_nowait(4), QueueShutDown);
  EXPECT_THROW(queue->get(), QueueShutDown);
  EXPECT_THROW(queue->get_nowait(), QueueShutDown);
  EXPECT_THROW(queue->try_get(), QueueShutDown);
  queue->shutdown();
  EXPECT_EQ(this->server_.waiting(), 0u);
}

TYPED_TEST(QueueTest, AShutdownTellsThoseWhoWait) {
  for (const bool immediate : {false, true}) {
    const auto queue = this->a_.template Make<TypeParam>();
    std::vector<Begun<int>> getting;
    for (int i = 0; i < 3; ++i) getting.push_back(this->BeginGet(this->b_, queue));
    queue->shutdown(immediate);
    for (Begun<int>& one : getting) EXPECT_THROW(one.Get(), QueueShutDown);
  }
}

TYPED_TEST(QueueTest, AnImmediateShutdownDropsWhatIsInIt) {
  const auto queue = this->a_.template Make<TypeParam>(2);
  queue->put(1);
  queue->put(2);
  Begun<int> on_its_way = this->BeginGet(this->b_, queue);
  queue->put(3);
  queue->shutdown(/*immediate=*/true);
  EXPECT_EQ(queue->size(), 0u);
  EXPECT_THROW(queue->get(), QueueShutDown);
  on_its_way.GiveUp();
  EXPECT_EQ(queue->size(), 0u);
  EXPECT_THROW(queue->try_get(), QueueShutDown);
}

TYPED_TEST(QueueTest, APutterAndAGetterOfOneShutdown) {
  // Room is made for one who then finds the queue shut down, and an item comes back to a queue that
  // is shut down: it can still be got.
  const auto queue = this->a_.template Make<TypeParam>(1);
  queue->put(1);
  Begun<int> on_its_way = this->BeginGet(this->b_, queue);
  queue->shutdown();
  EXPECT_THROW(queue->get(), QueueShutDown);
  on_its_way.GiveUp();
  EXPECT_EQ(queue->get(), 1);
}

TYPED_TEST(QueueTest, ManyThreads) {
  const auto queue = this->a_.template Make<TypeParam>(3);
  constexpr int kEach = 200;
  std::mutex mutex;
  std::map<int, int> got;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) queue->put(t * kEach + i);
    });
    threads.emplace_back([&, mine = this->b_.Get(queue)] {
      for (int i = 0; i < kEach; ++i) {
        const int item = mine->get();
        const std::scoped_lock guard(mutex);
        ++got[item];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got.size(), std::size_t{3 * kEach});
  for (const auto& [item, times] : got) EXPECT_EQ(times, 1) << item;
  EXPECT_EQ(this->server_.waiting(), 0u);
}

class QueueOfTest : public QueueTestBase {};

TEST_F(QueueOfTest, ValuesOfAnyType) {
  const auto names = a_.Make<Queue<std::string>>();
  names->put("one");
  names->put(std::string(100'000, 'x'));
  EXPECT_EQ(names->get(), "one");
  EXPECT_EQ(names->get(), std::string(100'000, 'x'));
  const auto maybe = a_.Make<Queue<std::optional<int>>>();
  maybe->put(std::nullopt);
  EXPECT_EQ(maybe->get(), std::nullopt);
  maybe->put(1);
  EXPECT_EQ(maybe->get(), 1);
  maybe->put(std::nullopt);
  EXPECT_EQ(maybe->try_get(), std::optional<std::optional<int>>(std::in_place));
  EXPECT_EQ(maybe->try_get(), std::nullopt);
}

TEST_F(QueueOfTest, ProxiesKeepTheirObjects) {
  const auto queue = a_.Make<Queue<Lock>>();
  {
    const auto lock = a_.Make<Lock>();
    lock->acquire();
    queue->put(lock);
  }
  const Lock lock = queue->get();
  EXPECT_TRUE(lock->locked());
}

class JoinableQueueTest : public QueueTestBase {
 protected:
  void Done(TestClient& client, std::uint32_t thread = kThread) {
    client.BeginAs<void>(thread, queue_, "task_done").Get();
  }

  JoinableQueue<int> queue_ = a_.Make<JoinableQueue<int>>();
};

TEST_F(JoinableQueueTest, JoinWaitsUntilAllIsDone) {
  EXPECT_TRUE(queue_->join());
  EXPECT_THROW(queue_->task_done(), std::invalid_argument);
  queue_->put(1);
  queue_->put(2);
  EXPECT_FALSE(queue_->join(absl::ZeroDuration()));
  EXPECT_THROW(queue_->task_done(), std::invalid_argument) << "nobody has got anything";
  queue_->get();
  queue_->get();
  Begun<bool> joining = b_.Begin<bool>(queue_, "join", kForEver);
  EXPECT_FALSE(queue_->join(absl::Milliseconds(5)));
  queue_->task_done();
  EXPECT_FALSE(joining.ready());
  queue_->task_done();
  EXPECT_TRUE(joining.Get());
  EXPECT_TRUE(queue_->join());
  EXPECT_THROW(queue_->task_done(), std::invalid_argument);
  EXPECT_EQ(server_.waiting(), 0u);
}

TEST_F(JoinableQueueTest, WhatIsNotDoneComesBackWhenItsClientDies) {
  for (int i = 0; i < 6; ++i) queue_->put(i);
  for (const int item : {0, 1}) EXPECT_EQ(BeginGet(b_, queue_).Get(), item);
  EXPECT_EQ(queue_->get(), 2);
  for (const int item : {3, 4}) EXPECT_EQ(BeginGet(b_, queue_).Get(), item);
  Done(b_);  // 0, the oldest.
  Begun<int> on_its_way = BeginGet(b_, queue_);
  b_.Die();
  on_its_way.GiveUp();
  EXPECT_EQ(queue_->size(), 4u);
  EXPECT_EQ(Drain(queue_), (std::vector{1, 3, 4, 5}));
  for (int i = 0; i < 5; ++i) queue_->task_done();
  EXPECT_TRUE(queue_->join(absl::ZeroDuration()));
}

TEST_F(JoinableQueueTest, WhatComesBackGoesToThoseWhoWait) {
  for (int i = 0; i < 3; ++i) queue_->put(i);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(BeginGet(b_, queue_).Get(), i);
  Begun<int> first = BeginGet(c_, queue_);
  Begun<int> second = BeginGet(a_, queue_);
  b_.Die();
  EXPECT_EQ(first.Get(), 0);
  EXPECT_EQ(second.Get(), 1);
  EXPECT_EQ(queue_->get(), 2);
}

TEST_F(JoinableQueueTest, IsDoneByThreadThenByClientThenByAnybody) {
  for (int i = 0; i < 4; ++i) queue_->put(i);
  EXPECT_EQ(BeginGet(b_, queue_, 1).Get(), 0);
  EXPECT_EQ(BeginGet(b_, queue_, 2).Get(), 1);
  EXPECT_EQ(BeginGet(c_, queue_, 2).Get(), 2);
  EXPECT_EQ(BeginGet(b_, queue_, 1).Get(), 3);
  Done(b_, 2);  // 1, which this thread got.
  Done(b_, 2);  // 0, the oldest of its client.
  Done(c_, 9);  // 2, of another thread.
  Done(c_, 9);  // 3, of another client.
  EXPECT_TRUE(queue_->join(absl::ZeroDuration()));
  EXPECT_THROW(Done(b_, 1), std::invalid_argument);
  b_.Die();
  EXPECT_EQ(queue_->size(), 0u);
}

TEST_F(JoinableQueueTest, AnImmediateShutdownEndsJoinWhenWhatWasGotIsDone) {
  for (int i = 0; i < 3; ++i) queue_->put(i);
  EXPECT_EQ(BeginGet(b_, queue_).Get(), 0);
  Begun<bool> joining = c_.Begin<bool>(queue_, "join", kForEver);
  queue_->shutdown(/*immediate=*/true);
  EXPECT_FALSE(joining.ready());
  b_.Die();  // The items that come back are dropped as well.
  EXPECT_TRUE(joining.Get());
}

TEST_F(JoinableQueueTest, AShutdownLeavesWhatIsNotDone) {
  queue_->put(1);
  EXPECT_EQ(BeginGet(b_, queue_).Get(), 1);
  queue_->shutdown();
  EXPECT_FALSE(queue_->join(absl::ZeroDuration()));
  b_.Die();
  EXPECT_EQ(queue_->get(), 1);
  queue_->task_done();
  EXPECT_TRUE(queue_->join());
}

}  // namespace
}  // namespace remoteobj::manager_internal
