// SPDX-License-Identifier: MIT
//
// Clients that take of a manager as much as they can get. Each test has a second client, which is
// served as before.
#include "remoteobj/manager/quotas.h"

#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
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

// Shared with the manager's process, which is a fork.
std::atomic<bool>& Released() {
  static auto* const released =
      new (mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<bool>(false);
  return *released;
}

class Slow {
 public:
  void hold() {
    remoteobj_testing::Eventually("it is released", [] { return Released().load(); });
  }
  int answer() const { return 42; }
  int count() { return ++count_; }

 private:
  int count_ = 0;
};
REMOTEOBJ_DESCRIBE(Slow, hold, answer, count)

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

// What waits for a thread of a client goes on, in order, when it has one.
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

// The memory of the manager's process, in bytes.
std::int64_t Memory(const Manager& manager) {
  std::ifstream status("/proc/" + std::to_string(manager.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    std::int64_t kibibytes = 0;
    if (std::sscanf(line.c_str(), "VmRSS: %" SCNd64, &kibibytes) == 1) return kibibytes << 10;
  }
  return 0;
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
