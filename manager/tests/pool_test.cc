// SPDX-License-Identifier: MIT
#include "remoteobj/manager/pool.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;

int Square(int x) { return x * x; }
int Add(int x, int y) { return x + y; }
std::string Twice(const std::string& text) { return text + text; }
int FailAt(int x) {
  if (x == 3) throw std::out_of_range("three");
  return x;
}
pid_t Where() { return getpid(); }
void Die() { raise(SIGKILL); }
void SleepMillis(int millis) { absl::SleepFor(absl::Milliseconds(millis)); }

std::vector<int> Numbers(int count) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

TEST(PoolTest, CallsFunctionsInItsProcesses) {
  Manager manager;
  const Pool pool = manager.Pool(2);
  EXPECT_EQ(pool->size(), 2u);
  EXPECT_EQ(pool->apply(Square, 3), 9);
  EXPECT_EQ(pool->apply(Twice, "ab"), "abab");
  int offset = 10;
  EXPECT_EQ(pool->apply([offset](int x) { return x + offset; }, 1), 11);
  const pid_t where = pool->apply(Where);
  EXPECT_NE(where, getpid());
  EXPECT_NE(where, manager.pid());
  pool->apply(SleepMillis, 1);

  Future<int> later = pool->apply_async(Add, 1, 2);
  EXPECT_EQ(later.Get(absl::Seconds(60)), 3);
  EXPECT_TRUE(pool->apply_async(Square, 1).Get() == 1);
}

TEST(PoolTest, ItsProcessesAreConfined) {
  Manager manager;
  const Pool pool = manager.Pool(2, {.limits = {.cpu = absl::Seconds(100), .files = 50},
                                     .sandbox = Sandbox::kNoNewPrivileges | Sandbox::kNoProcesses});
  EXPECT_EQ(pool->apply([] { return fork() < 0 ? errno : 0; }), EPERM);
  EXPECT_THROW(manager.Pool(1, {.sandbox = Sandbox::kNoNetwork}), std::invalid_argument);
}

TEST(PoolTest, MapsInOrder) {
  Manager manager;
  const Pool pool = manager.Pool(3);
  const std::vector<int> numbers = Numbers(50);
  std::vector<int> squares;
  for (const int x : numbers) squares.push_back(x * x);
  EXPECT_EQ(pool->map(Square, numbers), squares);
  EXPECT_EQ(pool->map(Square, numbers, 7), squares);
  EXPECT_EQ(pool->map(Square, std::vector<int>()), std::vector<int>());
  EXPECT_EQ(pool->starmap(Add, std::vector<std::tuple<int, int>>{{1, 2}, {3, 4}}),
            (std::vector<int>{3, 7}));
  auto later = pool->map_async(Square, numbers);
  EXPECT_EQ(later.Get(), squares);
  pool->map(SleepMillis, std::vector{1, 1, 1});

  std::vector<int> came;
  for (const int square : pool->imap(Square, numbers)) came.push_back(square);
  EXPECT_EQ(came, squares);
  came.clear();
  for (const int square : pool->imap_unordered(Square, numbers, 3)) came.push_back(square);
  std::ranges::sort(came);
  EXPECT_EQ(came, squares);
}

// One that takes long does not hold up the others, where any may be next.
TEST(PoolTest, UnorderedResultsComeAsTheyAreDone) {
  int others_came[2];
  ASSERT_EQ(pipe(others_came), 0);
  Manager manager;
  const Pool pool = manager.Pool(2);
  const auto wait = [gate = others_came[0]](int number) {
    char byte;
    return number != 0 || read(gate, &byte, 1) == 1 ? number : -1;
  };
  std::vector<int> came;
  for (const int number : pool->imap_unordered(wait, std::vector{0, 1, 2, 3})) {
    came.push_back(number);
    if (came.size() == 3) {
      EXPECT_EQ(write(others_came[1], "x", 1), 1);
    }
  }
  ASSERT_EQ(came.size(), 4u);
  EXPECT_EQ(came.back(), 0);
  for (const int fd : others_came) close(fd);
}

TEST(PoolTest, ErrorsAreTheFunctionsOwn) {
  Manager manager;
  const Pool pool = manager.Pool(2);
  EXPECT_THROW(pool->apply(FailAt, 3), std::out_of_range);
  EXPECT_THROW(pool->map(FailAt, Numbers(10)), std::out_of_range);
  std::vector<int> came;
  const auto run = [&] {
    for (const int x : pool->imap(FailAt, Numbers(10))) came.push_back(x);
  };
  EXPECT_THROW(run(), std::out_of_range);
  EXPECT_EQ(came, Numbers(3));
  EXPECT_EQ(pool->apply(FailAt, 4), 4);
}

TEST(PoolTest, AProcessThatDiesIsReplaced) {
  Manager manager;
  const Pool pool = manager.Pool(1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(pool->apply(Die), ListenerDied);
    EXPECT_EQ(pool->apply(Square, i), i * i);
  }
  // The next process does the waiting task.
  auto dies = pool->apply_async(Die);
  auto lives = pool->apply_async(Square, 5);
  EXPECT_THROW(dies.Get(), ListenerDied);
  EXPECT_EQ(lives.Get(), 25);
}

// One that ends well, but not by the pool's end, is one that has died.
TEST(PoolTest, AProcessThatExitsIsReplaced) {
  Manager manager;
  const Pool pool = manager.Pool(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(pool->apply([] { _exit(0); }), ListenerDied);
    EXPECT_EQ(pool->apply(Square, i), i * i);
  }
}

// Values that can be nested without end.
struct Deep {
  std::vector<Deep> inner = {};
};
Deep Nested(int depth) {
  Deep deep;
  for (int i = 0; i < depth; ++i) {
    Deep outer;
    outer.inner.push_back(std::move(deep));
    deep = std::move(outer);
  }
  return deep;
}

}  // namespace

