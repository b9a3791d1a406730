// SPDX-License-Identifier: MIT
//
// The twins of throwing operations that return a status: each of them once where it succeeds, and
// once where it fails.
#include "absl/status/status.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/except/try.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/testing/eventually.h"

namespace remoteobj {

struct Gauge {
  int level = 0;
};
REMOTEOBJ_DESCRIBE(Gauge, level)

namespace {

using absl::StatusCode;
using manager_internal::NewAddress;
using remoteobj_testing::Eventually;

// An operation's name, its status, and the code that this should have.
struct Row {
  Row(std::string_view operation, const absl::Status& got, StatusCode code)
      : name(operation), status(got), expected(code) {}
  template <typename T>
  Row(std::string_view operation, const absl::StatusOr<T>& got, StatusCode code)
      : Row(operation, got.status(), code) {}

  std::string_view name;
  absl::Status status;
  StatusCode expected;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    EXPECT_EQ(row.status.code(), row.expected) << row.name << ": " << row.status;
    EXPECT_EQ(row.status.ok(), row.status.message().empty()) << row.name;
  }
}

constexpr StatusCode kOk = StatusCode::kOk;

// The codes of operations on an object whose manager has shut down.
class StatusTest : public testing::Test {
 protected:
  static constexpr StatusCode kGone = StatusCode::kUnavailable;

