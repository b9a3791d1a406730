// SPDX-License-Identifier: MIT
//
// Clients with a restricted key that try to do more than their policy says.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/internal/serving.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

using manager_internal::NewAddress;
using manager_internal::RelayProxy;

constexpr char kKey[] = "the key of those who may do everything";
constexpr char kDashboard[] = "the key of those who may read";
constexpr char kWorker[] = "the key of those who may do jobs";
constexpr char kSizes[] = "the key of those who may ask for sizes";
constexpr char kMaker[] = "the key of those who may make objects";

struct Part {
  int number = 1;
};
REMOTEOBJ_DESCRIBE(Part, number)

// Its const methods let callers change it.
class Loose {
 public:
  Loose& itself() const { return const_cast<Loose&>(*this); }
  Part& part() const { return part_; }
  int number() const { return part_.number; }
  void set(int number) { part_.number = number; }
  int clear() { return part_.number = 0; }
  std::string key() const { return CurrentCaller().key; }
  int pid() const { return CurrentCaller().pid; }
  int uid() const { return static_cast<int>(CurrentCaller().uid.value_or(UINT32_MAX)); }
  std::uint64_t connection() const { return CurrentCaller().connection; }
  // The overload that is not const changes something.
  int look() { return ++part_.number; }
  int look() const { return part_.number; }
  static int restart() {
    static std::atomic<int> restarts = 0;
    return ++restarts;
  }

 private:
  mutable Part part_;
};
REMOTEOBJ_DESCRIBE(Loose, itself, part, number, set, clear, key, pid, uid, connection,
                   (look, int() const), restart)

struct Shelf {
  std::map<std::string, int> size = {{"a", 1}};
};
REMOTEOBJ_DESCRIBE(Shelf, size)

class RightsTest : public testing::Test {
 protected:
  RightsTest() {
    manager_.Register<Loose>("Loose");
    manager_.Register<Shelf>("Shelf");
    manager_.Start();
  }

  Manager Connect(const char* key) {
    return Manager::Connect(manager_.address(), {.authkey = key});
  }

  Manager manager_{NewAddress(),
                   {.authkey = kKey,
                    .keys = {{.name = "dashboard", .key = kDashboard, .policy = ReadOnly()},
                             {.name = "worker", .key = kWorker, .policy = {.names = {"jobs"}}},
                             {.name = "sizes", .key = kSizes, .policy = {.members = {"size"}}},
                             {.name = "maker", .key = kMaker, .policy = {.create = true}}}}};
};

template <typename F>
void ExpectNotAllowed(const std::string& policy, F f) {
  try {
    f();
    ADD_FAILURE() << "it was allowed to " << policy;
  } catch (const NotAllowed& e) {
    EXPECT_EQ(e.policy(), policy);
    EXPECT_EQ(e.status_code(), absl::StatusCode::kPermissionDenied);
    EXPECT_NE(std::string(e.what()).find(policy), std::string::npos) << e.what();
  }
}

TEST_F(RightsTest, AReadOnlyClientChangesNothing) {
  const auto dict = manager_.Dict<std::string, int>({{"a", 1}});
  const auto queue = manager_.Queue<int>();
  const auto lock = manager_.Lock();
  queue->put(1);
  manager_.Publish("dict", dict);
  manager_.Publish("queue", queue);
  manager_.Publish("lock", lock);

  const auto there = Connect(kDashboard);
  const auto d = there.Get<Dict<std::string, int>>("dict");
  const auto q = there.Get<Queue<int>>("queue");
  const auto l = there.Get<Lock>("lock");
  EXPECT_EQ(*d["a"], 1);
  EXPECT_EQ(d->items().size(), 1u);
  EXPECT_EQ(q->size(), 1u);
  EXPECT_FALSE(l->locked());
  ExpectNotAllowed("dashboard", [&] { d["a"] = 2; });
  ExpectNotAllowed("dashboard", [&] { d["a"] += 2; });
  ExpectNotAllowed("dashboard", [&] { d->clear(); });
  ExpectNotAllowed("dashboard", [&] { d->pop("a"); });
  ExpectNotAllowed("dashboard", [&] { q->get(); });
  ExpectNotAllowed("dashboard", [&] { q->put(2); });
  ExpectNotAllowed("dashboard", [&] { l->acquire(); });
  EXPECT_EQ(*dict["a"], 1);
  EXPECT_EQ(queue->size(), 1u);
}

TEST_F(RightsTest, AReadOnlyClientChangesNothingBehindConstMethods) {
  const auto loose = manager_.Create<Loose>("Loose");
  manager_.Publish("loose", loose);
  const auto there = Connect(kDashboard).Get<Proxy<Loose>>("loose");
  const View number = View().GetAttribute("part").Call().GetAttribute("number");
  EXPECT_EQ(there.Of(number).Get<int>(), 1);
  ExpectNotAllowed("dashboard", [&] { there->set(2); });
  ExpectNotAllowed("dashboard", [&] { there.Of(number).Set(2); });
  const View itself = View().GetAttribute("itself").Call();
  ExpectNotAllowed("dashboard", [&] { there.Of(itself.GetAttribute("clear").Call()).Get<int>(); });
  EXPECT_EQ(loose->number(), 1);
  loose->set(2);
  EXPECT_EQ(there->number(), 2);
}

