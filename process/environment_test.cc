// SPDX-License-Identifier: MIT
//
// Processes of programs that run in sandboxes, or do unusual things with signals, children and the
// environment. Has a main of its own, which begins with Init(): it is what is re-executed.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/starts_testing.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"

namespace app {

int Seven() { return 7; }
void Sleep() { remoteobj::SleepFor(absl::InfiniteDuration()); }
remoteobj::Generator<int> Count(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}
void End(int code) { _exit(code); }
std::string Signals() {
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, nullptr, &blocked);
  std::string text;
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGCHLD}) {
    struct sigaction action;
    sigaction(number, nullptr, &action);
    if (sigismember(&blocked, number) == 1) text += "blocked ";
    text += action.sa_handler == SIG_IGN   ? "ignored "
            : action.sa_handler == SIG_DFL ? "- "
                                           : "handled ";
  }
  return text;
}

// Closes all descriptors, as daemons and sandboxes do; other files get their numbers then.
void CloseAll() {
  syscall(SYS_close_range, 3, ~0u, 0);
  for (int i = 0; i < 20; ++i) open("/dev/zero", O_RDWR);
}
std::string LargeAfterClosingAll(int size) {
  CloseAll();
  return std::string(static_cast<std::size_t>(size), 'x');
}
void ThrowsAfterClosingAll(std::string text) {
  CloseAll();
  throw std::out_of_range(text);
}
remoteobj::Generator<int> CountAfterClosingAll(int n) {
  CloseAll();
  for (int i = 0; i < n; ++i) co_yield i;
}
void CrashesAfterClosingAll() {
  CloseAll();
  std::terminate();
}
void SleepsAfterClosingAll() {
  CloseAll();
  Sleep();
}

REMOTEOBJ_REGISTER_FUNCTION(LargeAfterClosingAll)
REMOTEOBJ_REGISTER_FUNCTION(ThrowsAfterClosingAll)
REMOTEOBJ_REGISTER_FUNCTION(CountAfterClosingAll)
REMOTEOBJ_REGISTER_FUNCTION(CrashesAfterClosingAll)
REMOTEOBJ_REGISTER_FUNCTION(SleepsAfterClosingAll)
REMOTEOBJ_REGISTER_FUNCTION(Seven)
REMOTEOBJ_REGISTER_FUNCTION(Sleep)
REMOTEOBJ_REGISTER_FUNCTION(Count)
REMOTEOBJ_REGISTER_FUNCTION(End)
REMOTEOBJ_REGISTER_FUNCTION(Signals)

}  // namespace app

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using testing::HasSubstr;

// From now on in this process and its children.
void Deny(long number, int error) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{4, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(100);
}

