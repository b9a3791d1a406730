// SPDX-License-Identifier: MIT
#include "remoteobj/transport/shared_memory/internal/spin.h"

#include <atomic>
#include <thread>

#include "gtest/gtest.h"

namespace remoteobj::transport_internal {
namespace {

TEST(SpinnerTest, SeesWhatIsDoneAlready) {
  Spinner spinner;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(spinner.Spin(-1, [] { return true; }));
}

TEST(SpinnerTest, SeesWhatAnotherThreadDoes) {
  Spinner spinner;
  std::atomic<bool> done{false};
  std::thread other([&] { done = true; });
  while (!spinner.Spin(-1, [&] { return done.load(); })) {
  }
  other.join();
}

TEST(SpinnerTest, GivesUpAndTriesMoreAndMoreRarely) {
  Spinner spinner;
  int tried = 0;
  for (int i = 0; i < 10'000; ++i) {
    bool looked = false;
    EXPECT_FALSE(spinner.Spin(-1, [&] {
      looked = true;
      return false;
    }));
    if (looked) ++tried;
  }
  EXPECT_GE(tried, 10'000 / 256);
  EXPECT_LE(tried, 60);
  // When it pays again it is done again.
  for (int i = 0; i < 256; ++i) spinner.Spin(-1, [] { return true; });
  EXPECT_TRUE(spinner.Spin(-1, [] { return true; }));
}

TEST(SpinnerTest, DoesNotKeepItsOwnCpuFromAPeerThere) {
  cpu_set_t before;
  sched_getaffinity(0, sizeof before, &before);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  Spinner spinner;
  EXPECT_FALSE(spinner.Spin(sched_getcpu(), [] {
    ADD_FAILURE();
    return true;
  }));
  sched_setaffinity(0, sizeof before, &before);
}

}  // namespace
}  // namespace remoteobj::transport_internal
