// SPDX-License-Identifier: MIT
//
// The operations of a Proxy (Async, TryCall, Timeout, Lazy, Batch) with the built-in objects of a
// manager.
#include <signal.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/barrier.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/lock.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/set.h"
#include "remoteobj/manager/value.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/errors.h"

namespace app {

struct Counter {
  int count = 0;
  int Add(int by) { return count += by; }
};
REMOTEOBJ_DESCRIBE(Counter, count, Add)

struct Team {
  std::string name = {};
  std::map<std::string, std::vector<remoteobj::Dict<std::string, int>>> scores = {};
};
REMOTEOBJ_DESCRIBE(Team, name, scores)

}  // namespace app

namespace remoteobj {
namespace {

// With a client that uses shared memory, and with one that uses only the socket.
class CompositionTest : public testing::TestWithParam<bool> {
 protected:
  CompositionTest() : manager_({.shared_memory = GetParam()}) {
    manager_.Register<app::Counter>("Counter");
    manager_.Start();
  }

  Manager manager_;
};

std::string RefusalOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const BadValue& e) {
    return e.what();
  }
  return "not refused";
}

INSTANTIATE_TEST_SUITE_P(, CompositionTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "SharedMemory" : "Socket"; });

TEST_P(CompositionTest, AWaitingCallIsAFuture) {
  const auto queue = manager_.Queue<int>();
  Future<int> item = queue->get.Async();
  EXPECT_FALSE(item.ready());
  EXPECT_THROW(item.Get(absl::Milliseconds(5)), DeadlineExceeded);
  queue->put(7);
  EXPECT_EQ(item.Get(), 7);

  const auto event = manager_.Event();
  Future<bool> set = event->wait.Async();
  event->set();
  EXPECT_TRUE(set.Get());

  const auto barrier = manager_.Barrier(2);
  Future<std::int64_t> first = barrier->wait.Async();
  EXPECT_EQ(barrier->wait(), 1);
  EXPECT_EQ(first.Get(), 0);
}

TEST_P(CompositionTest, AFutureOfALockHasItWhenItIsReleased) {
  const auto lock = manager_.Lock();
  Process<bool> holder([&] {
    lock->acquire();
    lock->release();
    return true;
  });
  holder.Join();
  lock->acquire();
  Future<bool> mine = lock->acquire.Async();
  EXPECT_FALSE(mine.ready());
  lock->release();
  EXPECT_TRUE(mine.Get());
  EXPECT_TRUE(lock->locked());
}

TEST_P(CompositionTest, AFutureThatIsDroppedLeavesItsItem) {
  const auto queue = manager_.Queue<int>();
  {
    const Future<int> dropped = queue->get.Async();
  }
  queue->put(7);
  EXPECT_EQ(queue->get(absl::Seconds(10)), 7);
}

TEST_P(CompositionTest, ErrorsAreStatuses) {
  const auto dict = manager_.Dict<std::string, int>({{"a", 1}});
  EXPECT_EQ(*dict->at.TryCall("a"), 1);
  const absl::StatusOr<int> missing = dict->at.TryCall("b");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kOutOfRange) << missing.status();
  EXPECT_EQ(*dict["a"].TryGet(), 1);
  EXPECT_TRUE(dict["c"].TrySet(3).ok());
  EXPECT_EQ(dict["b"].TryDelete().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(dict["c"].Async().Get(), 3);

  const auto queue = manager_.Queue<int>();
  EXPECT_FALSE(queue->get.TryCall(absl::ZeroDuration()).ok());
}

TEST_P(CompositionTest, ATimeoutGivesTheCallUp) {
  const auto event = manager_.Event();
  EXPECT_THROW(event->wait.Timeout(absl::Milliseconds(5))(), DeadlineExceeded);
  const auto queue = manager_.Queue<int>();
  EXPECT_THROW(queue.Timeout(absl::Milliseconds(5))->get(), DeadlineExceeded);
  queue->put(7);
  EXPECT_EQ(queue->get(absl::Seconds(10)), 7) << "it went to the call that was given up";
}

TEST_P(CompositionTest, ALazyCallIsEvaluatedEachTime) {
  const auto list = manager_.List<int>({1, 2});
  const auto last = list->back.Lazy();
  EXPECT_EQ(*last, 2);
  list->push_back(3);
  EXPECT_EQ(*last, 3);
}

TEST_P(CompositionTest, ErrorsSayWhatWasCalledOnWhat) {
  const auto dict = manager_.Dict<std::string, int>();
  const auto as_texts = [&] {
    return proxy_internal::ProxyAccess::Make<DictInterface<std::string, std::string>>(
        proxy_internal::SessionOf(dict.referent()->type(), {dict.referent()}), View(),
        absl::InfiniteDuration());
  }();
  dict["a"] = 1;
  try {
    as_texts->at("a");
    ADD_FAILURE() << "an int is no text";
  } catch (const BadValue& e) {
    EXPECT_EQ(std::string(e.what()).rfind("(Dict<std::string, int>.at(\"a\"))", 0), 0u) << e.what();
  }
}

TEST_P(CompositionTest, ABatchOnOneObject) {
  const auto list = manager_.List<int>();
  Batch batch;
  for (int i = 0; i < 100; ++i) batch.Call(list->push_back, i);
  Future<std::size_t> size = batch.Call(list->size);
  Future<int> missing = batch.Call(list->at, 1000);
  Future<int> last = batch.Call(list->back);
  EXPECT_THROW(batch.Send().Get(), std::out_of_range);
  EXPECT_EQ(size.Get(), 100u);
  EXPECT_THROW(missing.Get(), std::out_of_range);
  EXPECT_EQ(last.Get(), 99);
}