TEST_F(RightsTest, AMethodIsToldTheUserThatCalls) {
  const auto loose = manager_.Create<Loose>("Loose");
  EXPECT_EQ(loose->uid(), static_cast<int>(getuid()));
}

// Also the program that starts the manager.
TEST_F(RightsTest, AUserIsRestrictedByTheUsersPolicy) {
  Manager manager(NewAddress(),
                  {.authkey = kKey,
                   .keys = {{.name = "maker", .key = kMaker, .policy = {.create = true}}},
                   .users = {{.uid = getuid(), .policy = ReadOnly()}}});
  manager.Start();
  const std::string user = absl::StrCat("uid ", getuid());
  ExpectNotAllowed(user, [&] { manager.Value<int>(1); });
  ExpectNotAllowed(user, [&] { manager.Unpublish("name"); });
  // A restricted key comes first.
  Manager maker = Manager::Connect(manager.address(), {.authkey = kMaker});
  maker.Value<int>(1) = 2;
}

TEST_F(RightsTest, AReadOnlyClientCallsTheConstOverload) {
  const auto loose = manager_.Create<Loose>("Loose");
  manager_.Publish("loose", loose);
  const auto there = Connect(kDashboard).Get<Proxy<Loose>>("loose");
  EXPECT_EQ(there->look(), 1);
  EXPECT_EQ(loose->look(), 1) << "as it is described, for every client";
  EXPECT_EQ(loose->number(), 1);
}

TEST_F(RightsTest, AReadOnlyClientCallsNoStaticFunction) {
  const auto loose = manager_.Create<Loose>("Loose");
  manager_.Publish("loose", loose);
  const auto there = Connect(kDashboard).Get<Proxy<Loose>>("loose");
  const int before = loose->restart();
  ExpectNotAllowed("dashboard", [&] { there->restart(); });
  EXPECT_EQ(loose->restart(), before + 1);
}

TEST_F(RightsTest, AClientGetsTheNamesOfItsPolicyOnly) {
  manager_.Publish("jobs", manager_.Queue<int>());
  manager_.Publish("secret", manager_.Queue<int>());
  auto there = Connect(kWorker);
  there.Get<Queue<int>>("jobs")->put(1);
  EXPECT_EQ(there.Get<Queue<int>>("jobs")->get(), 1);
  EXPECT_EQ(there.Names(), std::vector<std::string>{"jobs"});
  ExpectNotAllowed("worker", [&] { there.Get<Queue<int>>("secret"); });
  ExpectNotAllowed("worker", [&] { there.Get<Queue<int>>("not there"); });
  ExpectNotAllowed("worker", [&] { there.Inspect(); });
  ExpectNotAllowed("worker", [&] { there.Unpublish("jobs"); });
  ExpectNotAllowed("worker", [&] { there.Publish("mine", there.Get<Queue<int>>("jobs")); });
  ExpectNotAllowed("worker", [&] { there.Queue<int>(); });
  ExpectNotAllowed("worker", [&] { there.GetOrCreate<Queue<int>>("mine"); });
}

TEST_F(RightsTest, AnObjectCanBePublishedForOneKey) {
  manager_.Publish("audit", manager_.List<int>(), {.allow = {"dashboard"}});
  EXPECT_EQ(Connect(kDashboard).Get<List<int>>("audit")->size(), 0u);
  EXPECT_EQ(Connect(kKey).Get<List<int>>("audit")->size(), 0u);
  ExpectNotAllowed("sizes", [&] { Connect(kSizes).Get<List<int>>("audit"); });
}

// An honest client that publishes it as before made it everybody's.
TEST_F(RightsTest, ToPublishAnObjectAgainDoesNotOpenIt) {
  const auto audit = manager_.List<int>();
  manager_.Publish("audit", audit, {.allow = {"dashboard"}});
  manager_.Publish("audit", audit);
  ExpectNotAllowed("sizes", [&] { Connect(kSizes).Get<List<int>>("audit"); });
}

TEST_F(RightsTest, AClientUsesTheMembersOfItsPolicyOnly) {
  manager_.Publish("jobs", manager_.Queue<int>());
  const auto there = Connect(kSizes).Get<Queue<int>>("jobs");
  EXPECT_EQ(there->size(), 0u);
  ExpectNotAllowed("sizes", [&] { there->put(1); });
}

// Items have no names.
TEST_F(RightsTest, AClientWithMembersChangesNoItems) {
  const auto shelf = manager_.Create<Shelf>("Shelf");
  manager_.Publish("shelf", shelf);
  const auto there = Connect(kSizes).Get<Proxy<Shelf>>("shelf");
  EXPECT_EQ(*there->size["a"], 1);
  ExpectNotAllowed("sizes", [&] { there->size["a"] = 2; });
  ExpectNotAllowed("sizes", [&] { there->size["a"].Delete(); });
  EXPECT_EQ(*shelf->size["a"], 1);
}

