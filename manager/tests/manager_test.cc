// SPDX-License-Identifier: MIT
#include "remoteobj/manager/manager.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <exception>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {

struct Foo {
  Foo() = default;
  explicit Foo(int start) : value(start) {}
  int Add(int n) { return value += n; }
  int Where() { return getpid(); }
  int Hidden() { return 1; }
  void Fail() { throw std::out_of_range("as told"); }
  int value = 0;
};
REMOTEOBJ_DESCRIBE(Foo, Add, Where, Hidden, Fail, value)

// Makes others.
struct Shop {
  Proxy<Foo> Make(int start) { return Share(std::make_shared<Foo>(start)); }
  int Sum(const std::vector<Proxy<Foo>>& foos) {
    int sum = 0;
    for (const Proxy<Foo>& foo : foos) sum += *foo->value;
    return sum;
  }
};
REMOTEOBJ_DESCRIBE(Shop, Make, Sum)

// A proxy as a part of a value.
struct Results {
  Dict<std::string, int> counts = {};
  int total = 0;
};
REMOTEOBJ_DESCRIBE(Results, counts, total)

struct NullWhat : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

struct Thrower {
  void ThrowNullWhat() { throw NullWhat(); }
  void ThrowInt() { throw 5; }
  int Inc() { return ++count; }
  int count = 0;
};
REMOTEOBJ_DESCRIBE(Thrower, ThrowNullWhat, ThrowInt, Inc)

namespace {

using testing::HasSubstr;

using manager_internal::AwaitClients;
using manager_internal::AwaitObjects;
using remoteobj_testing::Eventually;

Manager NewManager() {
  Manager manager;
  manager.Register<Foo, int>("Foo", {.exposed = {"Add", "Where", "Fail", "value"}});
  manager.Register<Shop>("Shop");
  return manager;
}

TEST(ManagerTest, OwnsObjectsOfUsersTypes) {
  Manager manager = NewManager();
  manager.Start();
  EXPECT_EQ(manager.object_count(), 0u);
  {
    const Proxy<Foo> foo = manager.Create<Foo>("Foo", 10);
    EXPECT_EQ(foo->Add(5), 15);
    EXPECT_EQ(foo->Where(), manager.pid());
    EXPECT_NE(foo->Where(), getpid());
    foo->value = 3;
    EXPECT_EQ(*foo->value, 3);
    EXPECT_THROW(foo->Hidden(), NotExposed);
    EXPECT_THROW(foo->Fail(), std::out_of_range);
    EXPECT_EQ(manager.object_count(), 1u);
  }
  AwaitObjects(manager, 0);
}

TEST(ManagerTest, ResultsAndArgumentsAreReferences) {
  Manager manager = NewManager();
  const Proxy<Shop> shop = manager.Create<Shop>("Shop");
  const Proxy<Foo> one = shop->Make(1);
  const Proxy<Foo> two = shop->Make(2);
  EXPECT_EQ(one->Add(10), 11);
  EXPECT_EQ(shop->Sum({one, two, one}), 24);
  EXPECT_EQ(manager.object_count(), 3u);
}

TEST(ManagerTest, ForkedProcessesUseTheSameObjects) {
  Manager manager = NewManager();
  const Proxy<Foo> foo = manager.Create<Foo>("Foo", 0);
  constexpr int kProcesses = 3;
  {
    std::vector<std::unique_ptr<remoteobj_testing::Forked>> children;
    for (int i = 0; i < kProcesses; ++i) {
      children.push_back(std::make_unique<remoteobj_testing::Forked>([&] {
        for (int n = 0; n < 100; ++n) foo->Add(1);
      }));
    }
    for (auto& child : children) EXPECT_EQ(child->Wait(), 0);
  }
  EXPECT_EQ(*foo->value, 100 * kProcesses);
  AwaitClients(manager, 1);
}

TEST(ManagerTest, BuiltInTypesInOtherProcesses) {
  Manager manager;
  auto counts = manager.Dict<std::string, int>({{"all", 0}});
  auto jobs = manager.Queue<std::string>(10);
  auto lock = manager.Lock();
  auto total = manager.Value(0);
  auto done = manager.Barrier(4);
  std::vector<std::unique_ptr<remoteobj_testing::Forked>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(std::make_unique<remoteobj_testing::Forked>([&] {
      for (;;) {
        const std::string job = jobs->get();
        if (job.empty()) break;
        counts[job] += 1;
        counts["all"] += 1;
        const std::scoped_lock guard(lock);
        total = *total + 1;
      }
      done->wait();
    }));
  }
  counts["a"] = counts["b"] = 0;
  for (int i = 0; i < 100; ++i) jobs->put(i % 2 == 0 ? "a" : "b");
  for (int i = 0; i < 3; ++i) jobs->put("");
  done->wait();
  EXPECT_EQ(*counts["a"], 50);
  EXPECT_EQ(*counts["b"], 50);
  EXPECT_EQ(*counts["all"], 100);
  EXPECT_EQ(*total, 100);
  for (auto& worker : workers) EXPECT_EQ(worker->Wait(), 0);
}

