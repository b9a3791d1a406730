// SPDX-License-Identifier: MIT
#include "remoteobj/process/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace remoteobj {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// Bytes from a child to the test. End of file when no process has the other end any more.
class Pipe {
 public:
  Pipe() {
    if (pipe(ends_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  ~Pipe() {
    close(ends_[0]);
    CloseWriting();
  }

  void Write(const std::string& text) {
    if (write(ends_[1], text.data(), text.size()) < 0) _exit(99);
  }
  void CloseWriting() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  // So many bytes, or as many as there are until the end.
  std::string Read(std::size_t size = 1 << 16) {
    std::string text;
    char byte;
    while (text.size() < size && read(ends_[0], &byte, 1) == 1) text += byte;
    return text;
  }

 private:
  int ends_[2];
};

void SleepForEver() {
  for (;;) pause();
}

void CrashBySignal() {
  signal(SIGSEGV, SIG_DFL);  // Sanitizers catch it.
  raise(SIGSEGV);
}

std::string ThreadName() {
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  return name;
}

// How the end of a process is told.
ProcessDied ErrorOf(Process& process) {
  try {
    process.Join();
  } catch (const ProcessDied& e) {
    return e;
  }
  throw std::logic_error("nothing was thrown");
}

bool Exists(pid_t pid) { return kill(pid, 0) == 0; }

TEST(ProcessTest, RunsAFunctionInAnotherProcess) {
  Pipe pipe;
  Process process([&] { pipe.Write(std::to_string(getpid())); });
  process.Join();
  pipe.CloseWriting();
  EXPECT_EQ(pipe.Read(), std::to_string(process.pid()));
  EXPECT_NE(process.pid(), getpid());
  EXPECT_FALSE(process.alive());
  EXPECT_EQ(process.exit_code(), 0);
}

TEST(ProcessTest, GivesTheFunctionItsArguments) {
  Pipe pipe;
  const std::string second = "two ";
  Process process([&](std::unique_ptr<std::string> first, const std::string& copy,
                      int third) { pipe.Write(*first + copy + std::to_string(third)); },
                  std::make_unique<std::string>("one "), second, 3);
  process.Join();
  pipe.CloseWriting();
  EXPECT_EQ(pipe.Read(), "one two 3");
}

TEST(ProcessTest, CallsAMemberFunction) {
  struct Camera {
    void Capture(int frames) { pipe->Write(std::string(frames, 'x')); }
    Pipe* pipe;
  };
  Pipe pipe;
  Camera camera{&pipe};
  Process process(&Camera::Capture, &camera, 3);
  process.Join();
  pipe.CloseWriting();
  EXPECT_EQ(pipe.Read(), "xxx");
}

TEST(ProcessTest, LeavesTheParentsMemoryAlone) {
  int number = 1;
  Process process([&] { number = 2; });
  process.Join();
  EXPECT_EQ(number, 1);
}

TEST(ProcessTest, HasAName) {
  Pipe pipe;
  Process process({.name = "a camera in the attic"}, [&] { pipe.Write(ThreadName()); });
  process.Join();
  pipe.CloseWriting();
  EXPECT_EQ(process.name(), "a camera in the attic");
  EXPECT_EQ(pipe.Read(), "a camera in the") << "the kernel keeps 15 bytes";

  const ProcessOptions unnamed;
  Process first(unnamed, [] {});
  Process second([] {});
  EXPECT_THAT(first.name(), MatchesRegex("process-[0-9]+"));
  EXPECT_NE(first.name(), second.name());
}

TEST(ProcessTest, TellsHowItEnded) {
  struct Case {
    void (*function)();
    int exit_code;
    const char* text;
  };
  const Case cases[] = {
      {[] { throw std::out_of_range("too far"); }, 1, "ended with exit code 1"},
      {[] { throw 42; }, 1, "ended with exit code 1"},
      {[] { _exit(7); }, 7, "ended with exit code 7"},
      {[] { std::_Exit(0); }, 0, ""},
      {[] { raise(SIGKILL); }, -SIGKILL, "was ended by signal 9 (Killed)"},
      {&CrashBySignal, -SIGSEGV, "was ended by signal 11 (Segmentation fault)"},
  };
  for (const Case& c : cases) {
    Process process({.name = "cam"}, c.function);
    if (c.exit_code == 0) {
      EXPECT_NO_THROW(process.Join());
    } else {
      const ProcessDied error = ErrorOf(process);
      EXPECT_EQ(error.pid(), process.pid());
      EXPECT_EQ(error.name(), "cam");
      EXPECT_EQ(error.exit_code() ? *error.exit_code() : -*error.signal(), c.exit_code);
      EXPECT_NE(error.exit_code().has_value(), error.signal().has_value());
      EXPECT_EQ(error.what(), "process cam (pid " + std::to_string(process.pid()) + ") " + c.text);
      EXPECT_THROW(process.Join(), ProcessDied) << "each time";
      EXPECT_THROW(process.Join(absl::ZeroDuration()), ProcessDied);
    }
    EXPECT_EQ(process.exit_code(), c.exit_code);
    EXPECT_FALSE(process.alive());
  }
}

TEST(ProcessTest, SaysOnStderrWhatWasThrown) {
  testing::internal::CaptureStderr();
  Process process({.name = "cam"}, [] { throw std::out_of_range("too far"); });
  EXPECT_THROW(process.Join(), ProcessDied);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("process cam ended by std::out_of_range: too far"));
}

TEST(ProcessTest, PrintsEachThingOnce) {
  testing::internal::CaptureStdout();
  std::cout << "before\n";
  std::printf("before\n");
  Process process([] {
    std::cout << "within\n";
    std::printf("within\n");
  });
  process.Join();
  std::cout << std::flush;
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_EQ(text, "before\nbefore\nwithin\nwithin\n");
}

TEST(ProcessTest, WaitsForAWhile) {
  Pipe pipe;
  Process process([&] { pipe.Read(1); });
  EXPECT_FALSE(process.Join(absl::Milliseconds(10)));
  EXPECT_FALSE(process.Join(absl::ZeroDuration()));
  EXPECT_FALSE(process.Join(-absl::InfiniteDuration()));
  EXPECT_TRUE(process.alive());
  EXPECT_EQ(process.exit_code(), std::nullopt);
  pipe.Write("x");
  EXPECT_TRUE(process.Join(absl::InfiniteDuration()));
  EXPECT_TRUE(process.Join(absl::Milliseconds(10))) << "again";
}

TEST(ProcessTest, WaitsOnWhenASignalInterrupts) {
  struct sigaction action{};
  action.sa_handler = [](int) {};  // Without SA_RESTART.
  struct sigaction before;
  sigaction(SIGUSR1, &action, &before);
  const pid_t parent = getpid();
  Process process([&] {
    for (int i = 0; i < 20; ++i) {
      kill(parent, SIGUSR1);
      absl::SleepFor(absl::Milliseconds(1));
    }
  });
  process.Join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(ProcessTest, Ends) {
  Process polite(&SleepForEver);
  polite.Terminate();
  EXPECT_EQ(ErrorOf(polite).signal(), SIGTERM);
  Process stubborn([] {
    signal(SIGTERM, SIG_IGN);
    SleepForEver();
  });
  stubborn.Kill();
  EXPECT_EQ(ErrorOf(stubborn).signal(), SIGKILL);
  stubborn.Kill();
  stubborn.Terminate();
}

TEST(ProcessTest, IsMoved) {
  static_assert(!std::is_copy_constructible_v<Process> && !std::is_copy_assignable_v<Process>);
  static_assert(std::is_nothrow_move_constructible_v<Process>);
  std::vector<Process> processes;
  for (int i = 0; i < 3; ++i) processes.emplace_back([] {});
  const pid_t pid = processes[0].pid();
  Process moved = std::move(processes[0]);
  EXPECT_EQ(moved.pid(), pid);
  EXPECT_EQ(processes[0].pid(), 0);
  processes.erase(processes.begin());
  moved = std::move(processes[0]);
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), -1) << "it was joined when another took its place";
}

TEST(ProcessTest, DestructorWaitsAndLogsWhatNobodyTook) {
  testing::internal::CaptureStderr();
  pid_t pid;
  {
    Process process({.name = "forgotten"}, [] { _exit(3); });
    pid = process.pid();
  }
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), -1) << "no zombie is left";
  {
    Process fine([] {});
  }
  {
    Process asked({.name = "asked"}, &SleepForEver);
    asked.Kill();
  }
  {
    Process told({.name = "told"}, [] { _exit(3); });
    EXPECT_THROW(told.Join(), ProcessDied);
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(
      log, HasSubstr("process forgotten (pid " + std::to_string(pid) + ") ended with exit code 3"));
  EXPECT_THAT(log, Not(HasSubstr("asked")));
  EXPECT_THAT(log, Not(HasSubstr("told")));
}

