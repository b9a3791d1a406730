// SPDX-License-Identifier: MIT
//
// Daemons end with the process that started them, and with nothing less. Has a main of its own,
// which begins with Init(): it is what is re-executed.
#include "remoteobj/process/internal/lifeline.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/starts_testing.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/testing/forked.h"

namespace app {

enum How { kPlainly, kAsAnotherUser, kWithSignalsBlocked, kWithoutDescriptors, kByExec };

// Does that, says so through a descriptor of the test, and stays.
void Stay(int how, int test, int fd) {
  const std::string path = "/proc/" + std::to_string(test) + "/fd/" + std::to_string(fd);
  if (how == kWithoutDescriptors) syscall(SYS_close_range, 3, ~0u, 0);
  if (how == kByExec) {
    const std::string script = "echo > " + path + "; exec sleep 1000";
    execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
  }
  const int ready = open(path.c_str(), O_WRONLY);
  if (how == kAsAnotherUser &&
      (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0)) {
    _exit(8);
  }
  if (how == kWithSignalsBlocked) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
  }
  if (write(ready, "\n", 1) != 1) _exit(9);
  for (;;) pause();
}
REMOTEOBJ_REGISTER_FUNCTION(Stay)

}  // namespace app

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using remoteobj_testing::OpenDescriptors;

class LifelineTest : public testing::TestWithParam<Start> {
 protected:
  LifelineTest() {
    if (pipe2(ready_, O_CLOEXEC) != 0) std::abort();
  }
  ~LifelineTest() override {
    close(ready_[0]);
    close(ready_[1]);
  }

  // In a process that starts others.
  Process<> StartOne(app::How how, bool daemon = true) {
    return Process<>({.daemon = daemon, .start = GetParam()}, app::Stay, static_cast<int>(how),
                     test_, ready_[1]);
  }
  void WaitUntilReady() {
    char byte;
    if (read(ready_[0], &byte, 1) != 1) _exit(7);
  }
  // Tells the test which process to look at.
  void Tell(pid_t pid) {
    if (write(told_.writing, &pid, sizeof pid) != sizeof pid) _exit(7);
  }
  // Returns a pidfd, by which a process that is not the parent sees the end.
  int Told() {
    pid_t pid = 0;
    if (read(told_.reading, &pid, sizeof pid) != sizeof pid) return -1;
    return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  }
  static bool Ended(int pidfd) {
    pollfd wait{.fd = pidfd, .events = POLLIN, .revents = 0};
    return poll(&wait, 1, 0) == 1;
  }
  // Hangs if it doesn't.
  static void WaitForEnd(int pidfd) {
    pollfd wait{.fd = pidfd, .events = POLLIN, .revents = 0};
    while (poll(&wait, 1, -1) != 1) {
    }
    close(pidfd);
  }

  void EndsWithItsParent(app::How how) {
    Forked parent([&] {
      const Process<> daemon = StartOne(how);
      WaitUntilReady();
      Tell(daemon.pid());
      for (;;) pause();
    });
    const int daemon = Told();
    ASSERT_GE(daemon, 0);
    EXPECT_FALSE(Ended(daemon));
    parent.Kill();
    WaitForEnd(daemon);
  }

 private:
  struct Pipe {
    Pipe() {
      int ends[2];
      if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
      reading = ends[0];
      writing = ends[1];
    }
    ~Pipe() {
      close(reading);
      close(writing);
    }
    int reading, writing;
  };

  const pid_t test_ = getpid();
  int ready_[2];
  Pipe told_;
};

TEST_P(LifelineTest, ADaemonEndsWithItsParent) { EndsWithItsParent(app::kPlainly); }

TEST_P(LifelineTest, ADaemonThatChangesItsUserEndsWithItsParent) {
  const auto become_another = [] {
    _exit(setgroups(0, nullptr) == 0 && setuid(65534) == 0 ? 0 : 1);
  };
  if (Forked(become_another).Wait() != 0) GTEST_SKIP() << "only root can become another user";
  EndsWithItsParent(app::kAsAnotherUser);
}