TEST(ManagerTest, OtherTypesOfTheSameNameAreToldApart) {
  Manager manager;
  auto jobs = manager.GetOrCreate<Queue<int>>("jobs");
  jobs->put(3);
  EXPECT_EQ(manager.Get<Queue<int>>("jobs")->get(), 3);
  EXPECT_EQ(manager.Get<Queue<int>>("jobs"), jobs);
  EXPECT_EQ(Manager::Connect(manager.address()).Get<Queue<int>>("jobs"), jobs);
  EXPECT_FALSE(manager.Queue<int>() == jobs);
  EXPECT_EQ(manager.GetOrCreate<Queue<int>>("jobs")->size(), 0u);
  try {
    manager.Get<Queue<std::string>>("jobs");
    FAIL();
  } catch (const BadValue& e) {
    EXPECT_STREQ(e.what(), "expected a proxy of Queue<std::string>, got one of Queue<int>");
  }
}

TEST(ManagerTest, ProxiesInContainers) {
  Manager manager;
  auto lists = manager.Dict<std::string, List<int>>();
  {
    auto list = manager.List<int>({1, 2});
    lists["a"] = list;
    list->push_back(3);
  }
  EXPECT_EQ((*lists["a"])->copy(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(manager.object_count(), 2u);
  lists->clear();
  EXPECT_EQ(manager.object_count(), 1u);
}

// How many pieces of memory of channels this process has mapped.
int SharedMemories() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find("memfd:remoteobj") != std::string::npos ? 1 : 0;
  }
  return count;
}

TEST(ManagerTest, SharedMemoryIsUsedUnlessItIsNotWanted) {
  for (const bool wanted : {true, false}) {
    Manager manager(ManagerOptions{.shared_memory = wanted});
    manager.Start();
    const int before = SharedMemories();
    Manager there = Manager::Connect(manager.address(), ManagerOptions{.shared_memory = wanted});
    EXPECT_EQ(SharedMemories() - before, wanted ? 1 : 0);
    Manager without = Manager::Connect(manager.address(), {.shared_memory = false});
    EXPECT_EQ(SharedMemories() - before, wanted ? 1 : 0);
    EXPECT_EQ(there.object_count() + without.object_count(), 0u);
  }
}

// A refusal to make an object left the loop of the manager, which ended.
TEST(ManagerTest, LivesOnWhenATypeIsAskedForThatItDoesNotHave) {
  for (const bool shared_memory : {true, false}) {
    Manager manager(ManagerOptions{.shared_memory = shared_memory});
    for (int i = 0; i < 3; ++i) {
      EXPECT_THROW(manager.Create<Foo>("Foo", i), std::invalid_argument);
    }
    EXPECT_EQ(manager.object_count(), 0u);
  }
}

TEST(ManagerTest, NamesAreForOthers) {
  Manager manager = NewManager();
  const Proxy<Foo> foo = manager.Create<Foo>("Foo", 7);
  manager.Publish("foo", foo);
  Manager there = Manager::Connect(manager.address());
  EXPECT_EQ(*there.Get<Proxy<Foo>>("foo")->value, 7);
  EXPECT_EQ(there.Names(), std::vector<std::string>{"foo"});
  EXPECT_THROW(there.Get<Proxy<Foo>>("bar"), std::out_of_range);
  EXPECT_THROW(there.Get<Proxy<Shop>>("foo"), BadValue);
}

