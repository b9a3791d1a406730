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

namespace remoteobj::transport_internal {
namespace {

// What `body` returns in a child; 255 if it did not.
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
  EXPECT_EQ(IdentityOf(getpid()), self);
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

TEST(IdentityTest, OneWithTheSamePidIsAnother) {
  // As if the pid had been used before, or would be again.
  constexpr Identity kTick = Identity{1} << 22;
  EXPECT_EQ(PidOf(Self() + kTick), getpid());
  EXPECT_FALSE(Alive(Self() + kTick));
  EXPECT_FALSE(Alive(Self() - kTick));
}

TEST(IdentityTest, ANameOfSpacesAndParenthesesDoesNotMatter) {
  const Identity self = Self();
  char name[16];
  prctl(PR_GET_NAME, name);
  prctl(PR_SET_NAME, "a) Z 1 (b");
  EXPECT_EQ(IdentityOf(getpid()), self);
  prctl(PR_SET_NAME, name);
}

// Whoever could not open /proc took everybody for dead.
TEST(IdentityTest, WhoHasNoDescriptorLeftTakesNobodyForDead) {
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
    // As pthread_exit, which would unwind the test.
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
  while (state() != 'Z') usleep(1000);
  EXPECT_TRUE(Alive(child));
  close(ends[1]);
  close(ends[0]);
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(Alive(child));
}

TEST(IdentityTest, AStampIsAliveAsLongAsItsProcess) {
  EXPECT_TRUE(StampIsAlive(StampOfSelf()));
  EXPECT_FALSE(StampIsAlive(0));
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const Identity stamp = StampOfSelf();  // At once: in the tick in which it was started.
    if (write(ends[1], &stamp, sizeof stamp) != sizeof stamp) _exit(1);
    for (;;) pause();
  }
  Identity stamp = 0;
  ASSERT_EQ(read(ends[0], &stamp, sizeof stamp), static_cast<ssize_t>(sizeof stamp));
  EXPECT_EQ(PidOf(stamp), pid);
  EXPECT_TRUE(StampIsAlive(stamp));
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  EXPECT_FALSE(StampIsAlive(stamp));
  close(ends[0]);
  close(ends[1]);
}

TEST(IdentityTest, AStampIsNotOfALaterProcessOfThatPid) {
  const Identity self = Self();
  EXPECT_TRUE(StampIsAlive(self)) << "a stamp of the moment in which it was started";
  constexpr Identity kTick = Identity{1} << 22;
  EXPECT_FALSE(StampIsAlive(self - kTick));
}

}  // namespace
}  // namespace remoteobj::transport_internal
