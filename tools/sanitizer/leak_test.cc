// SPDX-License-Identifier: MIT
// With --config=asan a leak is an error, also in a forked child: this test sees
// to it that the options in .bazelrc say so, and shows where the checker looks.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "gtest/gtest.h"

namespace {

#if defined(__SANITIZE_ADDRESS__)  // GCC
constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)  // Clang
constexpr bool kAddressSanitizer = __has_feature(address_sanitizer);
#else
constexpr bool kAddressSanitizer = false;
#endif

// Keeps an allocation from being optimised away, and leaves no pointer to it in
// a register or on the stack.
[[gnu::noinline]] void Leak() {
  [[maybe_unused]] static void* volatile block;
  block = ::operator new(1000);
  block = nullptr;
}

// The exit status of a child that does `work` and ends by exit() or _exit().
template <typename Work>
int StatusOfChild(Work work, void (*end)(int)) {
  int pid = fork();
  if (pid == 0) {
    if (!freopen("/dev/null", "w", stderr)) abort();
    work();
    end(0);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

class LeakTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!kAddressSanitizer) GTEST_SKIP() << "only with --config=asan";
  }
};

TEST_F(LeakTest, IsFoundInAForkedChild) { EXPECT_NE(StatusOfChild(Leak, exit), 0); }

TEST_F(LeakTest, IsNotSeenWhereThereIsNone) {
  EXPECT_EQ(StatusOfChild([] {}, exit), 0);
}

TEST_F(LeakTest, IsNotLookedForAfter_exit) { EXPECT_EQ(StatusOfChild(Leak, _exit), 0); }

}  // namespace
