// SPDX-License-Identifier: MIT
//
// Has a main of its own, which begins with Init(): this program is executed again.
#include "remoteobj/process/spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/process/internal/control.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace app {

int of_this_image = 0;

int Add(int x, int y) { return x + y; }
int OfThisImage() { return of_this_image; }
std::map<std::string, int> Count(const std::vector<std::string>& words) {
  std::map<std::string, int> counts;
  for (const std::string& word : words) ++counts[word];
  return counts;
}
remoteobj::Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}
void Fail(std::string text) { throw std::out_of_range(text); }
void Crash() { raise(SIGSEGV); }
void End(int code) { _exit(code); }
void Record(remoteobj::Except errors, std::string text) {
  errors("work", {.raises = false}, [&] { throw std::invalid_argument(text); });
}
int UntilAsked(std::stop_token stop, int value) {
  while (!stop.stop_requested()) remoteobj::SleepFor(absl::Hours(1));
  return value;
}
void SleepForEver() { remoteobj::SleepFor(absl::InfiniteDuration()); }
void PrintAndDie() {
  std::printf("said before\n");
  raise(SIGKILL);
}
bool Swallows(remoteobj::Except errors) {
  errors([] { throw std::out_of_range("recorded"); });
  return true;
}
void Print() {
  std::cout << "out\n";
  std::cerr << "err\n";
}
// How many descriptors are open, besides the three streams and the one that this is looked up with.
std::vector<std::string> Descriptors() {
  std::vector<std::string> all;
  DIR* const dir = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(dir)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd <= 2 || fd == dirfd(dir)) continue;
    char target[256] = {};
    if (readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1) > 0) all.push_back(target);
  }
  closedir(dir);
  return all;
}
// Has a fork stop the owner until the fork server has told how this process ended, and the fork has
// erased it.
void EraseItsEnd(std::stop_token stop, int owner) {
  while (!stop.stop_requested()) remoteobj::SleepFor(absl::Hours(1));
  int fd = 3;
  for (char target[256] = {}; std::string(target).find("remoteobj-log") == std::string::npos;
       ++fd) {
    const ssize_t size =
        readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1);
    target[size > 0 ? size : 0] = 0;
  }
  const remoteobj::SharedLog log(dup(fd - 1), /*wake_fd=*/-1);
  int stopped[2];
  if (pipe(stopped) != 0) _exit(9);
  if (fork() == 0) {
    alarm(100);
    kill(owner, SIGSTOP);
    close(stopped[0]);
    close(stopped[1]);
    std::atomic<std::uint32_t>& end = remoteobj::process_internal::ControlOf(log).end;
    while (end == 0) absl::SleepFor(absl::Milliseconds(1));
    end = 0;
    kill(owner, SIGCONT);
    _exit(0);
  }
  close(stopped[1]);
  char none;
  while (read(stopped[0], &none, 1) > 0) {
  }
  _exit(7);
}
int Nested(int n) {
  if (n == 0) return 0;
  remoteobj::Process inner({.start = remoteobj::Start::kSpawn}, Add, n, 1);
  inner.Join();
  return *inner.result();
}
int User() { return static_cast<int>(getuid()); }
int NotRegistered() { return 1; }

// At one line, as at the same line of a header and of a file that includes it.
#define REGISTER_BOTH REMOTEOBJ_REGISTER_FUNCTION(Add) REMOTEOBJ_REGISTER_FUNCTION(OfThisImage)
REGISTER_BOTH
REMOTEOBJ_REGISTER_FUNCTION(Count)
REMOTEOBJ_REGISTER_FUNCTION(Range)
REMOTEOBJ_REGISTER_FUNCTION(Fail)
REMOTEOBJ_REGISTER_FUNCTION(Crash)
REMOTEOBJ_REGISTER_FUNCTION(End)
REMOTEOBJ_REGISTER_FUNCTION(Record)
REMOTEOBJ_REGISTER_FUNCTION(UntilAsked)
REMOTEOBJ_REGISTER_FUNCTION(SleepForEver)
REMOTEOBJ_REGISTER_FUNCTION(Print)
REMOTEOBJ_REGISTER_FUNCTION(PrintAndDie)
REMOTEOBJ_REGISTER_FUNCTION(Swallows)
REMOTEOBJ_REGISTER_FUNCTION(Descriptors)
REMOTEOBJ_REGISTER_FUNCTION(EraseItsEnd)
REMOTEOBJ_REGISTER_FUNCTION(Nested)
REMOTEOBJ_REGISTER_FUNCTION(User)

}  // namespace app

