// SPDX-License-Identifier: MIT
//
// Processes of a pool, and processes that use it, are killed at any moment. A call is answered
// rightly or fails with ListenerDied, no task is evaluated twice, and the pool stays as large as it
// was.
//
// REMOTEOBJ_DEATH_ROUNDS says how often a process is killed. There is a watchdog against hanging,
// and no other limit of time.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/pool.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;

constexpr int kMostTasks = 1 << 22;
constexpr std::size_t kWorkers = 3;

int Rounds() {
  const char* rounds = std::getenv("REMOTEOBJ_DEATH_ROUNDS");
  return rounds == nullptr ? 100 : std::atoi(rounds);
}

// Counters of the processes, in memory that they share.
struct Ledger {
  std::atomic<bool> stop{false};
  std::atomic<int> tasks{0};
  std::atomic<int> answered{0};
  std::atomic<int> died{0};
  std::atomic<int> wrong{0};
  std::atomic<pid_t> worker{0};  // The last one that began a task.
  std::atomic<unsigned char> evaluated[kMostTasks];
};

class PoolDeathTest : public testing::Test {
 protected:
  PoolDeathTest()
      : ledger_(static_cast<Ledger*>(mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}
  ~PoolDeathTest() override { munmap(ledger_, sizeof(Ledger)); }

  // Uses the pool until it is told to stop.
  static void Use(const Pool& pool, Ledger* ledger) {
    const auto triple = [ledger](int task) {
      ledger->worker = getpid();
      ++ledger->evaluated[task];
      if (task % 8 == 0) absl::SleepFor(absl::Microseconds(200));
      return 3 * task;
    };
    const auto check = [&](const std::vector<int>& tasks, const std::vector<int>& results) {
      for (std::size_t i = 0; i < tasks.size(); ++i) {
        if (results[i] != 3 * tasks[i] || ledger->evaluated[tasks[i]] != 1) ++ledger->wrong;
      }
      ++ledger->answered;
    };
    while (!ledger->stop) {
      std::vector<int> tasks;
      const int first = ledger->tasks.fetch_add(10);
      if (first + 10 >= kMostTasks) return;
      const int count = first % 3 == 0 ? 10 : 1;
      for (int i = 0; i < count; ++i) tasks.push_back(first + i);
      try {
        if (count == 1) {
          check(tasks, {pool->apply(triple, first)});
        } else {
          check(tasks, pool->map(triple, tasks, 3));
        }
      } catch (const ListenerDied&) {
        ++ledger->died;
      }
    }
  }

  Ledger* const ledger_;
};

TEST_F(PoolDeathTest, CallsAreAnsweredRightlyOrFail) {
  Manager manager;
  const Pool pool = manager.Pool(kWorkers);
  const auto start = [&] { return std::make_unique<Forked>([&] { Use(pool, ledger_); }); };
  std::vector<std::unique_ptr<Forked>> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(start());
  std::minstd_rand random(1);
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    const int answered = ledger_->answered;
    absl::SleepFor(absl::Microseconds(random() % 4000));
    if (round % 4 == 0) {
      auto& client = clients[random() % clients.size()];
      EXPECT_EQ(client->Kill(), -SIGKILL);
      client = start();
    } else if (const pid_t worker = ledger_->worker.exchange(0); worker != 0) {
      kill(worker, SIGKILL);
    }
    ASSERT_TRUE(remoteobj_testing::TryEventually([&] { return ledger_->answered != answered; }))
        << "nobody is answered, round " << round;
  }
  ledger_->stop = true;
  for (const auto& client : clients) EXPECT_EQ(client->Wait(), 0);
  EXPECT_EQ(ledger_->wrong, 0);
  for (int task = 0; task < ledger_->tasks; ++task) EXPECT_LE(ledger_->evaluated[task], 1);
  EXPECT_EQ(pool->size(), kWorkers);
  std::vector<int> tasks(100);
  EXPECT_EQ(pool->map([](int x) { return x + 1; }, tasks), std::vector<int>(100, 1));
  std::printf("answered %d, told of a death %d\n", ledger_->answered.load(), ledger_->died.load());
}

}  // namespace
}  // namespace remoteobj
