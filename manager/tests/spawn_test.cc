// SPDX-License-Identifier: MIT
//
// Proxies of a manager's objects as arguments of processes that are no forks.
#include "remoteobj/process/spawn.h"

#include <optional>
#include <stdexcept>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {

int Count(Dict<std::string, int> counts, Queue<std::string> words) {
  int count = 0;
  while (const auto word = words->try_get()) {
    counts[*word] += 1;
    ++count;
  }
  return count;
}
REMOTEOBJ_REGISTER_FUNCTION(Count)

struct Thing {
  int Inc() { return ++count; }
  int count = 0;
};
REMOTEOBJ_DESCRIBE(Thing, Inc, count)

namespace {

using manager_internal::AwaitClients;
using manager_internal::AwaitObjects;

class SpawnTest : public testing::TestWithParam<Start> {};

TEST_P(SpawnTest, ProxiesAreArguments) {
  Manager manager;
  auto counts = manager.Dict<std::string, int>({{"a", 0}, {"b", 0}});
  auto words = manager.Queue<std::string>();
  for (const char* word : {"a", "b", "a"}) words->put(word);
  Process counting({.start = GetParam()}, Count, counts, words);
  counting.Join();
  EXPECT_EQ(counting.result(), 3);
  EXPECT_EQ(*counts["a"], 2);
  AwaitClients(manager, 1);
}

// It is kept until it has arrived.
TEST(SpawnedTest, TheObjectOutlivesTheSendersProxy) {
  Manager manager;
  auto counts = manager.Dict<std::string, int>({{"a", 0}});
  std::optional<Queue<std::string>> words = manager.Queue<std::string>();
  (*words)->put("a");
  Process counting({.start = Start::kSpawn}, Count, counts, *words);
  words.reset();
  counting.Join();
  EXPECT_EQ(counting.result(), 1);
  AwaitObjects(manager, 1);
}

// Such as a program with threads needs, whose forks may find locks taken for good.
TEST(SpawnedManagerTest, HasTheBuiltInTypes) {
  for (const Start start : {Start::kSpawn, Start::kForkServer}) {
    Manager manager(ManagerOptions{.start = start});
    auto counts = manager.Dict<std::string, int>({{"a", 1}});
    counts["a"] += 1;
    EXPECT_EQ(*counts["a"], 2);
    EXPECT_NE(manager.pid(), 0);
    manager.Shutdown();
    EXPECT_THROW(counts->size(), NotListening);
  }
}

TEST(SpawnedManagerTest, RefusesWhatOnlyAForkCouldHave) {
  Manager manager(ManagerOptions{.start = Start::kSpawn});
  EXPECT_THROW(manager.Register<Thing>("Thing"), std::logic_error);
  EXPECT_THROW(Manager(ManagerOptions{.initializer = [] {}, .start = Start::kSpawn}).Start(),
               std::logic_error);
}

INSTANTIATE_TEST_SUITE_P(Start, SpawnTest, testing::Values(Start::kFork, Start::kSpawn),
                         [](const auto& info) {
                           return info.param == Start::kFork ? "fork" : "spawn";
                         });

}  // namespace
}  // namespace remoteobj

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