template <>
struct Codec<Deep> {
  static void Encode(const Deep& deep, ValueWriter out) { remoteobj::Encode(deep.inner, out); }
  static Deep Decode(const ValueReader& in) { return {remoteobj::Decode<std::vector<Deep>>(in)}; }
};

namespace {

using manager_internal::AwaitObjects;
using remoteobj_testing::Eventually;

// A bug: a task that can't be sent on went from one process to the next, and each ended by it.
TEST(PoolTest, WhatIsNestedTooDeepIsRefused) {
  Manager manager;
  const Pool pool = manager.Pool(1);
  const auto take = [](const Deep&) { return 1; };
  for (int depth = 80; depth < 120; ++depth) {
    try {
      EXPECT_EQ(pool->apply(take, Nested(depth)), 1);
    } catch (const BadValue&) {
      EXPECT_GT(depth, 80);
    }
  }
  EXPECT_EQ(pool->apply(Square, 3), 9);
}

TEST(PoolTest, ClosesJoinsAndTerminates) {
  Manager manager;
  {
    const Pool pool = manager.Pool(2);
    EXPECT_THROW(pool->join(), std::logic_error);
    auto slow = pool->apply_async(SleepMillis, 200);
    pool->close();
    EXPECT_THROW(pool->apply(Square, 1), std::runtime_error);
    EXPECT_FALSE(pool->join(absl::Milliseconds(1)));
    EXPECT_TRUE(pool->join());
    slow.Get();
  }
  {
    const Pool pool = manager.Pool(1);
    auto slow = pool->apply_async(SleepMillis, 100'000);
    auto waits = pool->apply_async(Square, 1);
    pool->terminate();
    EXPECT_THROW(slow.Get(), NotListening);
    EXPECT_THROW(waits.Get(), NotListening);
    EXPECT_THROW(pool->apply(Square, 1), NotListening);
  }
  AwaitObjects(manager, 0);
}

TEST(PoolTest, OtherProcessesUseIt) {
  Manager manager;
  const Pool pool = manager.Pool(2);
  Process other([&] { return pool->map(Square, Numbers(5)); });
  other.Join();
  EXPECT_EQ(*other.result(), (std::vector<int>{0, 1, 4, 9, 16}));

  manager.Publish("pool", pool);
  Manager there = Manager::Connect(manager.address());
  EXPECT_EQ(there.Get<Pool>("pool")->apply(Square, 4), 16);
}

// Waiting callers are told.
TEST(PoolTest, EndsWithTheProcessThatMadeIt) {
  Manager manager;
  manager.Publish("ready", manager.Event());
  Process maker([&] {
    const Pool pool = manager.Pool(1);
    manager.Publish("pool", pool);
    manager.Get<Event>("ready")->set();
    for (;;) pause();
  });
  manager.Get<Event>("ready")->wait();
  const auto pool = manager.Get<Pool>("pool");
  EXPECT_EQ(pool->apply(Square, 2), 4);
  const pid_t worker = pool->apply(Where);
  auto waits = pool->apply_async(SleepMillis, 100'000);
  maker.Kill();
  EXPECT_ANY_THROW(waits.Get());
  EXPECT_THROW(
      for (;;) {
        try {
          pool->apply(Square, 2);
        } catch (const ListenerDied&) {  // Its process went a moment earlier.
        }
      },
      NotListening);
  Eventually("the worker has ended", [&] { return kill(worker, 0) != 0; });
  EXPECT_ANY_THROW(maker.Join());
}

TEST(PoolTest, ArgumentsAreObjectsOfTheManagerToo) {
  Manager manager;
  const Pool pool = manager.Pool(2);
  const auto counts = manager.Dict<std::string, int>({{"a", 0}});
  const auto count = [](Dict<std::string, int> counts, int by) { counts["a"] += by; };
  for (int i = 1; i <= 4; ++i) pool->apply(count, counts, i);
  EXPECT_EQ(*counts["a"], 10);
}

TEST(PoolTest, OutlivesTheThreadThatMadeIt) {
  Manager manager;
  manager.Start();  // ThreadSanitizer doesn't let a process that a thread has forked start threads.
  std::optional<Pool> pool;
  std::thread([&] {
    pool.emplace(manager.Pool(2));
    EXPECT_EQ((*pool)->apply(Square, 3), 9);
  }).join();
  EXPECT_EQ((*pool)->apply(Square, 4), 16);
  EXPECT_EQ((*pool)->map(Square, std::vector{1, 2, 3}), (std::vector{1, 4, 9}));
}

// The program is like process 1 of a container, which has to reap the orphans itself.
TEST(PoolTest, LeavesNoProcessBehindThatNobodyReaps) {
  Forked program([] {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    {
      Manager manager;
      const Pool pool = manager.Pool(3);
      auto busy = pool->apply_async(SleepMillis, 60'000);
      EXPECT_EQ(pool->apply(Square, 3), 9);
    }
    int status = 0;
    EXPECT_EQ(waitpid(-1, &status, 0), -1) << "a process was left";
    EXPECT_EQ(errno, ECHILD);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST(PoolTest, InAProgramThatIgnoresSigchldAProcessThatDiesIsReplaced) {
  Forked program([] {
    signal(SIGCHLD, SIG_IGN);
    Manager manager;
    const Pool pool = manager.Pool(1);
    for (int i = 0; i < 3; ++i) {
      EXPECT_ANY_THROW(pool->apply(Die));
      EXPECT_EQ(pool->apply(Square, 3), 9);
    }
    _exit(testing::Test::HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(program.Wait(), 0);
}

}  // namespace
}  // namespace remoteobj
