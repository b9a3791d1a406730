// SPDX-License-Identifier: MIT
//
// A manager in a process of its own, and what processes see of it. For a manager and its clients in
// one process see clients_testing.h.
//
//   class QueueSemantics : public OneManager {};
//   TEST_F(QueueSemantics, …) {
//     const auto q = manager().Queue<int>();
//     Elsewhere([&] { q->put(1); });
//     EXPECT_EQ(Elsewhere([&] { return q->get(); }), 1);
//   }
//
// gtest does not see an EXPECT that fails in another process: return the value and compare it here.
#ifndef REMOTEOBJ_MANAGER_TESTS_MANAGER_TESTING_H_
#define REMOTEOBJ_MANAGER_TESTS_MANAGER_TESTING_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/eventually.h"

namespace remoteobj::manager_internal {

// Calls `f` in a process of its own, which has ended when this returns. Returns what it returns, or
// throws what it throws.
template <typename F>
std::invoke_result_t<F&> Elsewhere(F f) {
  Process process(std::move(f));
  process.Join();
  if constexpr (!std::is_void_v<std::invoke_result_t<F&>>) return *process.result();
}

// An address that no other test uses, in any namespace of pids or network.
inline std::string NewAddress() {
  std::random_device random;
  return absl::StrCat("unix-abstract:remoteobj-test.", random(), ".", random());
}

// The number of waiting calls.
inline std::uint64_t Waiting(const Manager& manager) {
  std::uint64_t waiting = 0;
  for (const ObjectInfo& object : manager.Inspect().objects) waiting += object.waiting;
  return waiting;
}
inline void AwaitWaiting(const Manager& manager, std::uint64_t count) {
  remoteobj_testing::Eventually(absl::StrCat(count, " calls wait"),
                                [&] { return Waiting(manager) == count; });
}

// The manager learns a moment later that clients have released objects or disconnected. The caller
// is one of the clients.
inline void AwaitObjects(const Manager& manager, std::uint64_t count) {
  remoteobj_testing::Eventually(absl::StrCat("there are ", count, " objects"),
                                [&] { return manager.object_count() == count; });
}
inline void AwaitClients(const Manager& manager, std::size_t count) {
  remoteobj_testing::Eventually(absl::StrCat("there are ", count, " clients"),
                                [&] { return manager.Inspect().clients.size() == count; });
}

// One manager for all tests of a suite. Each test leaves no object behind, so fixtures have no
// proxies.
class OneManager : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    manager_ = std::make_unique<Manager>();
    manager_->Start();
  }
  static void TearDownTestSuite() { manager_.reset(); }
  void TearDown() override { AwaitObjects(manager(), 0); }

  static Manager& manager() { return *manager_; }

 private:
  static inline std::unique_ptr<Manager> manager_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_TESTS_MANAGER_TESTING_H_