#define EXIT_UNLESS(condition)                              \
  if (!(condition)) {                                       \
    std::fprintf(stderr, "%d: %s\n", __LINE__, #condition); \
    _exit(1);                                               \
  }

class EnvironmentTest : public testing::TestWithParam<Start> {
 protected:
  static ProcessOptions Options() { return {.start = GetParam()}; }
};

// Checks what processes must do in every environment. Ends this process if a check fails.
void CheckAll(Start start, bool tells_how_it_ended = true) {
  Process seven({.start = start}, app::Seven);
  EXIT_UNLESS(seven.Join());
  EXIT_UNLESS(seven.result() == 7);
  EXIT_UNLESS(seven.exit_code() == (tells_how_it_ended ? std::optional(0) : std::nullopt));

  Process count({.start = start, .output = Output::kCapture}, app::Count, 3);
  int next = 0;
  for (const int i : count.result()) EXIT_UNLESS(i == next++);
  EXIT_UNLESS(next == 3);

  for (const int number : {SIGTERM, SIGKILL}) {
    Process ended({.start = start}, app::Sleep);
    EXIT_UNLESS(ended.alive());
    EXIT_UNLESS(!ended.Join(absl::Milliseconds(1)));
    number == SIGTERM ? ended.Terminate() : ended.Kill();
    try {
      ended.Join();
      _exit(2);
    } catch (const ProcessDied& e) {
      EXIT_UNLESS(e.signal() == (tells_how_it_ended ? std::optional(number) : std::nullopt));
    }
    EXIT_UNLESS(!ended.alive());
    ended.Kill();  // Nothing, any more.
  }
  {
    Process in_its_destructor({.timeout = absl::Milliseconds(1), .start = start}, app::Sleep);
  }
  Process asked({.start = start, .output = Output::kForward}, app::Sleep);
  asked.RequestStop();
  EXIT_UNLESS(asked.Join());
  if (start == Start::kFork) {
    Process other([&] { EXIT_UNLESS(!asked.alive()); });
    EXIT_UNLESS(other.Join());
  }
}

TEST_P(EnvironmentTest, WhereASystemCallIsDenied) {
  const struct {
    const char* name;
    long number;
  } calls[] = {{"pidfd_open", SYS_pidfd_open}, {"pidfd_send_signal", SYS_pidfd_send_signal},
               {"futex_waitv", 449},           {"close_range", SYS_close_range},
               {"waitid", SYS_waitid},         {"memfd_create", SYS_memfd_create}};
  for (const auto& call : calls) {
    for (const int error : {EPERM, ENOSYS}) {
      Forked sandboxed([&] {
        Deny(call.number, error);
        CheckAll(GetParam());
      });
      EXPECT_EQ(sandboxed.Wait(), 0) << call.name << " with " << error;
    }
  }
}

TEST_P(EnvironmentTest, WhereSigchldIsIgnored) {
  Forked program([&] {
    signal(SIGCHLD, SIG_IGN);
    // The fork server's children are reaped by it.
    CheckAll(GetParam(), GetParam() == Start::kForkServer);
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST_P(EnvironmentTest, WhereSigchldIsIgnoredAndThereAreNoPidfds) {
  Forked program([&] {
    signal(SIGCHLD, SIG_IGN);
    Deny(SYS_pidfd_open, EPERM);
    CheckAll(GetParam(), GetParam() == Start::kForkServer);
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST_P(EnvironmentTest, WhereAllChildrenAreReapedByAHandler) {
  Forked program([&] {
    signal(SIGCHLD, [](int) {
      const int before = errno;
      while (waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      errno = before;
    });
    Process seven(Options(), app::Seven);
    EXIT_UNLESS(seven.Join());
    EXIT_UNLESS(seven.result() == 7);
    Process died(Options(), app::End, 3);
    try {
      died.Join();
      _exit(2);
    } catch (const ProcessDied& e) {
      EXIT_UNLESS(GetParam() == Start::kForkServer || !e.exit_code());
    }
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST_P(EnvironmentTest, AfterClearenv) {
  Forked program([&] {
    clearenv();
    CheckAll(GetParam());
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST_P(EnvironmentTest, WhenSignalsAreBlockedIgnoredOrHandled) {
  Forked program([&] {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGUSR1, [](int) {});
    signal(SIGTERM, [](int) {});
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int number : {SIGTERM, SIGINT}) sigaddset(&blocked, number);
    sigprocmask(SIG_BLOCK, &blocked, nullptr);
    Process process(Options(), app::Signals);
    EXIT_UNLESS(process.Join());
    const std::string expected =
        GetParam() == Start::kFork ? "- - - ignored handled - " : "- - - - - - ";
    if (process.result() != expected) {
      std::fprintf(stderr, "%s\n", process.result()->c_str());
      _exit(2);
    }
    Process terminated(Options(), app::Sleep);
    terminated.Terminate();
    EXPECT_THROW(terminated.Join(), ProcessDied);
    sigset_t after;
    sigprocmask(SIG_BLOCK, nullptr, &after);
    EXIT_UNLESS(sigismember(&after, SIGTERM) == 1 && sigismember(&after, SIGUSR1) == 0);
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST_P(EnvironmentTest, AProcessThatHasClosedAllDescriptorsSaysAllTheSame) {
  for (const int size : {0, 100, 1 << 20}) {
    Process process(Options(), app::LargeAfterClosingAll, size);
    EXPECT_TRUE(process.Join());
    EXPECT_EQ(process.result(), std::string(static_cast<std::size_t>(size), 'x'));
  }
  Process throws(Options(), app::ThrowsAfterClosingAll, "its own error");
  try {
    throws.Join();
    ADD_FAILURE();
  } catch (const std::out_of_range& e) {
    EXPECT_STREQ(e.what(), "its own error");
  }
  for (const std::uint64_t backlog : {std::uint64_t{200}, std::uint64_t{1} << 40}) {
    Process counts({.start = GetParam(), .max_backlog = backlog}, app::CountAfterClosingAll, 50);
    int next = 0;
    for (const int i : counts.result()) EXPECT_EQ(i, next++);
    EXPECT_EQ(next, 50);
  }
  Process crashes(Options(), app::CrashesAfterClosingAll);
  try {
    crashes.Join();
    ADD_FAILURE();
  } catch (const ProcessDied& e) {
    EXPECT_THAT(e.last_words(), HasSubstr("std::terminate"));
    EXPECT_FALSE(e.stack().empty());
  }
  Process asked(Options(), app::SleepsAfterClosingAll);
  asked.RequestStop();
  EXPECT_TRUE(asked.Join());
  Process told(Options(), app::SleepsAfterClosingAll);
  told.Throw(std::out_of_range("told"));
  // It may have been told before it closed them.
  EXPECT_ANY_THROW(told.Join());
}

TEST_P(EnvironmentTest, AnOwnerThatHasClosedAllDescriptorsIsToldWhatHappened) {
  Forked owner([&] {
    // The fork server ends, too, and with it the knowledge.
    const auto signal =
        GetParam() == Start::kForkServer ? std::nullopt : std::optional<int>(SIGKILL);
    Process seven({.daemon = false, .start = GetParam()}, app::Seven);
    Process sleeps({.daemon = false, .start = GetParam()}, app::Sleep);
    // A child that runs on by itself, and one that the kernel ends, as its owner has let go of it.
    Process daemon(Options(), app::Sleep);
    app::CloseAll();
    EXIT_UNLESS(seven.Join());
    EXIT_UNLESS(seven.result() == 7);
    EXIT_UNLESS(!sleeps.Join(absl::Milliseconds(1)));
    sleeps.Kill();
    try {
      sleeps.Join();
      _exit(2);
    } catch (const ProcessDied& e) {
      EXIT_UNLESS(e.signal() == signal);
    }
    try {
      daemon.Join();
      _exit(3);
    } catch (const ProcessDied& e) {
      EXIT_UNLESS(e.signal() == signal);
    }
    // Others can be started.
    CheckAll(GetParam());
  });
  EXPECT_EQ(owner.Wait(), 0);
}

TEST_P(EnvironmentTest, WhereTheStreamsAreClosed) {
  Forked program([&] {
    for (int fd = 0; fd <= 2; ++fd) close(fd);
    CheckAll(GetParam());
    // The output goes nowhere, and into no memory of the library.
    Process process([] {
      std::printf("%s\n", std::string(100'000, 'x').c_str());
      std::fprintf(stderr, "%s\n", std::string(100'000, 'x').c_str());
      std::fflush(stdout);
      return 5;
    });
    EXIT_UNLESS(process.Join());
    EXIT_UNLESS(process.result() == 5);
  });
  EXPECT_EQ(program.Wait(), 0);
}

INSTANTIATE_TEST_SUITE_P(Starts, EnvironmentTest, EachStart(), NameOfStart);

TEST(MemoryTest, AResultForWhichThereIsNoMemoryIsABadAlloc) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow is larger than the limit";
#endif
  constexpr std::size_t kLarge = 300 << 20;
  const auto limit = [] {
    const rlimit space{.rlim_cur = 500 << 20, .rlim_max = 500 << 20};
    setrlimit(RLIMIT_AS, &space);
  };
  Process process([&] {
    limit();
    return std::string(kLarge, 'x');
  });
  EXPECT_THROW(process.Join(), std::bad_alloc);
  Forked owner([&] {
    Process large([] { return std::string(kLarge, 'x'); });
    remoteobj_testing::Eventually("the process has ended", [&] { return !large.alive(); });
    limit();
    for (int i = 0; i < 2; ++i) {
      try {
        large.Join();
        _exit(2);
      } catch (const std::bad_alloc&) {
      }
    }
  });
  EXPECT_EQ(owner.Wait(), 0);
}

TEST(KillTest, SaysWhyItFails) {
  Forked program([] {
    Process process({.timeout = absl::Milliseconds(1), .grace = absl::Milliseconds(1)}, app::Sleep);
    // The errors are those for a process that has become another user's.
    Deny(SYS_pidfd_send_signal, EPERM);
    Deny(SYS_kill, EPERM);
    try {
      process.Kill();
      _exit(2);
    } catch (const std::system_error& e) {
      EXIT_UNLESS(e.code().value() == EPERM);
      EXIT_UNLESS(std::string(e.what()).find("signal 9 to process") != std::string::npos);
    }
    try {
      process.Terminate();
      _exit(3);
    } catch (const std::system_error&) {
    }
    EXIT_UNLESS(process.alive());
  });  // The destructor does not wait for ever: the kernel kills the daemon.
  EXPECT_EQ(program.Wait(), 0);
}

}  // namespace
}  // namespace remoteobj

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