TEST(ManagerTest, ManyThreadsOfOneClient) {
  Manager manager = NewManager();
  const Proxy<Foo> foo = manager.Create<Foo>("Foo", 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int n = 0; n < 100; ++n) foo->Add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*foo->value, 400);
}

// It was sent only when somebody waited for its outcome.
TEST(ManagerTest, AnAsynchronousCallIsEvaluatedThoughNobodyWaits) {
  Manager manager = NewManager();
  const Proxy<Foo> foo = manager.Create<Foo>("Foo", 0);
  manager.Publish("foo", foo);
  Manager there = Manager::Connect(manager.address());
  const auto same = there.Get<Proxy<Foo>>("foo");
  auto future = foo->Add.Async(5);
  Eventually("the call is evaluated", [&] { return *same->value == 5; });
  EXPECT_EQ(future.Get(), 5);
}

TEST(ManagerTest, States) {
  Manager manager = NewManager();
  EXPECT_EQ(manager.pid(), 0);
  manager.Start();
  EXPECT_NE(manager.pid(), 0);
  EXPECT_THROW(manager.Start(), std::logic_error);
  EXPECT_THROW(manager.ServeForever(), std::logic_error);
  EXPECT_THROW(manager.Register<Foo>("Late"), std::logic_error);
  Manager there = Manager::Connect(manager.address());
  EXPECT_THROW(there.Shutdown(), std::logic_error);
  EXPECT_THROW(there.Start(), std::logic_error);
  EXPECT_THROW(there.Register<Foo>("Foo"), std::logic_error);
  const Proxy<Foo> foo = manager.Create<Foo>("Foo", 1);
  manager.Shutdown();
  manager.Shutdown();
  EXPECT_THROW(manager.Create<Foo>("Foo", 1), std::logic_error);
  EXPECT_THROW(*foo->value, NotListening);
  EXPECT_THROW(there.Names(), NotListening);
  EXPECT_THROW(Manager::Connect(manager.address()), NotListening);
}

// Each process had one of its own, of which the second could not listen.
TEST(ManagerTest, IsNotStartedByTheFirstUseInAFork) {
  Manager manager = NewManager();
  EXPECT_EQ(remoteobj_testing::Forked([&] {
              EXPECT_THROW(manager.Lock(), std::logic_error);
              if (testing::Test::HasFailure()) _exit(1);
            }).Wait(),
            0);
  const Lock lock = manager.Lock();
  EXPECT_EQ(manager.object_count(), 1u);
}

TEST(ManagerTest, TellsOfItsDeath) {
  Manager manager = NewManager();
  const Proxy<Foo> foo = manager.Create<Foo>("Foo", 1);
  kill(manager.pid(), SIGKILL);
  // The client can't always tell if the manager died before a call or during it.
  const auto call_until_told = [&] {
    for (;;) foo->Add(1);
  };
  try {
    call_until_told();
  } catch (const ListenerDied&) {
  } catch (const NotListening&) {
  }
  EXPECT_THROW(foo->Add(1), NotListening);
}

// Its last words reached the one that had taken its place, which ended.
TEST(ManagerTest, TheEndOfOneThatDiedIsNotThatOfTheNextAtItsAddress) {
  const std::string address = "unix:/tmp/remoteobj-next." + std::to_string(std::random_device()());
  auto first = std::make_unique<Manager>(address);
  first->Start();
  kill(first->pid(), SIGKILL);
  EXPECT_TRUE(first->Join());
  Manager next(address);
  next.Start();
  first.reset();
  EXPECT_FALSE(next.Join(absl::Milliseconds(100)));
  EXPECT_EQ(next.object_count(), 0u);
}

TEST(ManagerTest, AnotherKeyStaysOut) {
  Manager manager("", {.authkey = "the key"});
  manager.Start();
  EXPECT_THROW(Manager::Connect(manager.address(), {.authkey = "another"}), AuthenticationError);
  EXPECT_THROW(Manager::Connect(manager.address(), {.authkey = ""}), AuthenticationError);
  EXPECT_THROW(Manager::Connect(manager.address()), AuthenticationError);
  EXPECT_EQ(Manager::Connect(manager.address(), {.authkey = "the key"}).object_count(), 0u);
  EXPECT_THROW(Manager("tcp:0.0.0.0:0", {.authkey = ""}).Start(), std::invalid_argument);
  EXPECT_THROW(Manager("here"), std::invalid_argument);
}