TEST(ProcessTest, IsNotTheAffairOfAForkThatHasACopy) {
  auto process = std::make_unique<Process>(&SleepForEver);
  Process other([&] {
    if (!process->alive()) _exit(2);
    if (process->exit_code()) _exit(3);
    try {
      process->Join();
      _exit(4);
    } catch (const std::logic_error&) {
    }
    process.reset();  // Neither waits nor kills.
  });
  other.Join();
  EXPECT_TRUE(process->alive());
  process->Kill();
}

TEST(ProcessTest, DaemonEndsWithItsParent) {
  Pipe pipe, ready;
  // A parent that is killed, and so can't see to its children.
  Process parent([&] {
    Process daemon([&] {
      ready.Write("d");
      SleepForEver();
    });
    Process other({.daemon = false}, [&] {
      ready.Write("o");
      SleepForEver();
    });
    ready.Read(2);  // Both are past their start.
    pipe.Write(std::to_string(daemon.pid()) + " " + std::to_string(other.pid()) + "\n");
    SleepForEver();
  });
  std::string pids;
  while (pids.empty() || pids.back() != '\n') pids += pipe.Read(1);
  pid_t daemon, other;
  ASSERT_EQ(std::sscanf(pids.c_str(), "%d %d", &daemon, &other), 2);
  parent.Kill();
  EXPECT_THROW(parent.Join(), ProcessDied);
  EXPECT_TRUE(Exists(other));
  kill(other, SIGKILL);
  // When both are gone nobody has the pipe's other end: the daemon was not killed by this test.
  pipe.CloseWriting();
  EXPECT_EQ(pipe.Read(), "");
}

TEST(ProcessTest, SaysThatItsExitCodeWasTaken) {
  Process process([] {});
  const pid_t pid = process.pid();
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid) << "as a library may that waits for all children";
  EXPECT_FALSE(process.alive());
  EXPECT_EQ(process.exit_code(), std::nullopt);
  EXPECT_THAT(ErrorOf(process).what(), HasSubstr("something else has taken its exit code"));
}

TEST(ProcessTest, IsUsedByManyThreads) {
  Process process(&SleepForEver);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      EXPECT_THROW(process.Join(), ProcessDied);
      EXPECT_EQ(process.exit_code(), -SIGKILL);
    });
  }
  EXPECT_TRUE(process.alive());
  process.Kill();
  for (std::thread& thread : threads) thread.join();
}

int OpenDescriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    pollfd ask{.fd = fd, .events = 0, .revents = 0};
    if (poll(&ask, 1, 0) == 0 || (ask.revents & POLLNVAL) == 0) ++count;
  }
  return count;
}

TEST(ProcessTest, LeavesNothingBehind) {
  const int before = OpenDescriptors();
  for (int i = 0; i < 200; ++i) Process([] {}).Join();
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace remoteobj
