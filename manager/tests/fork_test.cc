// SPDX-License-Identifier: MIT
//
// Children that are forked while other threads of their parent use the same proxies, make objects
// of the same manager, and connect. Whatever those had locked at that moment, a child's first call
// is answered.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"

namespace remoteobj {
namespace {

struct Counter {
  int Inc() { return ++count; }
  int count = 0;
};

}  // namespace
REMOTEOBJ_DESCRIBE(Counter, Inc, count)
namespace {

int Half(int number) { return number / 2; }

// How many children ended in another way than well. One that hangs is ended by the alarm.
int Failures(int forks, const std::vector<std::function<void()>>& uses) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (const auto& use : uses) {
    threads.emplace_back([&] {
      while (!stop) use();
    });
  }
  const auto end = absl::MakeCleanup([&] {
    stop = true;
    for (std::thread& thread : threads) thread.join();
  });
  int failures = 0;
  for (int i = 0; i < forks; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      constexpr unsigned kWatchdogSeconds = 30;
      alarm(kWatchdogSeconds);
      try {
        uses[static_cast<std::size_t>(i) % uses.size()]();
      } catch (const std::exception& e) {
        fprintf(stderr, "a child: %s\n", e.what());
        _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (status != 0) ++failures;
    if (failures > 2) break;  // It takes half a minute to see that one hangs.
  }
  return failures;
}

TEST(ForkTest, BesideThreadsThatUseTheSameProxiesNoChildHangs) {
  Manager manager;
  manager.Register<Counter>("Counter");
  auto dict = manager.Dict<std::string, int>({{"a", 1}});
  auto counter = manager.Create<Counter>("Counter");
  EXPECT_EQ(Failures(2000, {[&] { dict["a"] = 2; }, [&] { static_cast<void>(counter->Inc()); },
                            [&] { manager.Queue<int>()->put(1); }, [&] { dict["a"] += 1; }}),
            0);
}

TEST(ForkTest, BesideThreadsThatConnectNoChildHangs) {
  Manager manager("", {.authkey = "key"});
  manager.Start();
  Pool pool = manager.Pool(1);
  const auto connect = [&] {
    static_cast<void>(Manager::Connect(manager.address(), {.authkey = "key"}).object_count());
  };
  EXPECT_EQ(Failures(300, {connect, [&] { EXPECT_EQ(pool->apply(Half, 8), 4); },
                           [&] { static_cast<void>(manager.address()); }, connect}),
            0);
}

}  // namespace
}  // namespace remoteobj
