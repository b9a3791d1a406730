// SPDX-License-Identifier: MIT
#include "remoteobj/testing/eventually.h"

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace remoteobj_testing {
namespace {

TEST(EventuallyTest, ReturnsOnceAnotherThreadHasBroughtItAbout) {
  std::atomic<int> looks{0};
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (looks < 3) std::this_thread::yield();
    done = true;
  });
  Eventually("it is done", [&] {
    ++looks;
    return done.load();
  });
  EXPECT_GE(looks, 3);
  other.join();
}

TEST(EventuallyTest, SaysWhatWasAwaitedInVain) {
  try {
    Eventually("pigs fly", [] { return false; }, absl::Milliseconds(5));
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(std::string(e.what()), "waited 5ms in vain until pigs fly");
  }
}

TEST(EventuallyTest, SeesThatAThreadSleeps) {
  std::atomic<pid_t> id{0};
  std::atomic<bool> over{false};
  std::thread sleeper([&] {
    id = gettid();
    over.wait(false);
  });
  Eventually("the thread has begun", [&] { return id != 0; });
  AwaitAsleep(id);
  over = true;
  over.notify_one();
  sleeper.join();
}

}  // namespace
}  // namespace remoteobj_testing
