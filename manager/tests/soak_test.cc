// SPDX-License-Identifier: MIT
//
// A manager, its clients, proxies and processes, used on and on: what they have of memory,
// descriptors and mappings does not grow.
//
// REMOTEOBJ_SOAK_SECONDS says for how long; else it is a few rounds.
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

std::int64_t Mappings() {
  std::ifstream maps("/proc/self/maps");
  std::int64_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

// The memory, descriptors and mappings of a process.
struct Sizes {
  std::int64_t heap_bytes, descriptors, mappings;
};
Sizes SizesHere() {
  return {static_cast<std::int64_t>(mallinfo2().uordblks), remoteobj_testing::OpenDescriptors(),
          Mappings()};
}

// Measures the manager's process.
struct Probe {
  Sizes Look() { return SizesHere(); }
};
struct Counter {
  int Inc() { return ++count; }
  void Fail() { throw std::out_of_range("as it was told"); }
  int count = 0;
};

}  // namespace
REMOTEOBJ_DESCRIBE(Sizes, heap_bytes, descriptors, mappings)
REMOTEOBJ_DESCRIBE(Probe, Look)
REMOTEOBJ_DESCRIBE(Counter, Inc, Fail, count)
namespace {

using manager_internal::AwaitClients;

constexpr char kKey[] = "key";

template <typename E, typename F>
void ExpectThrow(const F& f) {
  EXPECT_THROW(f(), E);
}

void InChild(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

class Soak {
 public:
  Soak() : manager_("", {.authkey = kKey}) {
    manager_.Register<Probe>("Probe", {.run = Run::kInServer});
    manager_.Register<Counter>("Counter");
    manager_.Start();
  }

  void Round() {
    Connections();
    Objects();
    Processes();
    Proxies();
  }

  // Once the manager knows of each client's end.
  std::pair<Sizes, Sizes> Look() {
    const Proxy<Probe> probe = manager_.Create<Probe>("Probe");
    AwaitClients(manager_, 1);
    const Sizes there = probe->Look();
    return {SizesHere(), there};
  }

 private:
  void Connections() {
    for (const bool shared : {true, false}) {
      Manager client =
          Manager::Connect(manager_.address(), {.authkey = kKey, .shared_memory = shared});
      client.Dict<int, int>()[1] = 1;
      Manager::Connect(manager_.address(), {.authkey = kKey, .shared_memory = shared});
    }
    ExpectThrow<AuthenticationError>(
        [&] { Manager::Connect(manager_.address(), {.authkey = "wrong"}); });
    auto dict = manager_.Dict<int, int>();
    InChild([&] { dict[1] = 2; });
    InChild([&] {
      dict[1] = 2;
      raise(SIGKILL);
    });
  }
  void Objects() {
    auto dict = manager_.Dict<std::string, std::string>();
    auto queue = manager_.Queue<int>(1);
    auto counter = manager_.Create<Counter>("Counter");
    const auto lock = manager_.Lock();
    for (std::size_t i = 0; i < 20; ++i) {
      dict[absl::StrCat(i)] = std::string(i * 500, 'v');
      queue->put(1);
      queue->get();
      counter->Inc();
      lock->acquire();
      lock->release();
    }
    ExpectThrow<std::out_of_range>([&] { dict->at("none"); });
    ExpectThrow<std::out_of_range>([&] { counter->Fail(); });
    ExpectThrow<QueueEmpty>([&] { queue->get(absl::Microseconds(10)); });
  }
  void Processes() {
    Process sum([](int a, int b) { return a + b; }, 5, 6);
    sum.Join();
    EXPECT_EQ(sum.result(), 11);
    Process fails([] { throw std::out_of_range("as it was told"); });
    ExpectThrow<std::out_of_range>([&] { fails.Join(); });
  }
  void Proxies() {
    Counter counter;
    Proxy<Counter> remote(counter);
    Process worker([&] {
      const auto listening = remote.Listen();
      while (counter.count < 10) remote.Poll(absl::InfiniteDuration());
    });
    remote.WaitUntilListening(worker);
    ExpectThrow<std::out_of_range>([&] { remote->Fail(); });
    for (int i = 0; i < 10; ++i) remote->Inc();
    worker.Join();
  }

  Manager manager_;
};

void ExpectNoGrowth(const std::string& where, const Sizes& before, const Sizes& after, int rounds) {
  const double bytes =
      static_cast<double>(after.heap_bytes - before.heap_bytes) / static_cast<double>(rounds);
  std::printf("%s: %.1f bytes a round in %d rounds; descriptors %+d, mappings %+d\n", where.c_str(),
              bytes, rounds, static_cast<int>(after.descriptors - before.descriptors),
              static_cast<int>(after.mappings - before.mappings));
  // A leak of one connection would be thousands. A few blocks may be held at one moment and not at
  // the other.
  constexpr double kMostBytes = 500;
  EXPECT_LT(bytes, kMostBytes) << where;
  EXPECT_EQ(after.descriptors, before.descriptors) << where;
  // The heaps of threads come and go.
  constexpr std::int64_t kMostMappings = 8;
  EXPECT_LT(after.mappings, before.mappings + kMostMappings) << where;
}

TEST(SoakTest, MemoryDescriptorsAndMappingsDoNotGrow) {
  constexpr int kFirst = 30, kAtLeast = 100;
  const char* const seconds = std::getenv("REMOTEOBJ_SOAK_SECONDS");
  Soak soak;
  for (int i = 0; i < kFirst; ++i) soak.Round();
  const auto [here, there] = soak.Look();
  const Deadline end = Deadline::After(absl::Seconds(seconds == nullptr ? 0 : std::atoi(seconds)));
  int rounds = 0;
  for (; rounds < kAtLeast || !end.expired(); ++rounds) soak.Round();
  const auto [here_after, there_after] = soak.Look();
  ExpectNoGrowth("the program", here, here_after, rounds);
  ExpectNoGrowth("the manager", there, there_after, rounds);
}

}  // namespace
}  // namespace remoteobj