namespace remoteobj {
namespace {

using remoteobj_testing::OpenDescriptors;

using testing::HasSubstr;
using testing::UnorderedElementsAre;

class SpawnTest : public testing::TestWithParam<Start> {
 protected:
  static ProcessOptions Options() { return {.start = GetParam()}; }
};

TEST_P(SpawnTest, ResultsComeBack) {
  Process sum(Options(), app::Add, 5, 6);
  sum.Join();
  EXPECT_EQ(sum.result(), 11);
  EXPECT_EQ(sum.exit_code(), 0);
  EXPECT_THAT(sum.name(), HasSubstr("Add-"));
  Process counts(Options(), app::Count, std::vector<std::string>{"a", "b", "a"});
  counts.Join();
  EXPECT_EQ(counts.result(), (std::map<std::string, int>{{"a", 2}, {"b", 1}}));
}

TEST_P(SpawnTest, NothingOfThisImageIsThere) {
  app::of_this_image = 17;
  Process process(Options(), app::OfThisImage);
  process.Join();
  EXPECT_EQ(process.result(), 0);
}

TEST_P(SpawnTest, YieldsComeBack) {
  Process process(Options(), app::Range, 100);
  int expected = 0;
  for (const int i : process.result()) EXPECT_EQ(i, expected++);
  EXPECT_EQ(expected, 100);
  Process waits({.start = GetParam(), .max_backlog = 100}, app::Range, 1000);
  expected = 0;
  for (const int i : waits.result()) EXPECT_EQ(i, expected++);
  EXPECT_EQ(expected, 1000);
}

TEST_P(SpawnTest, ErrorsComeBack) {
  Process process(Options(), app::Fail, "too far");
  try {
    process.Join();
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_STREQ(e.what(), "too far");
    EXPECT_EQ(RemoteErrorOf(e)->pid(), process.pid());
    EXPECT_EQ(RemoteErrorOf(e)->process(), process.name());
  }
  EXPECT_EQ(process.exit_code(), 1);
}

TEST_P(SpawnTest, TellsHowItDied) {
  Process crashed(Options(), app::Crash);
  try {
    crashed.Join();
    FAIL();
  } catch (const ProcessDied& e) {
    ASSERT_FALSE(e.stack().empty());
    bool named = false;
    for (const std::string& frame : e.stack()) named |= frame.find("Crash") != frame.npos;
    EXPECT_TRUE(named) << e.what();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_EQ(e.signal(), SIGSEGV);
#endif
  }
  Process ended(Options(), app::End, 3);
  EXPECT_THROW(ended.Join(), ProcessDied);
  EXPECT_EQ(ended.exit_code(), 3);
  Process killed(Options(), app::SleepForEver);
  killed.Kill();
  EXPECT_THROW(killed.Join(), ProcessDied);
  EXPECT_EQ(killed.exit_code(), -SIGKILL);
}

TEST_P(SpawnTest, AnExceptIsAnArgument) {
  Except errors;
  Process process(Options(), app::Record, errors, "recorded");
  process.Join();
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors.Last()->group(), "work");
  EXPECT_THROW(errors.RaiseAny("work"), std::invalid_argument);
  // And where what it throws itself is recorded.
  Process failed({.raises = false, .start = GetParam(), .errors = errors}, app::Fail, "second");
  failed.Join();
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors.Last()->message(), "second");
}

