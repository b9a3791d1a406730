// SPDX-License-Identifier: MIT
#include "remoteobj/testing/forked.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "gtest/gtest.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

namespace {

using remoteobj_testing::Forked;

// [example]
TEST(CounterTest, CountsInAnotherProcess) {
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);
  remoteobj_testing::Forked child([&] {
    auto listening = remote.ListenInBackground();
    for (;;) pause();
  });
  remote.WaitUntilListening(child);
  EXPECT_EQ(remote->Inc(), 1);
  child.Kill();  // so does its destructor: no test leaves a process behind
  EXPECT_EQ(remote->count.GetOr(-1), -1);
}
// [/example]

TEST(ForkedTest, TellsHowTheChildEnded) {
  EXPECT_EQ(Forked([] {}).Wait(), 0);
  EXPECT_EQ(Forked([] { _exit(7); }).Wait(), 7);
  EXPECT_EQ(Forked([] { throw std::runtime_error("what it threw"); }).Wait(), 1);
  EXPECT_EQ(Forked([] { raise(SIGTERM); }).Wait(), -SIGTERM);
  Forked idle([] { pause(); });
  EXPECT_EQ(idle.Kill(), -SIGKILL);
  EXPECT_EQ(idle.Wait(), -SIGKILL);
}

TEST(ForkedTest, DestructorKillsAndReaps) {
  pid_t pid;
  {
    Forked idle([] {
      for (;;) pause();
    });
    pid = idle.pid();
  }
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

}  // namespace