TEST_F(RightsTest, AClientUsesTheObjectsThatItMakesAndIsGiven) {
  auto there = Connect(kMaker);
  const auto made = there.Dict<int, int>();
  made[1] = 2;
  EXPECT_EQ(*made[1], 2);
  const auto outer = manager_.Dict<std::string, Dict<int, int>>();
  const auto inner = manager_.Dict<int, int>({{1, 5}});
  outer->insert("inner", inner);
  manager_.Publish("outer", outer);
  const auto given = *there.Get<Dict<std::string, Dict<int, int>>>("outer")["inner"];
  EXPECT_EQ(*given[1], 5);
}

TEST_F(RightsTest, ALockOfAnotherClientIsNotReleased) {
  const auto lock = manager_.Lock();
  manager_.Publish("lock", lock);
  lock->acquire();
  const auto there = Connect(kMaker).Get<Lock>("lock");
  ExpectNotAllowed("maker", [&] { there->release(); });
  EXPECT_TRUE(lock->locked());
  lock->release();
  there->acquire();
  there->release();
}

int Twice(int n) { return 2 * n; }

TEST_F(RightsTest, TheCallsOfAPoolAreTakenByItsProcessesOnly) {
  const auto pool = manager_.Pool(1);
  const RelayProxy guess({pool.referent()}, "Pool");
  EXPECT_THROW(guess->take("guess"), NotAllowed);
  EXPECT_THROW(guess->answer("", 1, manager_internal::AnswerKind::kValue, AnyValue::Of(1)),
               NotAllowed);
  EXPECT_EQ(pool->apply(Twice, 3), 6);
  manager_.Publish("pool", pool);
  const auto there = Connect(kMaker).Get<Pool>("pool");
  ExpectNotAllowed("maker", [&] { there->close(); });
  ExpectNotAllowed("maker", [&] { there->terminate(); });
  ExpectNotAllowed("maker", [&] { there->apply(Twice, 3); });
  EXPECT_EQ(pool->apply(Twice, 4), 8);
}

// A batch whose first chain names "create", and fails, made its results objects of its own.
TEST_F(RightsTest, ABatchDoesNotMakeAForeignPoolOneOfItsOwn) {
  const auto pool = manager_.Pool(1);
  const auto dict = manager_.Dict<std::string, Pool>();
  dict->insert("pool", pool);
  manager_.Publish("dict", dict);
  manager_.Publish("pool", pool);
  const auto there = Connect(kMaker);
  const auto d = there.Get<Dict<std::string, Pool>>("dict");
  const auto channel = [&]() -> Channel& { return d.referent()->channel(); };
  channel().Call(
      [&](RequestWriter request) {
        request.SetTarget(0);
        const OperationsWriter operations = request.Operations(4);
        operations.Set(0, OperationKind::kGetAttribute, "create", 0);
        operations.Set(1, OperationKind::kNext, {}, 0);
        Codec<Reference>::Encode({d.referent()}, operations.Arguments(1, 1)[0]);
        operations.Set(2, OperationKind::kGetAttribute, "at", 0);
        operations.Set(3, OperationKind::kCall, {}, 0);
        Encode<std::string>("pool", operations.Arguments(3, 1)[0]);
      },
      [](const OutcomeReader&) {}, Deadline::After(absl::Minutes(1)));
  ExpectNotAllowed("maker", [&] { there.Get<Pool>("pool")->terminate(); });
  EXPECT_EQ(pool->apply(Twice, 4), 8);
}

TEST_F(RightsTest, AMethodLearnsWhoCalls) {
  const auto loose = manager_.Create<Loose>("Loose");
  manager_.Publish("loose", loose);
  EXPECT_EQ(loose->key(), "");
  EXPECT_EQ(loose->pid(), getpid());
  const auto there = Connect(kDashboard).Get<Proxy<Loose>>("loose");
  EXPECT_EQ(there->key(), "dashboard");
  EXPECT_NE(there->connection(), loose->connection());
  EXPECT_THROW(CurrentCaller(), std::logic_error);
}

TEST(RightsOptionsTest, ARestrictedKeyHasAName) {
  EXPECT_THROW(Manager(ManagerOptions{.keys = {{.key = kWorker}}}), std::invalid_argument);
  // It would get what is published for that user.
  EXPECT_THROW(Manager(ManagerOptions{.keys = {{.name = "uid 0", .key = kWorker}}}),
               std::invalid_argument);
}

TEST(RightsOptionsTest, AShortKeyBesideALongOneIsRefused) {
  EXPECT_THROW(
      Manager("tcp:127.0.0.1:0", {.authkey = std::string(32, 'k'),
                                  .keys = {{.name = "short", .key = std::string(15, 'k')}}}),
      std::invalid_argument);
}

}  // namespace
}  // namespace remoteobj
