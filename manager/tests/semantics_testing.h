// SPDX-License-Identifier: MIT
//
// For tests of what several processes see of one manager.
//
//   class QueueSemantics : public OneManager {};
//   TEST_F(QueueSemantics, …) {
//     const auto q = manager().Queue<int>();
//     Elsewhere([&] { q->put(1); });
//     EXPECT_EQ(Elsewhere([&] { return q->get(); }), 1);
//   }
//
// gtest does not hear of an EXPECT in another process: let it return the value to compare.
#ifndef REMOTEOBJ_MANAGER_TESTS_SEMANTICS_TESTING_H_
#define REMOTEOBJ_MANAGER_TESTS_SEMANTICS_TESTING_H_

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

// Calls it in a process of its own, which has ended when this returns. Gives what it returns, or
// throws what it throws.
template <typename F>
std::invoke_result_t<F&> Elsewhere(F f) {
  Process process(std::move(f));
  process.Join();
  if constexpr (!std::is_void_v<std::invoke_result_t<F&>>) return *process.result();
}

// Which no other test has, in whatever namespace of pids or network it runs.
inline std::string NewAddress() {
  std::random_device random;
  return absl::StrCat("unix-abstract:remoteobj-test.", random(), ".", random());
}

// Calls in objects that wait.
inline std::uint64_t Waiting(const Manager& manager) {
  std::uint64_t waiting = 0;
  for (const ObjectInfo& object : manager.Inspect().objects) waiting += object.waiting;
  return waiting;
}
inline void AwaitWaiting(const Manager& manager, std::uint64_t count) {
  remoteobj_testing::Eventually(absl::StrCat(count, " calls wait"),
                                [&] { return Waiting(manager) == count; });
}

// The manager learns a moment later that clients have released objects or are gone.
inline void AwaitObjects(const Manager& manager, std::uint64_t count) {
  remoteobj_testing::Eventually(absl::StrCat("there are ", count, " objects"),
                                [&] { return manager.object_count() == count; });
}
inline void AwaitClients(const Manager& manager, std::size_t count) {
  remoteobj_testing::Eventually(absl::StrCat("there are ", count, " clients"),
                                [&] { return manager.Inspect().clients.size() == count; });
}

// One manager for all tests of a suite. Each leaves no object behind, so fixtures have no proxies.
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

#endif  // REMOTEOBJ_MANAGER_TESTS_SEMANTICS_TESTING_H_
