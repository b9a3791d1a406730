// SPDX-License-Identifier: MIT
//
// The life of a manager, between processes, as in Python but for what TYPES.md names.
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {

// In the manager's process.
int bonus = 0;

struct Account {
  explicit Account(int start) : balance(start + bonus) {}
  int Add(int n) { return balance += n; }
  int Where() { return getpid(); }
  int balance = 0;
};
REMOTEOBJ_DESCRIBE(Account, Add, Where, balance)

namespace {

using manager_internal::AwaitWaiting;
using manager_internal::Elsewhere;
using manager_internal::NewAddress;

TEST(ManagerSemantics, StatesAreInitialStartedShutDown) {
  Manager manager;
  manager.Start();
  EXPECT_THROW(manager.Start(), std::logic_error);
  EXPECT_THROW(manager.ServeForever(), std::logic_error);
  EXPECT_THROW((manager.Register<Account, int>("Account")), std::logic_error);
  manager.Shutdown();
  EXPECT_THROW(manager.Start(), std::logic_error);
  EXPECT_THROW(manager.ServeForever(), std::logic_error);
  EXPECT_THROW(manager.List<int>(), std::logic_error);
}

// In Python it has to be started first.
TEST(ManagerSemantics, TheFirstUseStartsIt) {
  Manager manager;
  EXPECT_EQ(manager.pid(), 0);
  const auto l = manager.List<int>();
  Elsewhere([&] { l->push_back(1); });
  EXPECT_EQ(l->size(), 1u);
}

TEST(ManagerSemantics, TheInitializerRunsInTheManagerBeforeItServes) {
  Manager manager(ManagerOptions{.initializer = [] { bonus = 7; }});
  manager.Register<Account, int>("Account");
  manager.Start();
  const auto account = manager.Create<Account>("Account", 1);
  EXPECT_EQ(Elsewhere([&] { return account->Add(0); }), 8);
  EXPECT_EQ(bonus, 0);
  Manager fails(ManagerOptions{.initializer = [] { throw std::out_of_range("as told"); }});
  EXPECT_THROW(fails.Start(), std::out_of_range);
}

TEST(ManagerSemantics, TheAddressIsChosenAndThePortReadable) {
  Manager here;
  const std::string address = here.address();
  here.Start();
  EXPECT_EQ(here.address(), address);  // Known before.
  Manager tcp("tcp:127.0.0.1:0");
  tcp.Start();
  EXPECT_NE(tcp.address(), "tcp:127.0.0.1:0");
  for (Manager* manager : {&here, &tcp}) {
    EXPECT_EQ(Elsewhere([&] { return Manager::Connect(manager->address()).object_count(); }), 0u);
  }
}

TEST(ManagerSemantics, WhoHasOnlyConnectedCanNotShutItDown) {
  Manager manager;
  manager.Start();
  EXPECT_THROW(Elsewhere([&] { Manager::Connect(manager.address()).Shutdown(); }),
               std::logic_error);
  // Its end is not the manager's.
  EXPECT_EQ(manager.object_count(), 0u);
}

TEST(ManagerSemantics, AManagerIsNoValue) { static_assert(!std::is_copy_constructible_v<Manager>); }

Manager ConnectWhenServing(const std::string& address) {
  return Manager::Connect(address, {.wait_until_serving = true});
}

TEST(ManagerSemantics, ServeForeverServesInTheCallingProcess) {
  const std::string address = NewAddress();
  Process server([&] {
    Manager manager(address);
    manager.Register<Account, int>("Account");
    std::thread stopper([&] {
      ConnectWhenServing(address).GetOrCreate<Event>("stop")->wait();
      manager.Stop();
    });
    manager.ServeForever();
    stopper.join();
    return 7;
  });
  Manager there = ConnectWhenServing(address);
  EXPECT_EQ(there.Create<Account>("Account", 1)->Where(), server.pid());
  there.GetOrCreate<Event>("stop")->set();
  server.Join();
  EXPECT_EQ(server.result(), 7);
}

bool Runs(pid_t pid) { return kill(pid, 0) == 0; }

TEST(ManagerSemantics, ShutdownIsIdempotentAndEndsWhatDoesNotListen) {
  Manager manager(ManagerOptions{.shutdown_timeout = absl::Milliseconds(20)});
  for (const bool listens : {true, false}) {
    manager = Manager(ManagerOptions{.shutdown_timeout = absl::Milliseconds(20)});
    manager.Start();
    const pid_t pid = manager.pid();
    if (!listens) kill(pid, SIGSTOP);
    EXPECT_TRUE(Runs(pid));
    manager.Shutdown();
    manager.Shutdown();
    EXPECT_FALSE(Runs(pid));
  }
}

TEST(ManagerSemantics, JoinWaitsForItsEnd) {
  Manager manager;
  manager.Start();
  EXPECT_FALSE(manager.Join(absl::Milliseconds(5)));
  kill(manager.pid(), SIGKILL);
  EXPECT_TRUE(manager.Join());
}

TEST(ManagerSemantics, TheEndOfItsScopeEndsIt) {
  std::optional<Dict<int, int>> d;
  pid_t pid;
  {
    Manager manager;
    manager.Start();  // A scope takes one that is started already.
    pid = manager.pid();
    d = manager.Dict<int, int>();
    Elsewhere([&] { (*d)[1] = 2; });
  }
  EXPECT_FALSE(Runs(pid));
  EXPECT_THROW((*d)->size(), NotListening);
  EXPECT_THROW(Elsewhere([&] { (*d)->size(); }), NotListening);
}

TEST(ManagerSemantics, AnAddressIsReusableAtOnce) {
  std::string address = "tcp:127.0.0.1:0";
  for (int i = 0; i < 4; ++i) {
    Manager manager(address);
    manager.Start();
    address = manager.address();
    EXPECT_EQ(Elsewhere([&] { return Manager::Connect(address).object_count(); }), 0u);
    manager.Shutdown();
  }
}

TEST(ManagerSemantics, SigintDoesNotEndIt) {
  Manager manager;
  const auto l = manager.List<int>({1});
  kill(manager.pid(), SIGINT);
  EXPECT_EQ(Elsewhere([&] { return l->size(); }), 1u);
  EXPECT_FALSE(manager.Join(absl::Milliseconds(5)));
}

TEST(ManagerSemantics, AfterItsEndCallsSayThatNobodyListens) {
  for (const bool killed : {false, true}) {
    Manager manager;
    const auto q = manager.Queue<int>();
    Process waiter([&] {
      try {
        q->get();
      } catch (const ListenerDied&) {
        return 1;
      } catch (const NotListening&) {
        return 2;
      }
      return 0;
    });
    AwaitWaiting(manager, 1);
    killed ? static_cast<void>(kill(manager.pid(), SIGKILL)) : manager.Shutdown();
    waiter.Join();
    EXPECT_EQ(waiter.result(), killed ? 1 : 2);
    EXPECT_TRUE(manager.Join());
    EXPECT_THROW(Elsewhere([&] { q->size(); }), NotListening);
    EXPECT_THROW(manager.Start(), std::logic_error);  // It was started.
  }
}

TEST(ManagerSemantics, TheKeyIsInheritedByChildren) {
  Manager manager;
  manager.Start();
  EXPECT_EQ(Elsewhere([&] { return ProcessAuthkey(); }), ProcessAuthkey());
  EXPECT_EQ(Elsewhere([&] { return Manager::Connect(manager.address()).object_count(); }), 0u);
}

TEST(ManagerSemantics, AWrongKeyIsRefusedAndOthersAreServedOn) {
  Manager manager("", {.authkey = "the key"});
  const auto q = manager.Queue<int>();
  Process waiter([&] { return q->get(); });
  AwaitWaiting(manager, 1);
  for (const char* key : {"another", ""}) {
    EXPECT_THROW(Elsewhere([&] { Manager::Connect(manager.address(), {.authkey = key}); }),
                 AuthenticationError);
  }
  q->put(1);
  waiter.Join();
  EXPECT_EQ(waiter.result(), 1);
}

TEST(ManagerSemantics, OnlyWhatIsRegisteredCanBeMadeAndNoCodeIsTaken) {
  Manager manager;
  manager.Register<Account, int>("Account");
  const auto account = manager.Create<Account>("Account", 1);
  for (const char* type : {"", "Bank"}) {
    EXPECT_THROW(Elsewhere([&] { Manager::Connect(manager.address()).Create<Account>(type, 1); }),
                 std::invalid_argument);
  }
  EXPECT_THROW(Elsewhere([&] { account.PassTo([](Account& a) { return a.balance; }); }), BadValue);
  EXPECT_EQ(account->Add(1), 2);
}

TEST(ManagerSemantics, TypesAreOfTheManagerThatTheyWereRegisteredWith) {
  Manager one;
  one.Register<Account, int>("Account", {.exposed = {"Add"}});
  one.Register<Account, int>(
      "Rich", {.factory = [](int n) { return std::make_unique<Account>(1000 * n); }});
  EXPECT_THROW((one.Register<Account, int>("Account")), std::logic_error);
  Manager other;
  other.Register<Account, int>("Account");
  other.Start();
  const auto poor = one.Create<Account>("Account", 1);
  EXPECT_EQ(Elsewhere([&] { return poor->Add(1); }), 2);
  EXPECT_THROW(Elsewhere([&] { poor->Where(); }), NotExposed);
  EXPECT_EQ(Elsewhere([&] { return one.Create<Account>("Rich", 1)->Add(1); }), 1001);
  EXPECT_EQ(Elsewhere([&] { return other.Create<Account>("Account", 1)->Where(); }), other.pid());
  EXPECT_THROW(other.Create<Account>("Rich", 1), std::invalid_argument);
}

TEST(ManagerSemantics, InspectionNamesObjectsAndClients) {
  Manager manager;
  const auto q = manager.Queue<int>();
  manager.Publish("jobs", q);
  Process waiter([&] { q->get(); });
  AwaitWaiting(manager, 1);
  const Inspection inspection = manager.Inspect();
  ASSERT_EQ(inspection.objects.size(), 1u);
  const ObjectInfo& jobs = inspection.objects[0];
  EXPECT_EQ(jobs.id, q.referent()->id());
  EXPECT_EQ(jobs.type_id + ", " + jobs.type + ", " + jobs.name, "Queue, Queue<int>, jobs");
  EXPECT_GE(jobs.references, 3u);  // Two clients, and the name.
  ASSERT_EQ(inspection.clients.size(), 2u);
  EXPECT_EQ(inspection.clients[0].pid, getpid());
  EXPECT_EQ(inspection.clients[1].pid, waiter.pid());
  q->put(1);
}

}  // namespace
}  // namespace remoteobj
