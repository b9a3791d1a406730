// SPDX-License-Identifier: MIT
//
// Locks, conditions, queues and the like between processes, as in Python but for what TYPES.md
// names. The test of each type has what one process alone sees.
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/barrier.h"
#include "remoteobj/manager/condition.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/semaphore.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/eventually.h"

namespace remoteobj {
namespace {

using manager_internal::AwaitWaiting;
using manager_internal::Elsewhere;
using manager_internal::OneManager;

constexpr absl::Duration kNow = absl::ZeroDuration();
constexpr absl::Duration kSoon = absl::Milliseconds(5);

class SyncSemantics : public OneManager {};

TEST_F(SyncSemantics, LockIsReleasedByAnyProcess) {
  const auto lock = manager().Lock();
  const auto held = manager().Event();
  const auto go_on = manager().Event();
  Process holder([&] {
    lock->acquire();
    held->set();
    go_on->wait();
  });
  held->wait();
  EXPECT_TRUE(lock->locked());
  EXPECT_FALSE(lock->acquire(kNow));
  EXPECT_FALSE(lock->acquire(kSoon));
  Elsewhere([&] { lock->release(); });
  EXPECT_FALSE(lock->locked());
  EXPECT_TRUE(lock->acquire(kSoon));
  EXPECT_TRUE(Elsewhere([&] { return lock->locked(); }));
  lock->release();
  EXPECT_THROW(lock->release(), std::runtime_error);
  EXPECT_THROW(Elsewhere([&] { lock->release(); }), std::runtime_error);
  go_on->set();
  holder.Join();
}

TEST_F(SyncSemantics, LockGoesToWhoWaitsAndGuardsExclude) {
  const auto lock = manager().Lock();
  const auto sum = manager().Value(0);
  const auto add = [&] {
    for (int i = 0; i < 50; ++i) {
      const std::scoped_lock guard(lock);
      sum = *sum + 1;  // Not atomic.
    }
  };
  Process one(add), two(add);
  one.Join();
  two.Join();
  EXPECT_EQ(*sum, 100);
}

// In Python it stays locked.
TEST_F(SyncSemantics, LockOfAProcessThatHasEndedIsReleased) {
  const auto lock = manager().Lock();
  Elsewhere([&] { lock->acquire(); });
  EXPECT_TRUE(lock->acquire());
  EXPECT_TRUE(lock->abandoned());
  lock->release();
}

TEST_F(SyncSemantics, RLockIsItsOwnersWhoIsAThreadOfAProcess) {
  const auto lock = manager().RLock();
  EXPECT_TRUE(lock->acquire());
  EXPECT_TRUE(lock->acquire());
  EXPECT_FALSE(Elsewhere([&] { return lock->acquire(kNow); }));
  EXPECT_THROW(Elsewhere([&] { lock->release(); }), std::runtime_error);
  // Another thread of the same process is another owner.
  bool got = true;
  std::thread([&] {
    got = lock->acquire(kNow);
    EXPECT_THROW(lock->release(), std::runtime_error);
  }).join();
  EXPECT_FALSE(got);
  lock->release();
  EXPECT_FALSE(Elsewhere([&] { return lock->acquire(kNow); }));
  lock->release();
  EXPECT_THROW(lock->release(), std::runtime_error);
  EXPECT_TRUE(Elsewhere([&] {
    const bool twice = lock->acquire(kNow) && lock->acquire(kNow);
    lock->release();
    lock->release();
    return twice;
  }));
  EXPECT_FALSE(lock->locked());
}

TEST_F(SyncSemantics, SemaphoreMayExceedItsFirstValue) {
  const auto semaphore = manager().Semaphore(1);
  EXPECT_TRUE(semaphore->acquire());
  EXPECT_FALSE(Elsewhere([&] { return semaphore->acquire(kSoon); }));
  Elsewhere([&] { semaphore->release(3); });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(semaphore->acquire(kNow));
  EXPECT_FALSE(semaphore->acquire(kNow));
}

TEST_F(SyncSemantics, BoundedSemaphoreMayNot) {
  const auto semaphore = manager().BoundedSemaphore(2);
  EXPECT_TRUE(semaphore->acquire());
  Elsewhere([&] { semaphore->release(); });  // By another than it was acquired by.
  EXPECT_THROW(semaphore->release(), std::invalid_argument);
  EXPECT_THROW(Elsewhere([&] { semaphore->release(); }), std::invalid_argument);
  // The units of a process are released when it ends.
  EXPECT_TRUE(Elsewhere([&] { return semaphore->acquire() && semaphore->acquire(); }));
  EXPECT_TRUE(semaphore->acquire() && semaphore->acquire());
}

TEST_F(SyncSemantics, ConditionSharesItsLockAndNeedsIt) {
  const auto lock = manager().Lock();
  const auto condition = manager().Condition(lock);
  const auto same = manager().Condition(lock);
  for (const auto& c : {condition, manager().Condition(), manager().Condition(manager().RLock())}) {
    EXPECT_THROW(c->wait(), std::runtime_error);
    EXPECT_THROW(c->notify(), std::runtime_error);
    EXPECT_THROW(Elsewhere([&] { c->notify_all(); }), std::runtime_error);
    EXPECT_THROW(Elsewhere([&] { c->release(); }), std::runtime_error);
  }
  const std::scoped_lock guard(condition);
  EXPECT_TRUE(lock->locked());
  EXPECT_FALSE(Elsewhere([&] { return same->acquire(kNow); }));
  // Another process's, although it is locked.
  EXPECT_THROW(Elsewhere([&] { condition->notify(); }), std::runtime_error);
}

TEST_F(SyncSemantics, ConditionWaitSaysWhetherItWasNotifiedInTime) {
  const auto condition = manager().Condition();
  {
    const std::scoped_lock guard(condition);
    EXPECT_FALSE(condition->wait(kSoon));
    condition->notify(3);  // No call waits: no error, not remembered.
  }
  EXPECT_FALSE(Elsewhere([&] {
    const std::scoped_lock guard(condition);
    return condition->wait(kSoon);
  }));
  const auto wait = [&] {
    const std::scoped_lock guard(condition);
    return condition->wait();
  };
  const auto notify = [&](int count) {
    const std::scoped_lock guard(condition);
    count < 0 ? condition->notify_all() : condition->notify(count);
  };
  Process one(wait), two(wait), three(wait), four(wait);
  AwaitWaiting(manager(), 4);
  notify(1);
  AwaitWaiting(manager(), 3);
  notify(2);
  AwaitWaiting(manager(), 1);
  notify(-1);
  for (auto* process : {&one, &two, &three, &four}) {
    process->Join();
    EXPECT_EQ(process->result(), true);
  }
}

TEST_F(SyncSemantics, WaitForAsksInTheClient) {
  const auto condition = manager().Condition();
  const auto ready = manager().Value(0);
  int here = 7;
  Process waiter([&] {
    here = 0;  // In its own memory, where the predicate runs.
    const std::scoped_lock guard(condition);
    return condition->wait_for([&] { return *ready + here; });
  });
  AwaitWaiting(manager(), 1);
  for (const int value : {0, 3}) {
    const std::scoped_lock guard(condition);
    ready = value;
    condition->notify_all();
  }
  waiter.Join();
  EXPECT_EQ(waiter.result(), 3);
  EXPECT_EQ(here, 7);
  // The last value, also when the time is over.
  ready = 0;
  EXPECT_EQ(Elsewhere([&] {
              const std::scoped_lock guard(condition);
              return condition->wait_for([&] { return *ready; }, kSoon);
            }),
            0);
}

TEST_F(SyncSemantics, EventWaitReturnsTheFlag) {
  const auto event = manager().Event();
  EXPECT_FALSE(
      Elsewhere([&] { return event->is_set() || event->wait(kNow) || event->wait(kSoon); }));
  Process one([&] { return event->wait(); });
  Process two([&] { return event->wait(absl::Hours(1)); });
  AwaitWaiting(manager(), 2);
  event->set();
  event->clear();  // The waiting processes go on all the same.
  one.Join();
  two.Join();
  EXPECT_EQ(one.result(), true);
  EXPECT_EQ(two.result(), true);
  EXPECT_FALSE(Elsewhere([&] { return event->is_set(); }));
  Elsewhere([&] { event->set(); });
  EXPECT_TRUE(event->wait());
}

TEST_F(SyncSemantics, BarrierGivesEachAnIndexAndIsReusable) {
  const auto barrier = manager().Barrier(3);
  const auto rounds = [&] {
    return std::vector{barrier->wait(), barrier->wait(), barrier->wait()};
  };
  Process one(rounds), two(rounds);
  const std::vector<std::int64_t> mine = rounds();
  one.Join();
  two.Join();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((std::set{mine[i], (*one.result())[i], (*two.result())[i]}),
              (std::set<std::int64_t>{0, 1, 2}));
  }
  EXPECT_EQ(Elsewhere([&] { return barrier->parties(); }), 3);
  EXPECT_EQ(barrier->n_waiting(), 0u);
  EXPECT_FALSE(barrier->broken());
}

// In Python it runs in the manager.
TEST_F(SyncSemantics, BarrierActionRunsOnceInTheProcessThatComesLast) {
  const auto barrier = manager().Barrier(2);
  const auto acted_in = manager().List<int>();
  const auto meet = [&] {
    const std::int64_t index = barrier->wait_and_act([&] { acted_in->push_back(getpid()); });
    return index == 1 ? 1 + static_cast<int>(acted_in->size()) : static_cast<int>(acted_in->size());
  };
  Process other(meet);
  AwaitWaiting(manager(), 1);
  EXPECT_EQ(meet(), 2);  // It has run before anybody goes on.
  other.Join();
  EXPECT_EQ(other.result(), 1);
  EXPECT_EQ(acted_in->copy(), std::vector{static_cast<int>(getpid())});
}

TEST_F(SyncSemantics, BarrierBreaksByTimeoutAndAbortUntilReset) {
  const auto barrier = manager().Barrier(3);
  const auto brief = manager().Barrier(2, kSoon);
  EXPECT_THROW(brief->wait(), BrokenBarrier);
  const auto broken = [&] {
    try {
      barrier->wait();
    } catch (const BrokenBarrier&) {
      return true;
    }
    return false;
  };
  const auto breaks = [&](auto how) {
    Process waiter(broken);
    AwaitWaiting(manager(), 1);
    EXPECT_EQ(barrier->n_waiting(), 1u);
    how();
    waiter.Join();
    EXPECT_EQ(waiter.result(), true);
  };
  breaks([&] { EXPECT_THROW(barrier->wait(kSoon), BrokenBarrier); });
  EXPECT_TRUE(Elsewhere([&] { return barrier->broken(); }));
  EXPECT_TRUE(Elsewhere(broken));
  barrier->reset();
  EXPECT_FALSE(Elsewhere([&] { return barrier->broken(); }));
  breaks([&] { barrier->abort(); });
  EXPECT_TRUE(barrier->broken());
  barrier->reset();
  breaks([&] { barrier->reset(); });  // Frees the waiting callers, and is as new.
  EXPECT_FALSE(barrier->broken());
}

TEST_F(SyncSemantics, QueueIsFirstInFirstOutAndExactAtOnce) {
  const auto q = manager().Queue<int>();
  Elsewhere([&] {
    for (int i = 0; i < 100; ++i) q->put(i);  // No limit if maxsize is not positive.
  });
  EXPECT_EQ(q->size(), 100u);
  EXPECT_FALSE(q->full());
  for (int i = 0; i < 99; ++i) ASSERT_EQ(q->get(), i);
  EXPECT_EQ(Elsewhere([&] { return q->get_nowait(); }), 99);
  EXPECT_TRUE(q->empty());
}

TEST_F(SyncSemantics, QueueIsFullOrEmptyWhenTheTimeIsOver) {
  const auto q = manager().Queue<std::string>(1);
  EXPECT_THROW(Elsewhere([&] { q->get(kSoon); }), QueueEmpty);
  EXPECT_THROW(q->get_nowait(), QueueEmpty);
  q->put("a");
  EXPECT_TRUE(Elsewhere([&] { return q->full(); }));
  EXPECT_THROW(Elsewhere([&] { q->put("b", kSoon); }), QueueFull);
  EXPECT_THROW(q->put_nowait("b"), QueueFull);
  EXPECT_THROW(q->put("b", -kSoon), std::invalid_argument);
  EXPECT_THROW(q->get(-kSoon), std::invalid_argument);
  // The waiting call has it as soon as there is room.
  Process putter([&] { q->put("b"); });
  AwaitWaiting(manager(), 1);
  EXPECT_EQ(q->get(), "a");
  EXPECT_EQ(q->get(), "b");
  putter.Join();
}

TEST_F(SyncSemantics, JoinableQueueCountsWhatIsDone) {
  const auto q = manager().JoinableQueue<int>();
  for (int i = 0; i < 20; ++i) q->put(i);
  EXPECT_FALSE(q->join(kNow));
  const auto work = [&] {
    int done = 0;
    for (; q->try_get(); ++done) q->task_done();
    return done;
  };
  Process one(work), two(work);
  q->join();
  one.Join();
  two.Join();
  EXPECT_EQ(*one.result() + *two.result(), 20);
  EXPECT_TRUE(q->join(kNow));
  EXPECT_THROW(Elsewhere([&] { q->task_done(); }), std::invalid_argument);
}

// In Python it is lost, and join() waits for ever.
TEST_F(SyncSemantics, JoinableQueueHasTheItemsOfADeadProcessAgain) {
  const auto q = manager().JoinableQueue<int>();
  q->put(1);
  q->put(2);
  EXPECT_EQ(Elsewhere([&] { return q->get(); }), 1);
  remoteobj_testing::Eventually("the item is back", [&] { return q->size() == 2; });
  EXPECT_EQ(q->get(), 1);
  EXPECT_EQ(q->get(), 2);
}

TEST_F(SyncSemantics, QueueShutdownEndsPuttingAndWaiting) {
  const auto q = manager().Queue<int>();
  q->put(1);
  Elsewhere([&] { q->shutdown(); });
  EXPECT_THROW(q->put(2), QueueShutDown);
  EXPECT_EQ(Elsewhere([&] { return q->get(); }), 1);
  EXPECT_THROW(Elsewhere([&] { q->get(); }), QueueShutDown);
  const auto waited_for = manager().Queue<int>();
  Process waiter([&] {
    try {
      waited_for->get();
    } catch (const QueueShutDown&) {
      return true;
    }
    return false;
  });
  AwaitWaiting(manager(), 1);
  waited_for->shutdown(/*immediate=*/true);
  waiter.Join();
  EXPECT_EQ(waiter.result(), true);
}

}  // namespace
}  // namespace remoteobj