  Manager manager_;
};

TEST_F(StatusTest, OfAManager) {
  Manager another(NewAddress());
  const Manager& constant = another;
  Check({
      {"TryRegister", another.TryRegister<Gauge>("Gauge"), kOk},
      {"TryNames of none", constant.TryNames(), StatusCode::kFailedPrecondition},
      {"TryInspect of none", constant.TryInspect(), StatusCode::kFailedPrecondition},
      {"TryObjectCount of none", constant.TryObjectCount(), StatusCode::kFailedPrecondition},
      {"TryStart", another.TryStart(), kOk},
      {"TryStart again", another.TryStart(), StatusCode::kFailedPrecondition},
      {"TryServeForever of a started one", another.TryServeForever(),
       StatusCode::kFailedPrecondition},
      {"TryRegister too late", another.TryRegister<Gauge>("Late"), StatusCode::kFailedPrecondition},
      {"TryConnect to none", Manager::TryConnect(NewAddress()), StatusCode::kUnavailable},
      {"TryConnect to no address", Manager::TryConnect("?"), StatusCode::kInvalidArgument},
      {"the constructor", Try([] { return Manager("?"); }), StatusCode::kInvalidArgument},
  });
  absl::StatusOr<Manager> there = Manager::TryConnect(another.address());
  ASSERT_TRUE(there.ok()) << there.status();

  const auto queue = there->TryCreate<Queue<int>>(2);
  const auto gauge = there->TryCreate<Gauge>("Gauge");
  ASSERT_TRUE(queue.ok() && gauge.ok()) << queue.status() << gauge.status();
  Check({
      {"TryCreate", there->TryCreate<Gauge>("Meter"), StatusCode::kInvalidArgument},
      {"TryPublish", there->TryPublish("q", *queue), kOk},
      {"TryPublish a proxy", there->TryPublish("g", *gauge), kOk},
      {"TryPublish another", there->TryPublish("q", *gauge), StatusCode::kInvalidArgument},
      {"TryGet", there->TryGet<Queue<int>>("q"), kOk},
      {"TryGet of a user's type", there->TryGet<Proxy<Gauge>>("g"), kOk},
      {"TryGet of another type", there->TryGet<Event>("q"), StatusCode::kInvalidArgument},
      {"TryGet of no name", there->TryGet<Event>("none"), StatusCode::kOutOfRange},
      {"TryGetOrCreate, get", there->TryGetOrCreate<Queue<int>>("q", 2), kOk},
      {"TryGetOrCreate, create", there->TryGetOrCreate<Event>("e"), kOk},
      {"TryGetOrCreate of another type", there->TryGetOrCreate<Event>("q"),
       StatusCode::kInvalidArgument},
      {"TryUnpublish", there->TryUnpublish("g"), kOk},
      {"TryUnpublish again", there->TryUnpublish("g"), StatusCode::kOutOfRange},
      {"TryInspect", there->TryInspect(), kOk},
      {"TryPool", there->TryPool(1), kOk},
      {"TryShutdown of one that was connected to", there->TryShutdown(),
       StatusCode::kFailedPrecondition},
      {"TryJoin", another.TryJoin(absl::ZeroDuration()), StatusCode::kDeadlineExceeded},
  });
  EXPECT_EQ(there->TryNames().value(), (std::vector<std::string>{"e", "q"}));
  EXPECT_GE(there->TryObjectCount().value(), 3u);

  Check({
      {"TryShutdown", another.TryShutdown(), kOk},
      {"TryJoin of one that has ended", another.TryJoin(), kOk},
      {"TryPool", another.TryPool(1), StatusCode::kFailedPrecondition},
      {"TryPublish", there->TryPublish("g", *gauge), kGone},
      {"TryNames", there->TryNames(), kGone},
      {"TryInspect", there->TryInspect(), kGone},
      {"TryObjectCount", there->TryObjectCount(), kGone},
  });
}

TEST_F(StatusTest, OfAManagerThatServesHere) {
  Manager here(NewAddress());
  std::thread ends([&] {
    Eventually("it serves", [&] { return Manager::TryConnect(here.address()).ok(); });
    here.Stop();
  });
  EXPECT_EQ(here.TryServeForever(), absl::OkStatus());
  ends.join();
}

TEST_F(StatusTest, OfItems) {
  const auto d = manager_.Dict<std::string, std::int8_t>({{"a", 1}});
  const auto times = manager_.List<absl::Duration>({absl::Seconds(1)});
  EXPECT_EQ(d["a"].TryGet().value(), 1);
  Check({
      {"TrySet", d["a"].TrySet(2), kOk},
      {"TrySet", times[1].TrySet(absl::Seconds(2)), StatusCode::kOutOfRange},
      {"TryGet", d["b"].TryGet(), StatusCode::kOutOfRange},
      {"TryAdd", d["a"].TryAdd(120), kOk},
      {"TryAdd", d["a"].TryAdd(120), StatusCode::kUnknown},
      {"TryAdd", d["b"].TryAdd(1), StatusCode::kOutOfRange},
      {"TryAdd", times[0].TryAdd(absl::Seconds(1)), kOk},
      {"TryAdd", times[1].TryAdd(absl::Seconds(1)), StatusCode::kOutOfRange},
      {"TrySubtract", d["a"].TrySubtract(2), kOk},
      {"TrySubtract", d["b"].TrySubtract(2), StatusCode::kOutOfRange},
      {"TrySubtract", times[0].TrySubtract(absl::Seconds(1)), kOk},
      {"TryCompareExchange", d["b"].TryCompareExchange(1, 2), StatusCode::kOutOfRange},
      {"TryDelete", d["b"].TryDelete(), StatusCode::kOutOfRange},
      {"Timeout", d["a"].Timeout(absl::Seconds(60)).TryGet(), kOk},
  });
  EXPECT_EQ(*d["a"], 120);
  EXPECT_FALSE(d["a"].TryCompareExchange(1, 2).value());
  EXPECT_TRUE(d["a"].TryCompareExchange(120, 2).value());
  EXPECT_TRUE(d["a"].TryExists().value());
  EXPECT_EQ(d["a"].TryDelete(), absl::OkStatus());
  EXPECT_FALSE(d["a"].TryExists().value());

  manager_.Shutdown();
  Check({{"TryExists", d["a"].TryExists(), kGone},
         {"TryGet", d["a"].TryGet(), kGone},
         {"TrySet", d["a"].TrySet(1), kGone}});
}

TEST_F(StatusTest, OfIterations) {
  const auto d = manager_.Dict<int, int>({{1, 2}, {3, 4}});
  const auto sum = [&] {
    int sum = 0;
    for (const auto& [key, value] : d) sum += value;
    return sum;
  };
  EXPECT_EQ(Try(sum).value(), 6);
  EXPECT_EQ(Try([&] {
              for (const auto& item : d->Iterate(1)) d->insert(item.first + 10, 0);
            }).code(),
            StatusCode::kUnknown)
      << "its size has changed";
  EXPECT_EQ(Try([&] { d->Iterate(0); }).code(), StatusCode::kInvalidArgument);
  manager_.Shutdown();
  EXPECT_EQ(Try(sum).status().code(), kGone);
}

TEST_F(StatusTest, OfAValue) {
  const auto v = manager_.Value<std::int8_t>(1);
  Check({
      {"TrySet", v.TrySet(100), kOk},
      {"TryAdd", v.TryAdd(20), kOk},
      {"TryAdd", v.TryAdd(20), StatusCode::kUnknown},
      {"TrySubtract", v.TrySubtract(1), kOk},
  });
  EXPECT_EQ(v.TryGet().value(), 119);
  manager_.Shutdown();
  Check({{"TryGet", v.TryGet(), kGone},
         {"TrySet", v.TrySet(1), kGone},
         {"TryAdd", v.TryAdd(1), kGone},
         {"TrySubtract", v.TrySubtract(1), kGone}});
}

TEST_F(StatusTest, OfANamespace) {
  const auto ns = manager_.Namespace();
  Check({
      {"TrySet", ns.TrySet("x", 10), kOk},
      {"TrySet", ns.TrySet("_x", 10), StatusCode::kInvalidArgument},
      {"TryGet", ns.TryGet<int>("y"), StatusCode::kOutOfRange},
      {"TryGet", ns.TryGet<std::string>("x"), StatusCode::kInvalidArgument},
      {"TryDelete", ns.TryDelete("y"), StatusCode::kOutOfRange},
  });
  EXPECT_EQ(ns.TryGet<int>("x").value(), 10);
  EXPECT_TRUE(ns.TryHas("x").value());
  EXPECT_EQ(ns.TryNames().value(), std::vector<std::string>{"x"});
  EXPECT_EQ(ns.TryDelete("x"), absl::OkStatus());
  manager_.Shutdown();
  Check({{"TryHas", ns.TryHas("x"), kGone}, {"TryNames", ns.TryNames(), kGone}});
}

TEST_F(StatusTest, OfConditionsAndBarriers) {
  const auto changed = manager_.Condition();
  const auto barrier = manager_.Barrier(1);
  EXPECT_EQ(changed->TryWaitFor([] { return false; }).status().code(), StatusCode::kUnknown)
      << "without the lock";
  {
    const std::scoped_lock guard(changed);
    EXPECT_FALSE(changed->TryWaitFor([] { return false; }, absl::ZeroDuration()).value());
    EXPECT_TRUE(changed->TryWaitFor([] { return true; }).value());
    Check({{"TryWaitFor", changed->TryWaitFor([]() -> bool { throw std::out_of_range("far"); }),
            StatusCode::kOutOfRange}});
  }
  EXPECT_EQ(barrier->TryWaitAndAct([] {}).value(), 0);
  EXPECT_EQ(barrier->TryWaitAndAct(absl::Seconds(60), [] {}).value(), 0);
  Check({{"the action throws", barrier->TryWaitAndAct([] { throw std::invalid_argument("act"); }),
          StatusCode::kInvalidArgument},
         {"it is broken", barrier->TryWaitAndAct([] {}), StatusCode::kAborted},
         {"it is broken", barrier->TryWaitAndAct(absl::Seconds(60), [] {}), StatusCode::kAborted}});
}

// manager/errors.h has the table.
TEST_F(StatusTest, OfErrorsOfTheManagersObjects) {
  const auto queue = manager_.Queue<int>(1);
  const auto barrier = manager_.Barrier(2);
  barrier->abort();
  Batch batch;
  Future<int> get = batch.Call(queue->get);
  batch.Call(queue->size);  // A batch of one operation is a call, which waits.
  EXPECT_EQ(batch.Send().TryGet().code(), StatusCode::kFailedPrecondition);
  Check({
      {"an empty queue", queue->get_nowait.TryCall(), StatusCode::kOutOfRange},
      {"an empty queue", queue->get.TryCall(absl::ZeroDuration()), StatusCode::kOutOfRange},
      {"in a batch", get.TryGet(), StatusCode::kFailedPrecondition},
      {"room", queue->put_nowait.TryCall(1), kOk},
      {"a full queue", queue->put_nowait.TryCall(1), StatusCode::kResourceExhausted},
      {"shutdown", queue->shutdown.TryCall(true), kOk},
      {"a queue that is shut down", queue->put.TryCall(1), StatusCode::kFailedPrecondition},
      {"a broken barrier", barrier->wait.TryCall(), StatusCode::kAborted},
      {"thrown here", Try([] { throw QueueEmpty("none"); }), StatusCode::kOutOfRange},
  });
}

int Half(int x) {
  if (x % 2 != 0) throw std::out_of_range("odd");
  return x / 2;
}
int Add(int x, int y) { return x + y; }
int AddEven(int x, int y) { return Half(x) + Half(y); }
void AwaitEvent(const Event& event) { event->wait(); }

TEST_F(StatusTest, OfAPool) {
  const auto pool = manager_.Pool(1);
  const auto end = manager_.Event();
  const std::vector<int> even = {2, 4}, odd = {2, 3};
  const std::vector<std::pair<int, int>> pairs = {{2, 4}, {6, 7}};
  EXPECT_EQ(pool->TryApply(Half, 4).value(), 2);
  EXPECT_EQ(pool->TryMap(Half, even).value(), (std::vector<int>{1, 2}));
  EXPECT_EQ(pool->TryStarmap(Add, pairs).value(), (std::vector<int>{6, 13}));
  EXPECT_EQ(pool->map_async(Half, even).TryGet().value(), (std::vector<int>{1, 2}));
  EXPECT_EQ(pool->TrySize().value(), 1u);
  Future<void> waits = pool->apply_async(AwaitEvent, end);
  Check({
      {"TryJoin of an open one", pool->TryJoin(), StatusCode::kFailedPrecondition},
      {"TryClose", pool->TryClose(), kOk},
      {"TryApply of a closed one", pool->TryApply(Half, 4), StatusCode::kUnknown},
      {"TryJoin", pool->TryJoin(absl::ZeroDuration()), StatusCode::kDeadlineExceeded},
      {"set", end->set.TryCall(), kOk},
      {"TryJoin", pool->TryJoin(), kOk},
      {"apply_async", waits.TryGet(), kOk},
  });

  const auto another = manager_.Pool(1);
  MapFuture<int> fails = another->map_async(Half, odd);
  Check({
      {"TryApply", another->TryApply(Half, 3), StatusCode::kOutOfRange},
      {"TryMap", another->TryMap(Half, odd), StatusCode::kOutOfRange},
      {"TryStarmap", another->TryStarmap(AddEven, pairs), StatusCode::kOutOfRange},
      {"MapFuture::TryGet", fails.TryGet(), StatusCode::kOutOfRange},
      {"imap", Try([&] {
         for (const int half : another->imap(Half, odd)) EXPECT_EQ(half, 1);
       }),
       StatusCode::kOutOfRange},
      {"TryTerminate", another->TryTerminate(), kOk},
      {"TryApply of a terminated one", another->TryApply(Half, 4), kGone},
  });
  manager_.Shutdown();
  Check({{"TrySize", pool->TrySize(), kGone},
         {"TryClose", pool->TryClose(), kGone},
         {"TryTerminate", pool->TryTerminate(), kGone}});
}

}  // namespace
}  // namespace remoteobj