TEST_P(SpawnTest, IsAskedToStopAndMadeToThrow) {
  Process asked(Options(), app::UntilAsked, 5);
  asked.RequestStop();
  asked.Join();
  EXPECT_EQ(asked.result(), 5);
  Process thrown(Options(), app::SleepForEver);
  thrown.Throw(std::invalid_argument("stop it"));
  EXPECT_THROW(thrown.Join(), std::invalid_argument);
}

TEST_P(SpawnTest, OutputIsCaptured) {
  Process process({.start = GetParam(), .output = Output::kCapture}, app::Print);
  process.Join();
  EXPECT_EQ(process.output(), "out\n");
  EXPECT_EQ(process.error_output(), "err\n");
}

TEST_P(SpawnTest, WhatItSaidBeforeItWasKilledIsThere) {
  Process process({.start = GetParam(), .output = Output::kCapture}, app::PrintAndDie);
  EXPECT_THROW(process.Join(), ProcessDied);
  EXPECT_EQ(process.output(), "said before\n");
}

TEST_P(SpawnTest, AnExceptKeepsItsOptions) {
  Except errors({.raises = false});
  Process process(Options(), app::Swallows, errors);
  process.Join();
  EXPECT_EQ(process.result(), true);
  EXPECT_EQ(errors.size(), 1u);
  const ExceptFor<std::out_of_range> picky;
  EXPECT_THROW(Process(Options(), app::Swallows, picky), BadValue) << "types are code";
}

TEST_P(SpawnTest, NoDescriptorOfTheOwnerIsKeptOpen) {
  // The fork server begins here, if there is none, and would keep what it was begun with.
  Process owner([] {
    int ends[2];
    if (pipe(ends) != 0) _exit(9);  // Inherited, unless it is closed.
    Process process({.start = GetParam()}, app::SleepForEver);
    close(ends[1]);
    char byte;
    return read(ends[0], &byte, 1) == 0;  // The end, though the process and the server live.
  });
  owner.Join();
  EXPECT_EQ(owner.result(), true);
}

TEST_P(SpawnTest, OutputIsForwarded) {
  testing::internal::CaptureStdout();
  {
    Process process({.name = "cam", .start = GetParam(), .output = Output::kForward}, app::Print);
    process.Join();
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "[cam] out\n");
}

TEST_P(SpawnTest, OnlyWhatIsMeantToBeInheritedIs) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Process warm(Options(), app::Add, 1, 2);
  Except errors;
  Process other(Options(), app::SleepForEver);
  Process process({.start = GetParam(), .errors = errors}, app::Descriptors);
  process.Join();
  // Its own log, of two, the Except's, and the pipe by which it ends with its parent.
  EXPECT_THAT(*process.result(), UnorderedElementsAre(HasSubstr("log"), HasSubstr("eventfd"),
                                                      HasSubstr("log"), HasSubstr("pipe")));
  other.Kill();
  close(ends[0]);
  close(ends[1]);
}

