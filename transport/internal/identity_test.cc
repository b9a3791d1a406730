// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/identity.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/namespaces.h"

namespace remoteobj::transport_internal {
namespace {

using remoteobj_testing::ForkIntoPidNamespace;
using remoteobj_testing::LeaveProc;

constexpr int kSkip = 77;

// Returns the result of `body` in a child; 255 if it did not return.
template <typename Body>
int InChild(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST(IdentityTest, OfThisProcessStaysTheSame) {
  const Identity self = Self();
  EXPECT_EQ(PidOf(self), getpid());
  EXPECT_EQ(Self(), self);
  EXPECT_EQ(PidOf(IdentityOf(getpid())), getpid());
  EXPECT_TRUE(Alive(self));
  std::thread([&] { EXPECT_EQ(Self(), self); }).join();
}

TEST(IdentityTest, OfAChildIsItsOwn) {
  const Identity parent = Self();
  EXPECT_EQ(InChild([&] { return Self() != parent && PidOf(Self()) == getpid() ? 1 : 0; }), 1);
  EXPECT_EQ(InChild([&] { return Alive(parent) ? 1 : 0; }), 1);
}

TEST(IdentityTest, NoProcessIsNotAlive) {
  EXPECT_FALSE(Alive(0));
  EXPECT_EQ(IdentityOf(4'000'000), 0u);
}

TEST(IdentityTest, AZombieIsNotAlive) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    char byte;
    close(ends[1]);
    _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
  }
  const Identity child = IdentityOf(pid);
  EXPECT_TRUE(Alive(child));
  close(ends[1]);
  close(ends[0]);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(Alive(child));
  EXPECT_EQ(IdentityOf(pid), 0u);
  waitpid(pid, nullptr, 0);
  EXPECT_FALSE(Alive(child));
}

TEST(IdentityTest, OneThatHasGotThePidSinceIsAnother) {
  // The identity of a process of this pid that existed, and ended, right after the machine was
  // started.
  constexpr Identity kTicks = ((Identity{1} << 34) - 1) << 22;
  const Identity earlier = (Self() & ~kTicks) | Identity{1} << 22;
  EXPECT_EQ(PidOf(earlier), getpid());
  EXPECT_FALSE(Alive(earlier));
  EXPECT_TRUE(Alive(IdentityOf(getpid())));
}

TEST(IdentityTest, ANameOfSpacesAndParenthesesDoesNotMatter) {
  const Identity self = Self();
  char name[16];
  prctl(PR_GET_NAME, name);
  prctl(PR_SET_NAME, "a) Z 1 (b");
  EXPECT_EQ(InChild([&] { return LifeOf(self) == Life::kRuns ? 0 : 1; }), 0);
  prctl(PR_SET_NAME, name);
}

// It could not open /proc, and took everybody for dead.
TEST(IdentityTest, AProcessWithoutADescriptorLeftTakesNobodyForDead) {
  const Identity parent = Self();
  EXPECT_EQ(InChild([&] {
              const rlimit none{0, 0};
              setrlimit(RLIMIT_NOFILE, &none);
              if (open("/dev/null", O_RDONLY) >= 0) return 2;
              return Alive(parent) ? 1 : 0;
            }),
            1);
}

// /proc says that it is a zombie.
TEST(IdentityTest, AProcessWhoseMainThreadHasEndedIsAlive) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[1]);
    std::thread([&] {
      char byte;
      _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }).detach();
    // Not pthread_exit, which would unwind the test.
    syscall(SYS_exit, 0);
  }
  const Identity child = IdentityOf(pid);
  const auto state = [&] {
    char path[64];
    char text[256] = {};
    std::snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, pid);
    const int fd = open(path, O_RDONLY);
    const bool ok = read(fd, text, sizeof text - 1) > 0;
    close(fd);
    const std::string all(text);
    return ok ? all[all.rfind(')') + 2] : '?';
  };
  remoteobj_testing::Eventually("the main thread has ended", [&] { return state() == 'Z'; });
  EXPECT_TRUE(Alive(child));
  close(ends[1]);
  close(ends[0]);
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(Alive(child));
}

// A child of another PID namespace was taken for the process outside that has its pid.
TEST(IdentityTest, AProcessOfAnotherNamespaceIsNotJudgedByItsPid) {
  const Identity parent = Self();
  const int told = InChild([&] {
    if (!ForkIntoPidNamespace()) return kSkip;
    return InChild([&] {
      if (OfThisNamespace(parent) || LifeOf(parent) != Life::kUnknown || !Alive(parent)) return 2;
      return PidOf(Self()) == 1 && OfThisNamespace(Self()) && LifeOf(Self()) == Life::kRuns ? 0 : 3;
    });
  });
  if (told == kSkip) GTEST_SKIP() << "no PID namespaces here";
  EXPECT_EQ(told, 0);
}

// It had itself for one that was started at time 0, which others took for dead.
TEST(IdentityTest, AProcessThatFirstAsksWithoutProcKnowsItself) {
  const Identity parent = Self();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    Identity self = LeaveProc() ? Self() : 0;
    if (write(ends[1], &self, sizeof self) != sizeof self) _exit(1);
    for (;;) pause();
  }
  Identity child = 0;
  ASSERT_EQ(read(ends[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
  if (child != 0) {
    EXPECT_EQ(PidOf(child), pid);
    EXPECT_TRUE(OfThisNamespace(child)) << "it has its parent's";
    EXPECT_EQ(LifeOf(child), Life::kRuns);
    EXPECT_NE(child, parent);
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  EXPECT_FALSE(Alive(child));
  close(ends[0]);
  close(ends[1]);
  if (child == 0) GTEST_SKIP() << "no chroot here";
}

// A zombie answers kill().
TEST(IdentityTest, WithoutProcAZombieHasEnded) {
  const int told = InChild([] {
    const pid_t parents = fork();
    if (parents == 0) _exit(0);
    siginfo_t info;
    waitid(P_PID, static_cast<id_t>(parents), &info, WEXITED | WNOWAIT);
    const Identity zombie = (Self() & ~Identity{(1u << 22) - 1}) | static_cast<Identity>(parents);
    if (!LeaveProc()) return kSkip;
    const bool own = LifeOf(zombie) == Life::kEnded;
    // One who is not its parent.
    return own && InChild([&] { return LifeOf(zombie) == Life::kEnded ? 0 : 1; }) == 0 ? 0 : 1;
  });
  if (told == kSkip) GTEST_SKIP() << "no chroot here";
  EXPECT_EQ(told, 0);
}

TEST(IdentityTest, WithoutDescriptorsOrProcALivingProcessIsNotTakenForDead) {
  const Identity parent = Self();
  const int told = InChild([&] {
    if (!LeaveProc()) return kSkip;
    const rlimit none{0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    return LifeOf(parent) == Life::kUnknown && Alive(parent) ? 0 : 1;
  });
  if (told == kSkip) GTEST_SKIP() << "no chroot here";
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace remoteobj::transport_internal
