// SPDX-License-Identifier: MIT
//
// Clients that take of a manager as much as they can get. Each test has a second client, which is
// served as before.
#include "remoteobj/manager/quotas.h"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

using manager_internal::AwaitObjects;
using manager_internal::AwaitWaiting;
using manager_internal::Elsewhere;

// The name and the value of the quota that f() exceeds.
template <typename F>
std::string ExceededBy(F f) {
  try {
    f();
    return "none";
  } catch (const QuotaExceeded& e) {
    EXPECT_EQ(e.status_code(), absl::StatusCode::kResourceExhausted);
    return e.quota() + " " + std::to_string(e.limit());
  }
}

TEST(QuotasTest, AClientThatMakesObjectsWithoutEnd) {
  Manager manager({.quotas = {.objects = 10}});
  manager.Start();
  EXPECT_EQ(Elsewhere([&] {
              std::vector<List<int>> lists;
              return ExceededBy([&] {
                for (int i = 0; i < 11; ++i) lists.push_back(manager.List<int>());
              });
            }),
            "objects 10");
  AwaitObjects(manager, 0);
  const auto dict = manager.Dict<int, int>();
  dict[1] = 2;
  EXPECT_EQ(*dict[1], 2);
}

TEST(QuotasTest, CyclesThatOutliveTheirClientAreBounded) {
  Manager manager({.quotas = {.objects = 10}});
  manager.Start();
  EXPECT_EQ(Elsewhere([&] {
              return ExceededBy([&] {
                for (int i = 0; i < 100; ++i) {
                  const auto a = manager.Namespace();
                  const auto b = manager.Namespace();
                  a.Set("other", b);
                  b.Set("other", a);
                }
              });
            }),
            "objects 10");
  EXPECT_LE(manager.object_count(), 10u);
  EXPECT_EQ(manager.List<int>()->size(), 0u);
}

// A Dict that contains itself, and two Namespaces that contain each other.
void LeaveCycles(Manager& manager) {
  const auto dict = manager.Dict<std::string, Reference>();
  dict["self"] = Reference{dict.referent()};
  const auto a = manager.Namespace();
  const auto b = manager.Namespace();
  a.Set("other", b);
  b.Set("other", a);
}

TEST(QuotasTest, CyclesGoWithTheirClient) {
  Manager manager;
  manager.Start();
  for (const bool killed : {false, true}) {
    const auto counted = manager.Value<std::uint64_t>(0);
    Process client([&] {
      LeaveCycles(manager);
      counted->set(manager.object_count());
      if (killed) raise(SIGKILL);
    });
    std::ignore = client.TryJoin();
    EXPECT_EQ(counted->get(), 4u);
    AwaitObjects(manager, 1);
  }
}

TEST(QuotasTest, ARowOfClientsThatLeaveCycles) {
  Manager manager;
  manager.Start();
  for (int i = 0; i < 200; ++i) Elsewhere([&] { LeaveCycles(manager); });
  AwaitObjects(manager, 0);
}

TEST(QuotasTest, CyclesThatAreCollectedCountNoMore) {
  Manager manager({.quotas = {.objects = 9}});
  manager.Start();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3; ++i) LeaveCycles(manager);
    EXPECT_EQ(ExceededBy([&] { manager.Event(); }), "objects 9");
    Elsewhere([&] { manager.object_count(); });  // Another client, which goes.
    AwaitObjects(manager, 0);
  }
}

TEST(QuotasTest, ParkedCallsWithoutEnd) {
  Manager manager({.quotas = {.calls = 5}});
  const auto queue = manager.Queue<int>();
  Elsewhere([&] {
    std::vector<Future<int>> waiting;
    for (int i = 0; i < 5; ++i) waiting.push_back(queue->get.Async());
    AwaitWaiting(manager, 5);
    if (ExceededBy([&] { queue->get(); }) != "calls 5") throw std::logic_error("no quota");
  });
  AwaitWaiting(manager, 0);
  Future<int> item = queue->get.Async();
  AwaitWaiting(manager, 1);
  queue->put(7);
  EXPECT_EQ(item.Get(), 7);
}