TEST_P(SpawnTest, FromAProgramThatHasThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int j = 0; j < 5; ++j) {
        Process process(Options(), app::Add, i, j);
        process.Join();
        EXPECT_EQ(process.result(), i + j);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(SpawnTest, Nested) {
  Process process(Options(), app::Nested, 4);
  process.Join();
  EXPECT_EQ(process.result(), 5);
}

TEST_P(SpawnTest, FromAFork) {
  Process fork([] {
    Process process({.start = GetParam()}, app::Add, 1, 2);
    process.Join();
    return *process.result();
  });
  fork.Join();
  EXPECT_EQ(fork.result(), 3);
}

TEST_P(SpawnTest, WhatCanNotBeSpawnedIsRefused) {
  EXPECT_THROW(Process(Options(), app::NotRegistered), std::logic_error);
  EXPECT_THROW(Process(Options(), [] {}), std::invalid_argument);
}

TEST_P(SpawnTest, DaemonsDieWithTheirOwner) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Process owner([&] {
    Process daemon({.start = GetParam()}, app::SleepForEver);
    const pid_t pid = daemon.pid();
    if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(9);
    for (;;) pause();
  });
  pid_t pid = 0;
  ASSERT_EQ(read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  EXPECT_EQ(kill(pid, 0), 0);
  owner.Kill();
  EXPECT_THROW(owner.Join(), ProcessDied);
  remoteobj_testing::Eventually("the daemon has ended", [&] {
    if (kill(pid, 0) != 0) return true;
    // A zombie, until its new parent has waited for it.
    char path[64], state = ' ';
    std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (std::FILE* file = std::fopen(path, "r")) {
      if (std::fscanf(file, "%*d %*[^)]) %c", &state) != 1) state = ' ';
      std::fclose(file);
    }
    return state == 'Z';
  });
  close(ends[0]);
  close(ends[1]);
}

TEST_P(SpawnTest, LeavesNothingBehind) {
  Process(Options(), app::Add, 1, 2).Join();
  const int before = OpenDescriptors();
  for (int i = 0; i < 30; ++i) Process(Options(), app::Add, 1, 2).Join();
  EXPECT_EQ(OpenDescriptors(), before);
  siginfo_t info{};
  const int result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
  EXPECT_TRUE(result != 0 || info.si_pid == 0) << "a zombie: " << info.si_pid;
}

INSTANTIATE_TEST_SUITE_P(Starts, SpawnTest, testing::Values(Start::kSpawn, Start::kForkServer),
                         [](const auto& start) {
                           return start.param == Start::kSpawn ? "Spawn" : "ForkServer";
                         });

TEST(ForkServerTest, ItsDeathIsSurvived) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // Like process 1 of a container.
  Process first({.start = Start::kForkServer}, app::SleepForEver);
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", first.pid());
  std::FILE* file = std::fopen(path, "r");
  ASSERT_NE(file, nullptr);
  int server = 0;
  ASSERT_EQ(std::fscanf(file, "%*d %*[^)]) %*c %d", &server), 1);
  std::fclose(file);
  ASSERT_EQ(kill(server, SIGKILL), 0);
  EXPECT_FALSE(first.Join(absl::Milliseconds(20))) << "it ends with its owner, not with the server";
  first.Kill();
  EXPECT_THROW(first.Join(), ProcessDied);
  EXPECT_EQ(first.exit_code(), -SIGKILL) << "this process has inherited it, and reaps it";
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  Process second({.start = Start::kForkServer}, app::Add, 1, 2);
  second.Join();
  EXPECT_EQ(second.result(), 3);
}

// The socket of this process's fork server, or -1. Makes system calls only.
int SocketOfForkServer() {
  for (int fd = 3; fd < 1000; ++fd) {
    int type = 0;
    socklen_t size = sizeof type;
    if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
        type == SOCK_SEQPACKET) {
      return fd;
    }
  }
  return -1;
}

// Forks had the socket: one that had dropped its privileges could have functions run with those of
// the server.
TEST(ForkServerTest, AWorkerThatDroppedItsPrivilegesUsedTheForkServer) {
  const ProcessOptions by_server{.start = Start::kForkServer};
  EXPECT_EQ(Process(by_server, app::Add, 1, 2).Get(), 3);
  const int socket = SocketOfForkServer();
  ASSERT_GE(socket, 0);
  Process worker([] { return SocketOfForkServer(); });
  EXPECT_EQ(worker.Get(), -1);
  remoteobj_testing::Forked fork([] { _exit(SocketOfForkServer() < 0 ? 0 : 1); });
  EXPECT_EQ(fork.Wait(), 0);
  // One that is made past fork() has it, and is refused.
  const auto copy = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  ASSERT_GE(copy, 0);
  if (copy == 0) {
    std::int32_t message = 0;
    std::int32_t answer = 0;
    bool good = write(socket, &message, sizeof message) == sizeof message &&
                read(socket, &answer, sizeof answer) == sizeof answer && answer == -EPERM;
    syscall(SYS_setresgid, 65534, 65534, 65534);
    syscall(SYS_setresuid, 65534, 65534, 65534);
    good = good && write(socket, &message, sizeof message) == sizeof message &&
           read(socket, &answer, sizeof answer) == sizeof answer && answer == -EPERM;
    syscall(SYS_exit_group, good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(copy, &status, 0), copy);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Process(by_server, app::Add, 1, 2).Get(), 3) << "it serves its owner as before";
}

