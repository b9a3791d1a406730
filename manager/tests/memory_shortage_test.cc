// SPDX-License-Identifier: MIT
//
// A manager with a limit of address space (a container's, say), and items that do not fit.
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "gtest/gtest.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

constexpr std::size_t kMiB = 1 << 20;

// Its methods are called in the manager's process.
struct Space {
  // So much more than there is now.
  void Limit(std::size_t bytes) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    Set(pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + bytes);
  }
  void Unlimit() { Set(RLIM_INFINITY); }

 private:
  static void Set(rlim_t bytes) {
    const rlimit limit{bytes, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0) throw std::runtime_error("setrlimit");
  }
};

}  // namespace
REMOTEOBJ_DESCRIBE(Space, Limit, Unlimit)
namespace {

class MemoryShortageTest : public testing::TestWithParam<bool> {
 protected:
  MemoryShortageTest() : manager_(ManagerOptions{.shared_memory = GetParam()}) {
    manager_.Register<Space>("Space", {.run = Run::kInServer});
    manager_.Start();
    space_.emplace(manager_.Create<Space>("Space"));
  }
  Manager& manager() { return manager_; }
  const Proxy<Space>& space() const { return *space_; }

 private:
  Manager manager_;
  std::optional<Proxy<Space>> space_;
};
INSTANTIATE_TEST_SUITE_P(, MemoryShortageTest, testing::Bool(), [](const auto& info) {
  return info.param ? "SharedMemory" : "SocketsOnly";
});

// The client was dropped.
TEST_P(MemoryShortageTest, AnItemThatDoesNotFitIsRefusedAndTheManagerGoesOn) {
  auto dict = manager().Dict<int, std::string>();
  dict[1] = "small";
  space()->Limit(64 * kMiB);
  const std::string large(200 * kMiB, 'x');
  if (GetParam()) {
    EXPECT_THROW((dict[2] = large), std::bad_alloc);
    EXPECT_EQ(*dict[1], "small");
    dict[3] = "again";
    EXPECT_EQ(remoteobj_testing::Forked([&] { dict[4] = "other"; }).Wait(), 0);
    EXPECT_EQ(dict->size(), 3u);
  } else {
    // A message that can't be received costs the connection, and the objects that it alone kept.
    EXPECT_THROW((dict[2] = large), ListenerDied);
    EXPECT_EQ((manager().Dict<int, int>()->size()), 0u);
  }
}

// Results take memory, too.
TEST_P(MemoryShortageTest, NothingIsLostInAQueueThatIsFull) {
  auto queue = manager().Queue<std::string>();
  space()->Limit(128 * kMiB);
  std::size_t put = 0;
  const std::string item(10 * kMiB, 'y');
  try {
    for (; put < 100; ++put) queue->put(item);
  } catch (const std::bad_alloc&) {
  }
  ASSERT_GT(put, 0u);
  ASSERT_LT(put, 100u);
  std::size_t got = 0;
  try {
    for (; got < put; ++got) queue->get();
  } catch (const std::bad_alloc&) {
  }
  EXPECT_EQ(queue->size(), put - got);
  space()->Unlimit();
  for (; got < put; ++got) EXPECT_EQ(queue->get(), item);
  EXPECT_EQ(queue->size(), 0u);
}

}  // namespace
}  // namespace remoteobj