TEST_P(LifelineTest, ADaemonThatBlocksAllSignalsEndsWithItsParent) {
  EndsWithItsParent(app::kWithSignalsBlocked);
}

TEST_P(LifelineTest, ADaemonThatClosesAllDescriptorsEndsWithItsParent) {
  EndsWithItsParent(app::kWithoutDescriptors);
}

TEST_P(LifelineTest, ADaemonThatExecutesAnotherProgramEndsWithItsParent) {
  EndsWithItsParent(app::kByExec);
}

TEST_P(LifelineTest, ADaemonOutlivesTheThreadThatStartedIt) {
  std::optional<Process<>> daemon;
  std::thread([&] { daemon.emplace(StartOne(app::kPlainly)); }).join();
  WaitUntilReady();
  // The thread has been reaped, which is when the kernel sent its signal.
  EXPECT_FALSE(daemon->Join(absl::Milliseconds(20)));
  daemon->Kill();
}

TEST_P(LifelineTest, OtherForksOfItsParentDoNotKeepADaemonAlive) {
  Forked parent([&] {
    const Process<> before = StartOne(app::kPlainly);
    WaitUntilReady();
    // Both have been forked since, one without this library's doing.
    const Process<> sibling = StartOne(app::kPlainly, /*daemon=*/false);
    WaitUntilReady();
    const pid_t fork_of_mine = fork();
    if (fork_of_mine == 0) {
      for (;;) pause();
    }
    Tell(before.pid());
    Tell(sibling.pid());
    Tell(fork_of_mine);
    for (;;) pause();
  });
  const int daemon = Told(), sibling = Told(), other = Told();
  parent.Kill();
  WaitForEnd(daemon);
  EXPECT_FALSE(Ended(sibling));
  for (const int pidfd : {sibling, other}) {
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    WaitForEnd(pidfd);
  }
}

TEST_P(LifelineTest, ADaemonOfADaemonEndsWithTheFirst) {
  Forked parent([&] {
    Process first([&] {
      const Process<> second = StartOne(app::kPlainly);
      WaitUntilReady();
      Tell(second.pid());
      for (;;) pause();
    });
    for (;;) pause();
  });
  const int second = Told();
  parent.Kill();
  WaitForEnd(second);
}

TEST_P(LifelineTest, LeavesNoDescriptorBehind) {
  const auto once = [&] {
    Process<> daemon = StartOne(app::kPlainly);
    WaitUntilReady();
    daemon.Kill();
    EXPECT_THROW(daemon.Join(), ProcessDied);
  };
  once();  // The fork server stays.
  const int before = OpenDescriptors();
  once();
  EXPECT_EQ(OpenDescriptors(), before);
}

INSTANTIATE_TEST_SUITE_P(Starts, LifelineTest, EachStart(), NameOfStart);

TEST(LifelineSetUpTest, AParentThatEndsBeforeTheChildIsSetUpIsNoticed) {
  int go[2], pids[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(pids, O_CLOEXEC), 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // So that the test sees how the child ends.
  Forked parent([&] {
    process_internal::Lifeline lifeline;
    const pid_t pid = lifeline.Fork();
    if (pid == 0) {
      char byte;
      if (read(go[0], &byte, 1) != 1) _exit(8);
      process_internal::EndWithParent(lifeline.fd());
      _exit(0);
    }
    if (write(pids[1], &pid, sizeof pid) != sizeof pid) _exit(9);
    for (;;) pause();
  });
  pid_t child = 0;
  ASSERT_EQ(read(pids[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  parent.Kill();
  ASSERT_EQ(write(go[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  for (const int fd : {go[0], go[1], pids[0], pids[1]}) close(fd);
}

TEST(LifelineSetUpTest, ItsNumbersAreNotTheStreams) {
  Forked program([] {
    for (int fd = 0; fd <= 2; ++fd) close(fd);
    const process_internal::Lifeline lifeline;
    if (lifeline.fd() <= 2) _exit(1);
  });
  EXPECT_EQ(program.Wait(), 0);
}

}  // namespace
}  // namespace remoteobj

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