TEST(QuotasTest, ParkedCallsWithBallast) {
  Manager manager({.quotas = {.call_bytes = std::uint64_t{1} << 20}});
  const auto queue = manager.Queue<std::string>(1);
  queue->put("full");
  EXPECT_EQ(Elsewhere([&] {
              std::vector<Future<void>> waiting;
              const std::string ballast(300'000, 'x');
              for (int i = 0; i < 3; ++i) waiting.push_back(queue->put.Async(ballast));
              AwaitWaiting(manager, 3);
              return ExceededBy([&] { queue->put(ballast); });
            }),
            "call_bytes 1048576");
  AwaitWaiting(manager, 0);
  // One call may be larger than the quota.
  Future<void> large = queue->put.Async(std::string(2'000'000, 'y'));
  AwaitWaiting(manager, 1);
  EXPECT_EQ(queue->get(), "full");
  large.Get();
}

TEST(QuotasTest, AMessageThatIsLargerThanItsQuota) {
  Manager manager({.quotas = {.message_bytes = std::uint64_t{1} << 20}});
  manager.Publish("queue", manager.Queue<std::string>());
  const std::string why = Elsewhere([&] {
    const auto queue = Manager::Connect(manager.address(), {.shared_memory = false})
                           .Get<Queue<std::string>>("queue");
    try {
      queue->put(std::string(3'000'000, 'x'));
    } catch (const ListenerDied& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  });
  EXPECT_NE(why.find("quota of message_bytes: 1048576"), std::string::npos) << why;
  const auto queue = manager.Get<Queue<std::string>>("queue");
  queue->put(std::string(500'000, 'y'));
  EXPECT_EQ(queue->get().size(), 500'000u);
}

// Other programs of its machine, with which a client by TCP shares its quotas, had taken all: each
// of its messages ended its connection.
TEST(QuotasTest, SmallMessagesOfAClientWhoseNeighboursHaveTakenAll) {
  Manager manager({.quotas = {.message_bytes = 1}});
  manager.Publish("queue", manager.Queue<std::string>());
  const auto there = Manager::Connect(manager.address(), {.shared_memory = false});
  const auto queue = there.Get<Queue<std::string>>("queue");
  for (int i = 0; i < 100; ++i) {
    queue->put(std::string(20'000, 'x'));
    EXPECT_EQ(queue->get().size(), 20'000u);
  }
  EXPECT_THROW(queue->put(std::string(200'000, 'x')), ListenerDied);
}

// By the socket, and in shared memory, where the client keeps them as long as it likes.
TEST(QuotasTest, OutcomesThatAreLargerThanTheirQuota) {
  constexpr std::uint64_t kQuota = 8 << 20;
  Manager manager({.quotas = {.message_bytes = kQuota}});
  const auto dict = manager.Dict<int, std::string>();
  dict[3] = std::string(3 << 20, 'x');
  dict[9] = std::string(9 << 20, 'y');
  const auto queue = manager.Queue<std::string>();
  queue->put(std::string(9 << 20, 'z'));
  manager.Publish("dict", dict);
  manager.Publish("queue", queue);
  for (const bool shared_memory : {true, false}) {
    EXPECT_EQ(Elsewhere([&] {
                const auto own =
                    Manager::Connect(manager.address(), {.shared_memory = shared_memory});
                const auto there = own.Get<Dict<int, std::string>>("dict");
                // Messages that were read no longer count.
                for (int i = 0; i < 20; ++i) {
                  if ((*there[3]).size() != 3 << 20) throw std::logic_error("not what was put");
                }
                return ExceededBy([&] { *there[9]; }) + ", " +
                       ExceededBy([&] { own.Get<Queue<std::string>>("queue")->get(); });
              }),
              "message_bytes 8388608, message_bytes 8388608");
    EXPECT_EQ(queue->size(), 1u);  // The item was given to nobody.
  }
  EXPECT_EQ((*dict[3]).size(), 3u << 20);
}

TEST(QuotasTest, AClientThatPublishesWithoutEnd) {
  Manager manager({.quotas = {.names = 3}});
  const auto event = manager.Event();
  EXPECT_EQ(Elsewhere([&] {
              return ExceededBy([&] {
                for (int i = 0; i < 4; ++i) manager.Publish(std::to_string(i), event);
              });
            }),
            "names 3");
  manager.Publish("mine", event);
  EXPECT_EQ(manager.Names().size(), 4u);
  // A name that is free again counts no more.
  for (int i = 0; i < 3; ++i) manager.Unpublish(std::to_string(i));
  manager.Publish("second", event);
  manager.Publish("third", event);
}

TEST(QuotasTest, AClientThatConnectsWithoutEnd) {
  Manager manager({.quotas = {.connections = 3}});
  manager.Start();
  EXPECT_EQ(Elsewhere([&] {
              std::vector<Manager> connections;
              try {
                for (int i = 0; i < 10; ++i) {
                  connections.push_back(Manager::Connect(manager.address()));
                }
              } catch (const NotListening&) {
              }
              return connections.size();
            }),
            3u);
  EXPECT_EQ(Manager::Connect(manager.address()).Names().size(), 0u);
}

// The size of the manager's memory of that kind, in bytes.
std::int64_t Memory(const Manager& manager, const std::string& kind = "VmRSS") {
  std::ifstream status("/proc/" + std::to_string(manager.pid()) + "/status");
  for (std::string word; status >> word;) {
    std::int64_t kibibytes = 0;
    if (word == kind + ":" && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

// The manager mapped 4 GiB for each window that a client had used: there are 124 of a connection.
TEST(QuotasTest, WindowsOfManyConnectionsLeaveAddressSpaceForOthers) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator takes address space as it likes";
#endif
  constexpr int kConnections = 20;
  constexpr int kThreads = 4;
  Manager manager;
  manager.Publish("large", manager.Value<std::string>(std::string(1 << 20, 'x')));
  const std::int64_t before = Memory(manager, "VmSize");
  Elsewhere([&] {
    std::vector<Manager> connections;
    std::vector<std::thread> threads;
    for (int i = 0; i < kConnections; ++i) {
      connections.push_back(Manager::Connect(manager.address()));
      for (int j = 0; j < kThreads; ++j) {
        threads.emplace_back([value = connections.back().Get<Value<std::string>>("large")] {
          for (int k = 0; k < 5; ++k) value->set(value->get());
        });
      }
    }
    for (std::thread& thread : threads) thread.join();
    const std::int64_t taken = Memory(manager, "VmSize") - before;
    if (taken > kConnections * (std::int64_t{512} << 20)) {
      throw std::runtime_error("the manager has mapped " + std::to_string(taken) + " bytes");
    }
  });
}

// Shared with the manager's process, which is a fork.
std::atomic<bool>& Released() {
  static auto* const released =
      new (mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<bool>(false);
  return *released;
}

// How many calls of Slow::hold() are under way.
std::atomic<int>& Held() {
  static auto* const held = new (mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>(0);
  return *held;
}

class Slow {
 public:
  void hold() {
    ++Held();
    remoteobj_testing::Eventually("it is released", [] { return Released().load(); });
    --Held();
  }
  int answer() const { return 42; }
  int count() { return ++count_; }

 private:
  int count_ = 0;
};
REMOTEOBJ_DESCRIBE(Slow, hold, answer, count)

// An object that calls others.
class Middle {
 public:
  void hold(Proxy<Slow> other) { other->hold(); }
  int count(Proxy<Slow> other) { return other->count(); }
  int count_when_released(Proxy<Slow> other) {
    ++Held();
    remoteobj_testing::Eventually("it is released", [] { return Released().load(); });
    return other->count();
  }
  void get(Queue<int> queue) { queue->get(absl::Seconds(1)); }
  // Calls the last one, which calls the one before it, and so on.
  std::size_t chain(std::vector<Proxy<Middle>> others);
};
REMOTEOBJ_DESCRIBE(Middle, hold, count, count_when_released, get, chain)

std::size_t Middle::chain(std::vector<Proxy<Middle>> others) {
  if (others.empty()) return 0;
  const Proxy<Middle> next = others.back();
  others.pop_back();
  return 1 + next->chain(others);
}

// Each took a further thread, which did not count.
TEST(QuotasTest, CallsOfObjectsThatNeverReturnLeaveThreadsForOthers) {
  Released() = false;
  Held() = 0;
  Manager manager({.max_threads = 4});
  manager.Register<Slow>("Slow");
  manager.Register<Middle>("Middle");
  manager.Start();
  const Proxy<Slow> mine = manager.Create<Slow>("Slow").Timeout(absl::Seconds(30));
  Process hostile([&] {
    std::vector<Proxy<Slow>> objects;
    std::vector<Proxy<Middle>> callers;
    std::vector<Future<void>> held;
    for (int i = 0; i < 8; ++i) {
      objects.push_back(manager.Create<Slow>("Slow"));
      callers.push_back(manager.Create<Middle>("Middle"));
      held.push_back(callers.back()->hold.Async(objects.back()));
    }
    for (Future<void>& one : held) one.Get();
  });
  remoteobj_testing::Eventually("threads are held", [&] { return Held() >= 2; });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(mine->answer(), 42);
  EXPECT_EQ(Held(), 2);
  Released() = true;
  hostile.Join();
}

// They waited for a thread that their caller had.
TEST(QuotasTest, ACallOfAnObjectNeedsNoFurtherThread) {
  Released() = false;
  Manager manager({.max_threads = 1});
  manager.Register<Slow>("Slow");
  manager.Register<Middle>("Middle");
  const Proxy<Slow> slow = manager.Create<Slow>("Slow");
  std::vector<Proxy<Middle>> callers;
  for (int i = 0; i < 4; ++i) {
    callers.push_back(manager.Create<Middle>("Middle").Timeout(absl::Seconds(60)));
  }
  std::vector<Future<int>> counts;
  for (int i = 0; i < 1000; ++i) counts.push_back(callers[i % 4]->count.Async(slow));
  for (Future<int>& count : counts) EXPECT_GT(count.Get(), 0);
  EXPECT_EQ(slow->count(), 1001);
}

// A call waits for those that came to the object before it, and is then evaluated by its caller.
TEST(QuotasTest, ACallOfAnObjectWaitsForItsTurn) {
  Released() = false;
  Manager manager({.max_threads = 8});
  manager.Register<Slow>("Slow");
  manager.Register<Middle>("Middle");
  const Proxy<Slow> slow = manager.Create<Slow>("Slow");
  std::vector<Proxy<Middle>> callers;
  for (int i = 0; i < 20; ++i) callers.push_back(manager.Create<Middle>("Middle"));
  Future<void> held = slow->hold.Async();
  std::vector<Future<int>> counts;
  for (const Proxy<Middle>& caller : callers) {
    counts.push_back(caller->count.Async(slow));
    counts.push_back(slow->count.Async());
  }
  remoteobj_testing::Eventually("calls wait for the object", [&] {
    for (const auto& object : manager.Inspect().objects) {
      if (object.waiting >= 4) return true;
    }
    return false;
  });
  Released() = true;
  held.Get();
  int sum = 0;
  for (Future<int>& count : counts) sum += count.Get();
  EXPECT_EQ(sum, 40 * 41 / 2);
}

// A call that was the next one to its object, and had no thread, waited for those of the calls
// behind it, which waited for it.
TEST(QuotasTest, ThreadsThatAllWaitBehindACallWithoutOne) {
  constexpr int kThreads = 3;
  Released() = false;
  Held() = 0;
  Manager manager({.max_threads = kThreads, .quotas = {.threads = 2 * kThreads}});
  manager.Register<Slow>("Slow");
  manager.Register<Middle>("Middle");
  const Proxy<Slow> slow = manager.Create<Slow>("Slow");
  std::vector<Proxy<Middle>> callers;
  std::vector<Future<int>> counts;
  for (int i = 0; i < kThreads; ++i) {
    callers.push_back(manager.Create<Middle>("Middle").Timeout(absl::Seconds(60)));
    counts.push_back(callers.back()->count_when_released.Async(slow));
  }
  remoteobj_testing::Eventually("all threads are held", [&] { return Held() == kThreads; });
  counts.push_back(slow.Timeout(absl::Seconds(60))->count.Async());
  remoteobj_testing::Eventually("a call waits for a thread", [&] {
    const auto objects = manager.Inspect().objects;
    return std::ranges::any_of(
        objects, [](const auto& one) { return one.type.ends_with("Slow") && one.waiting == 1; });
  });
  Released() = true;
  int sum = 0;
  for (Future<int>& count : counts) sum += count.Get();
  EXPECT_EQ(sum, 1 + 2 + 3 + 4);
}

// They belonged to nobody.
TEST(QuotasTest, CallsOfObjectsThatWaitAreTheirClients) {
  Manager manager({.quotas = {.calls = 1}});
  manager.Register<Middle>("Middle");
  const auto queue = manager.Queue<int>();
  EXPECT_EQ(
      Elsewhere([&] { return ExceededBy([&] { manager.Create<Middle>("Middle")->get(queue); }); }),
      "calls 1");
  Future<int> item = queue->get.Async();
  queue->put(7);
  EXPECT_EQ(item.Get(), 7);
}

// They have one stack.
TEST(QuotasTest, CallsOfObjectsToOneAnotherWithoutEnd) {
  Manager manager;
  manager.Register<Middle>("Middle");
  std::vector<Proxy<Middle>> chain;
  for (int i = 0; i < 60; ++i) chain.push_back(manager.Create<Middle>("Middle"));
  EXPECT_EQ(manager.Create<Middle>("Middle")->chain(chain), 60u);
  for (int i = 0; i < 60; ++i) chain.push_back(manager.Create<Middle>("Middle"));
  EXPECT_THROW(manager.Create<Middle>("Middle")->chain(chain), BadValue);
  EXPECT_EQ(manager.Create<Middle>("Middle")->chain({}), 0u);
}

// 70 calls that did not return took all threads.
TEST(QuotasTest, CallsThatNeverReturnLeaveThreadsForOthers) {
  Released() = false;
  Manager manager({.max_threads = 4});
  manager.Register<Slow>("Slow");
  manager.Start();
  const Proxy<Slow> mine = manager.Create<Slow>("Slow");
  Process hostile([&] {
    std::vector<Proxy<Slow>> objects;
    for (int i = 0; i < 8; ++i) objects.push_back(manager.Create<Slow>("Slow"));
    std::vector<Future<void>> held;
    for (const Proxy<Slow>& object : objects) held.push_back(object->hold.Async());
    // These would wait for a thread in the line of the other client's object.
    for (int i = 0; i < 5; ++i) held.push_back(mine->hold.Async());
    for (Future<void>& one : held) one.Get();
  });
  remoteobj_testing::Eventually("threads are held", [&] { return manager.Inspect().threads >= 2; });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(mine->answer(), 42);
  EXPECT_EQ(manager.Create<Slow>("Slow")->answer(), 42);
  Released() = true;
  hostile.Join();
}

// They were evaluated one after the other, without their client's quotas and its name.
TEST(QuotasTest, CallsOfADeadClientLeaveTheLineOfAnObject) {
  Released() = false;
  Manager manager({.max_threads = 4});
  manager.Register<Slow>("Slow");
  manager.Start();
  const Proxy<Slow> mine = manager.Create<Slow>("Slow");
  Process hostile([&] {
    std::vector<Future<int>> counts;
    const Future<void> held = mine->hold.Async();
    for (int i = 0; i < 100; ++i) counts.push_back(mine->count.Async());
    remoteobj_testing::Eventually("they are in the line", [&] {
      for (const auto& object : manager.Inspect().objects) {
        if (object.waiting >= 100) return true;
      }
      return false;
    });
    _exit(0);
  });
  EXPECT_THROW(hostile.Join(), ProcessDied);
  remoteobj_testing::Eventually("the client is gone",
                                [&] { return manager.Inspect().clients.size() == 1; });
  Released() = true;
  EXPECT_EQ(mine->count(), 1);
}

// Calls that wait for a thread of a client go on, in order, when it has one.
TEST(QuotasTest, CallsBeyondTheThreadsOfAClientAreEvaluatedInOrder) {
  Released() = true;
  Manager manager({.max_threads = 2});
  manager.Register<Slow>("Slow");
  std::vector<Proxy<Slow>> objects;
  for (int i = 0; i < 5; ++i) objects.push_back(manager.Create<Slow>("Slow"));
  std::vector<Future<int>> answers;
  for (int i = 0; i < 1000; ++i) answers.push_back(objects[i % 5]->answer.Async());
  for (Future<int>& answer : answers) EXPECT_EQ(answer.Get(), 42);
}

// manager/README.md has the products of these and the quotas.
TEST(QuotasTest, WhatEachThingCostsTheManager) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator takes more memory";
#endif
  constexpr std::int64_t kMany = 2000;
  Manager manager;
  const auto event = manager.Event();
  manager.Publish("event", event);
  const auto check = [&](const char* what, std::int64_t count, std::int64_t most, auto take) {
    const std::int64_t before = Memory(manager);
    auto taken = take(count);
    const std::int64_t each = (Memory(manager) - before) / count;
    std::cout << what << ": " << each << " bytes\n";
    EXPECT_LT(each, most) << what;
    return taken;
  };
  std::vector<Event> objects;
  check("object", 50'000, 4 << 10, [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) objects.push_back(manager.Event());
    return 0;
  });
  check("name", 9'000, 2 << 10, [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) manager.Publish(std::to_string(i), event);
    return 0;
  });
  const auto calls = check("call", kMany, 32 << 10, [&](std::int64_t count) {
    std::vector<Future<bool>> waiting;
    for (std::int64_t i = 0; i < count; ++i) waiting.push_back(event->wait.Async());
    AwaitWaiting(manager, static_cast<std::uint64_t>(count));
    return waiting;
  });
  check("connection", 100, 1 << 20, [&](std::int64_t count) {
    std::vector<Manager> connections;
    for (std::int64_t i = 0; i < count; ++i) {
      connections.push_back(Manager::Connect(manager.address()));
      connections.back().Get<Event>("event")->is_set();
    }
    return connections;
  });
  event->set();
}

}  // namespace
}  // namespace remoteobj