TEST(ManagerTest, OverTcpInPlainText) {
  Manager manager("tcp:127.0.0.1:0", {.plaintext = true});
  manager.Start();
  EXPECT_EQ(Manager::Connect(manager.address(), {.plaintext = true}).object_count(), 0u);
  EXPECT_THROW(Manager::Connect(manager.address()), ConnectionRefused);
}

TEST(ManagerTest, OverTcp) {
  Manager manager("tcp:127.0.0.1:0");
  manager.Register<Foo, int>("Foo");
  manager.Start();
  EXPECT_NE(manager.address(), "tcp:127.0.0.1:0");
  Manager there = Manager::Connect(manager.address());
  const Proxy<Foo> foo = there.Create<Foo>("Foo", 3);
  EXPECT_EQ(foo->Add(1), 4);
}

TEST(ManagerTest, AClientThatDiesHasNothingAnyMore) {
  Manager manager = NewManager();
  manager.Start();
  {
    remoteobj_testing::Forked client([&] {
      Manager there = Manager::Connect(manager.address());
      std::vector<Proxy<Foo>> foos;
      for (int i = 0; i < 10; ++i) foos.push_back(there.Create<Foo>("Foo", i));
      there.Publish("ready", foos[0]);
      pause();
    });
    Eventually("the client is ready", [&] { return !manager.Names().empty(); });
    EXPECT_EQ(manager.object_count(), 10u);
    client.Kill();
  }
  AwaitObjects(manager, 1);
  manager.Unpublish("ready");
  AwaitObjects(manager, 0);
}

TEST(ManagerTest, OutlivesTheThreadThatFirstUsedIt) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a process that a thread has forked may start no threads there";
#endif
  Manager manager;
  std::optional<Dict<std::string, int>> dict;
  std::thread([&] { dict.emplace(manager.Dict<std::string, int>({{"a", 1}})); }).join();
  for (int i = 0; i < 100; ++i) (*dict)["a"] += 1;
  EXPECT_EQ(*(*dict)["a"], 101);
  EXPECT_EQ(manager.object_count(), 1u);
}

TEST(ManagerTest, ContentsAreAnyRange) {
  Manager manager;
  const std::map<std::string, int> map = {{"a", 1}, {"b", 2}};
  const auto dict = manager.Dict<std::string, int>(map);
  EXPECT_EQ(dict->size(), 2u);
  EXPECT_EQ(dict->at("b"), 2);
  const std::set<int> numbers = {3, 1, 2};
  EXPECT_EQ(manager.List<int>(numbers)->size(), 3u);
  EXPECT_EQ(manager.Set<int>(std::deque<int>{1, 1, 2})->size(), 2u);
}

TEST(ManagerTest, AStructWithAProxyAsAMemberIsReceived) {
  Manager manager;
  const auto queue = manager.Queue<Results>();
  queue->put({.counts = manager.Dict<std::string, int>({{"a", 1}}), .total = 7});
  const Results received = queue->get();
  EXPECT_EQ(received.total, 7);
  EXPECT_EQ(received.counts->at("a"), 1);
  EXPECT_THROW(Results().counts->size(), std::logic_error);
}

template <typename M>
constexpr bool kMakesLocks = requires(M& manager) { manager.Lock(); };

TEST(ManagerTest, AConstManagerStartsNoProcess) {
  Manager manager;
  const Manager& only_looks = manager;
  EXPECT_THROW(only_looks.Names(), std::logic_error);
  EXPECT_EQ(only_looks.pid(), 0);
  static_assert(kMakesLocks<Manager> && !kMakesLocks<const Manager>);
  const Lock lock = manager.Lock();
  EXPECT_NE(only_looks.pid(), 0);
  EXPECT_TRUE(only_looks.Names().empty());
}