TEST_P(CompositionTest, ABatchOnSeveralObjects) {
  const auto dict = manager_.Dict<std::string, int>({{"a", 1}, {"b", 2}});
  const auto list = manager_.List<int>();
  const auto set = manager_.Set<int>({1, 2});
  const auto value = manager_.Value<int>(5);
  Batch batch;
  Future<std::size_t> erased = batch.Call(dict->erase, "a");
  batch.Call(list->push_back, 5);
  batch.Call(list->push_back, 6);
  Future<std::size_t> left = batch.Call(dict->size);
  Future<bool> has = batch.Call(set->contains, 2);
  Future<int> before = batch.Call(value->exchange, 6);
  batch.Send().Get();
  EXPECT_EQ(erased.Get(), 1u);
  EXPECT_EQ(left.Get(), 1u);
  EXPECT_TRUE(has.Get());
  EXPECT_EQ(before.Get(), 5);
  EXPECT_EQ(list->copy(), (std::vector<int>{5, 6}));
}

TEST_P(CompositionTest, AnOperationOfABatchThatWouldWaitFailsAndTheOthersGoOn) {
  const auto empty = manager_.Queue<int>();
  const auto full = manager_.Queue<int>(1);
  full->put(1);
  const auto event = manager_.Event();
  Batch batch;
  Future<int> item = batch.Call(empty->get);
  batch.Call(empty->put, 7);
  Future<int> next = batch.Call(empty->get);
  Future<void> no_room = batch.Call(full->put, 2);
  Future<bool> waited = batch.Call(event->wait);
  batch.Call(event->set);
  Future<bool> set = batch.Call(event->wait);
  Future<void> all = batch.Send();
  EXPECT_THROW(all.Get(), WouldWait);
  EXPECT_THROW(item.Get(), WouldWait);
  EXPECT_EQ(next.Get(), 7);
  EXPECT_THROW(no_room.Get(), WouldWait);
  EXPECT_THROW(waited.Get(), WouldWait);
  EXPECT_TRUE(set.Get());
  EXPECT_EQ(full->size(), 1u);
}

TEST_P(CompositionTest, ABatchTakesObjectsOfOneManager) {
  Manager another;
  const auto here = manager_.List<int>();
  const auto there = another.List<int>();
  Batch batch;
  batch.Call(here->push_back, 1);
  Future<void> theirs = batch.Call(there->push_back, 2);
  EXPECT_THROW(
      {
        Future<void> all = batch.Send();
        all.Get();
      },
      BadValue);
  EXPECT_EQ(there->size(), 0u);
}

TEST_P(CompositionTest, AUsersTypeIsSpelledTheSameWay) {
  const auto counter = manager_.Create<app::Counter>("Counter");
  EXPECT_EQ(counter->Add.Async(2).Get(), 2);
  EXPECT_EQ(*counter->Add.TryCall(3), 5);
  Batch batch;
  batch.Call(counter->Add, 1);
  Future<int> count = batch.Get(counter->count);
  batch.Send().Get();
  EXPECT_EQ(count.Get(), 6);
  // Its methods run on a thread, the built-in objects' do not.
  const auto list = manager_.List<int>();
  batch.Call(list->push_back, 1);
  Future<int> refused = batch.Call(counter->Add, 1);
  EXPECT_THROW(batch.Send().Get(), BadValue);
  EXPECT_THROW(refused.Get(), BadValue);
  EXPECT_EQ(list->size(), 1u);
}

TEST_P(CompositionTest, WhatADeadProcessGotByABatchComesBack) {
  const auto lock = manager_.Lock();
  const auto jobs = manager_.JoinableQueue<int>();
  jobs->put(7);
  Process<void> doomed({.raises = false}, [&] {
    Batch batch;
    batch.Call(lock->acquire);
    batch.Call(jobs->get);
    batch.Send().Get();
    kill(getpid(), SIGKILL);
  });
  doomed.Join();
  EXPECT_TRUE(lock->acquire(absl::Seconds(30)));
  EXPECT_TRUE(lock->abandoned());
  EXPECT_EQ(jobs->get(absl::Seconds(30)), 7);
}

TEST_P(CompositionTest, ARefusedValueIsNamedByArgumentMemberAndItem) {
  Manager other;
  const auto here = manager_.Dict<std::string, int>();
  const app::Team team{.name = "a",
                       .scores = {{"b", {here}}, {"c", {here, other.Dict<std::string, int>()}}}};
  const std::string path = ".scores[\"c\"][1]";
  const auto queue = manager_.Queue<app::Team>();
  const auto dict = manager_.Dict<std::string, app::Team>();
  const auto list = manager_.List<app::Team>();
  using testing::EndsWith;
  EXPECT_THAT(RefusalOf([&] { queue->put(team); }), EndsWith(" in argument 0" + path));
  EXPECT_THAT(RefusalOf([&] { queue->put.Async(team).Get(); }), EndsWith(" in argument 0" + path));
  EXPECT_THAT(RefusalOf([&] { dict["x"] = team; }), EndsWith(" in argument 1" + path));
  EXPECT_THAT(RefusalOf([&] { list += {team}; }), EndsWith(" in argument 0[0]" + path));
  EXPECT_THAT(RefusalOf([&] { dict->update({{"x", {}}, {"y", team}}); }),
              EndsWith(" in argument 0[1][1]" + path));
  EXPECT_THAT(RefusalOf([&] { dict->update({{"x", {}}, {"y", team}}); }),
              testing::StartsWith("(Dict<std::string, app::Team>.update("));
  EXPECT_TRUE(queue->empty() && dict->empty() && list->empty());
}

}  // namespace
}  // namespace remoteobj