TEST(ForkServerTest, AnOwnerThatHasChangedItsUserStartsAnother) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become another user";
  remoteobj_testing::Forked owner([] {
    const ProcessOptions by_server{.start = Start::kForkServer};
    if (Process(by_server, app::User).Get() != 0) _exit(2);
    if (setresuid(65534, 65534, 65534) != 0) _exit(3);
    if (Process(by_server, app::User).Get() != 65534) _exit(4);
  });
  EXPECT_EQ(owner.Wait(), 0);
}

// The owner waited for ever for the server to tell it.
TEST(ForkServerTest, AGrandchildErasedTheEnd) {
  remoteobj_testing::Forked owner([] {
    Process process({.start = Start::kForkServer}, app::EraseItsEnd, static_cast<int>(getpid()));
    process.RequestStop();
    try {
      process.Join();
      _exit(2);
    } catch (const ProcessDied& e) {
      if (e.exit_code() || e.signal()) _exit(3);
    }
  });
  EXPECT_EQ(owner.Wait(), 0);
}

// The caller of a set-user-ID program chose a function of it.
TEST(SpawnTest, TheVariableOfASetUserIdProgram) {
  if (getuid() != 0) GTEST_SKIP() << "only root can become another user";
  remoteobj_testing::Forked caller([] {
    // The effect of a set-user-ID bit: the real user is not the effective one.
    if (setresuid(65534, 0, 0) != 0) _exit(3);
    setenv("REMOTEOBJ_DISPATCH", "97,98,99", 1);
    execl("/proc/self/exe", "spawn_test", "--gtest_list_tests", nullptr);
    _exit(4);
  });
  EXPECT_EQ(caller.Wait(), 0) << "it ran main(), not a function";
  // So such a program can't spawn: main() would run in each process, and spawn again.
  remoteobj_testing::Forked program([] {
    if (setresuid(65534, 0, 0) != 0) _exit(3);
    for (const Start start : {Start::kSpawn, Start::kForkServer}) {
      try {
        Process process({.start = start}, app::Add, 1, 2);
        _exit(4);
      } catch (const std::system_error& e) {
        if (e.code().value() != EPERM) _exit(5);
      }
    }
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST(ForkServerTest, WhatCanNotBeStartedLeavesTheOthersAlone) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan looks at objects through a pipe, and takes them for broken where no "
                  "descriptor is left for one";
#endif
  Process owner([] {
    const rlimit limit{.rlim_cur = 60, .rlim_max = 60};
    setrlimit(RLIMIT_NOFILE, &limit);
    std::vector<Process<>> running;
    try {
      for (;;) running.emplace_back(ProcessOptions{.start = Start::kForkServer}, app::SleepForEver);
    } catch (const std::system_error&) {
    }
    // In the place of one of them the server starts another, so it has dealt with the failure.
    running.back().Kill();
    running.pop_back();
    Process another({.start = Start::kForkServer}, app::Add, 1, 2);
    another.Join();
    if (another.result() != 3) _exit(1);
    int alive = 0;
    for (Process<>& process : running) {
      alive += process.alive() ? 1 : 0;
      process.Kill();
    }
    return std::pair(running.size(), alive);
  });
  owner.Join();
  EXPECT_GT(owner.result()->first, 3u);
  EXPECT_EQ(static_cast<int>(owner.result()->first), owner.result()->second);
}

}  // namespace
}  // namespace remoteobj

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