TEST(ManagerTest, AnObjectOfAnotherManagerIsRefusedByName) {
  Manager here, there;
  const auto queue = here.Queue<Results>();
  try {
    queue->put({.counts = there.Dict<std::string, int>()});
    FAIL();
  } catch (const BadValue& e) {
    EXPECT_NE(std::string(e.what()).find("another server"), std::string::npos) << e.what();
  }
}

TEST(ManagerTest, ConnectWaitsForAManagerThatIsBeingStarted) {
  std::string directory = "/tmp/remoteobj-starts-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string address = "unix:" + directory + "/socket";
  EXPECT_THROW(Manager::Connect(address), NotListening);
  const pid_t client = gettid();
  const remoteobj_testing::Forked server([&] {
    remoteobj_testing::AwaitAsleep(client);
    Manager(address).ServeForever();
  });
  EXPECT_EQ(Manager::Connect(address, {.wait_until_serving = true}).object_count(), 0u);
  EXPECT_THROW(Manager::Connect(address + "-none", {.connect_timeout = absl::Milliseconds(50),
                                                    .wait_until_serving = true}),
               NotListening);
  unlink((directory + "/socket").c_str());
  rmdir(directory.c_str());
}

// On loopback other users of the machine connected.
TEST(ManagerTest, TcpWithoutAKeyIsRefusedByTheConstructor) {
  EXPECT_THROW(Manager("tcp:0.0.0.0:0", {.authkey = ""}), std::invalid_argument);
  EXPECT_THROW(Manager("tcp:127.0.0.1:0", {.authkey = ""}), std::invalid_argument);
  // A short one can be found by trying.
  for (const char* address : {"tcp:0.0.0.0:0", "tcp:127.0.0.1:0"}) {
    EXPECT_THROW(Manager(address, {.authkey = "a key of 15 byt"}), std::invalid_argument);
  }
}

TEST(ManagerTest, WhatIsTooLargeIsRefusedBeforeItIsSentAndTheConnectionGoesOn) {
  for (const bool shared_memory : {true, false}) {
    Manager manager(
        ManagerOptions{.shared_memory = shared_memory, .max_message_bytes = std::size_t{1} << 20});
    auto dict = manager.Dict<int, std::string>();
    try {
      dict[1] = std::string(2 << 20, 'x');
      FAIL();
    } catch (const BadValue& e) {
      EXPECT_NE(std::string(e.what()).find("too large to send: at most"), std::string::npos)
          << e.what();
    }
    EXPECT_EQ(dict->size(), 0u);
    for (int i = 0; i < 2; ++i) dict[i] = std::string(600 << 10, 'x');
    EXPECT_THROW(dict->items(), BadValue);
    EXPECT_EQ(dict->at(1).size(), 600u << 10);
  }
}

// Errors without a text, or that are no std::exception, end neither the listener nor the manager.

void ExpectErrors(const Proxy<Thrower>& thrower) {
  try {
    thrower->ThrowNullWhat();
    FAIL() << "nothing was thrown";
  } catch (const std::exception& e) {
    const RemoteError* const error = RemoteErrorOf(e);
    ASSERT_NE(error, nullptr);
    EXPECT_THAT(error->type(), HasSubstr("NullWhat"));
    EXPECT_NE(e.what(), nullptr);
  }
  try {
    thrower->ThrowInt();
    FAIL() << "nothing was thrown";
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "int");
    EXPECT_THAT(error.message(), HasSubstr("5"));
  }
  EXPECT_EQ(thrower->Inc(), 1);
}

TEST(OddErrorsTest, OfAnotherProcess) {
  Thrower here;
  const Proxy<Thrower> remote(here);
  remoteobj_testing::Forked listener([&] {
    const auto listening = remote.ListenInBackground();
    for (;;) pause();
  });
  remote.WaitUntilListening();
  ExpectErrors(remote);
}

TEST(OddErrorsTest, OfAManagersObject) {
  for (const auto run : {remoteobj::Run::kOnThread, remoteobj::Run::kInServer}) {
    Manager manager;
    manager.Register<Thrower>("Thrower", {.run = run});
    manager.Start();
    ExpectErrors(manager.Create<Thrower>("Thrower"));
  }
}

}  // namespace
}  // namespace remoteobj
