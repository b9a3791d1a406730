// SPDX-License-Identifier: MIT
#include "remoteobj/process/process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/process/crash_stack.h"
#include "remoteobj/process/thread.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj {
namespace {

using remoteobj_testing::AwaitAsleep;
using remoteobj_testing::OpenDescriptors;

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
template <typename P>
ProcessDied ErrorOf(P& process) {
  try {
    process.Join();
  } catch (const ProcessDied& e) {
    return e;
  }
  throw std::logic_error("nothing was thrown");
}

int Add(int x, int y) { return x + y; }

Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

Generator<int> FailsAfter(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
  throw std::out_of_range("woah!!");
}

[[gnu::noinline]] void WriteNowhere() {
  // Not null, which UBSan would find first.
  volatile int* volatile nowhere = reinterpret_cast<volatile int*>(4096);
  *nowhere = 1;
}

// Not a tail call, and not to be made a loop.
[[gnu::noinline]] int Recurse(int depth) {
  volatile char buffer[512];
  buffer[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : Recurse(depth - 1) + buffer[0];
}

std::string ReadLine(Pipe& pipe) {
  std::string line;
  while (line.empty() || line.back() != '\n') line += pipe.Read(1);
  return line;
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

  Process first(Add, 1, 2), second(Add, 1, 2);
  EXPECT_EQ(first.name(), "Add-1");
  EXPECT_EQ(second.name(), "Add-2");
  Process third(&Range, 2);
  EXPECT_EQ(third.name(), "Range-1");
  Process lambda([] {}), other([] {});
  EXPECT_THAT(lambda.name(), MatchesRegex("process-[0-9]+"));
  EXPECT_NE(lambda.name(), other.name());
}

TEST(ProcessTest, GivesBackWhatTheFunctionReturns) {
  Process sum(Add, 5, 6);
  EXPECT_TRUE(sum.Join());
  EXPECT_EQ(sum.result(), 11);
  EXPECT_EQ(sum.result(), 11) << "again";

  using Deep = std::map<std::string, std::vector<std::optional<double>>>;
  const Deep deep{{"a", {1.5, std::nullopt}}, {"", {}}};
  Process same([](Deep value) { return value; }, deep);
  same.Join();
  EXPECT_EQ(same.result(), deep);

  Process text([] { return "a literal"; });
  text.Join();
  EXPECT_EQ(text.result(), std::string("a literal"));
}

TEST(ProcessTest, HasNoResultUntilItHasReturned) {
  Pipe pipe;
  Process process([&] {
    pipe.Read(1);
    return 10;
  });
  EXPECT_EQ(process.result(), std::nullopt);
  pipe.Write("x");
  remoteobj_testing::Eventually("the process has ended", [&] { return !process.alive(); });
  EXPECT_EQ(process.result(), 10) << "also before it is joined";
  Process failed([]() -> int { throw std::runtime_error("no"); });
  EXPECT_THROW(failed.Join(), std::runtime_error);
  EXPECT_EQ(failed.result(), std::nullopt);
}

// The first Join() threw, and the second returned as if the function had.
TEST(ProcessTest, ADamagedErrorWasForgottenByTheSecondJoin) {
  Process process([] {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code error;
      const std::string file = std::filesystem::read_symlink(entry.path(), error).string();
      if (file.find("remoteobj-log") == file.npos) continue;
      SharedLog log(dup(std::stoi(entry.path().filename().string())), /*wake_fd=*/-1);
      constexpr std::uint32_t kThrew = 3;  // See process/internal/control.h.
      log.Append(kThrew, "no packed error");
    }
    _exit(0);
  });
  for (int i = 0; i < 3; ++i) EXPECT_THROW(process.Join(), BadValue);
}

// In a fork of a process: keeps the log of that process full, and appends faster than it can be
// read. Writes a line when it has begun.
void AppendForEver(Pipe& begun) {
  alarm(100);
  std::vector<int> files;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string file = std::filesystem::read_symlink(entry.path(), error).string();
    if (file.find("remoteobj-log") == file.npos) continue;
    files.push_back(std::stoi(entry.path().filename().string()));
  }
  std::vector<std::unique_ptr<SharedLog>> logs;
  for (const int file : files) {
    logs.push_back(std::make_unique<SharedLog>(dup(file), /*wake_fd=*/-1));
  }
  constexpr std::uint32_t kStack = 5;  // See process/internal/control.h.
  constexpr std::uint64_t kFull = 1 << 20;
  const std::string lines(1 << 16, '\n');
  for (bool first = true;; first = false) {
    bool appended = false;
    for (const auto& log : logs) {
      for (; log->Backlog() < kFull; appended = true) log->Append(kStack, lines);
    }
    if (first) begun.Write(std::to_string(getpid()) + "\n");
    if (!appended) sched_yield();
  }
}

// Join() read for ever, with the lock held.
TEST(ProcessTest, AChildThatKeepsAppending) {
  Pipe begun;
  pid_t attacker = 0;
  Process process([&] {
    if (fork() == 0) AppendForEver(begun);
    remoteobj::SleepFor(absl::InfiniteDuration());
  });
  ASSERT_EQ(std::sscanf(ReadLine(begun).c_str(), "%d", &attacker), 1);
  EXPECT_EQ(process.errors().size(), 0u);
  process.RequestStop();
  EXPECT_TRUE(process.Join());
  EXPECT_EQ(kill(attacker, SIGKILL), 0);
}

// The reader could not be interrupted, since there was always a next record.
TEST(ProcessTest, AChildThatKeepsAppendingWhatIsNoYield) {
  Pipe begun;
  pid_t attacker = 0;
  Process process(
      [](Pipe* next) -> Generator<int> {
        if (fork() == 0) AppendForEver(*next);
        remoteobj::SleepFor(absl::InfiniteDuration());
        co_yield 1;
      },
      &begun);
  ASSERT_EQ(std::sscanf(ReadLine(begun).c_str(), "%d", &attacker), 1);
  Thread reader([&] {
    for (const int i : process.result()) FAIL() << i;
  });
  reader.RequestStop();
  EXPECT_TRUE(reader.Join(absl::Seconds(40)));
  EXPECT_EQ(kill(attacker, SIGKILL), 0);
  process.Kill();
}

TEST(ProcessTest, ThrowsWhatTheFunctionThrew) {
  const auto expect = [](auto function, auto check) {
    Process process({.name = "cam"}, function);
    for (int i = 0; i < 2; ++i) {  // Each time.
      try {
        process.Join();
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::exception& e) {
        check(e);
        const RemoteError* const remote = RemoteErrorOf(e);
        ASSERT_NE(remote, nullptr);
        EXPECT_EQ(remote->pid(), process.pid());
        EXPECT_EQ(remote->process(), "cam");
        EXPECT_FALSE(remote->traceback().empty());
      }
    }
    EXPECT_EQ(process.exit_code(), 1);
    ASSERT_EQ(process.errors().size(), 1u);
    EXPECT_THROW(process.errors().RaiseAny(), std::exception);
  };
  expect([] { throw std::out_of_range("too far"); },
         [](const std::exception& e) {
           EXPECT_NE(dynamic_cast<const std::out_of_range*>(&e), nullptr);
           EXPECT_STREQ(e.what(), "too far");
         });
  expect([] { throw 42; },
         [](const std::exception& e) {
           const auto* remote = dynamic_cast<const RemoteError*>(&e);
           ASSERT_NE(remote, nullptr);
           EXPECT_EQ(remote->type(), "int");
           EXPECT_EQ(remote->message(), "42");
         });
  expect(
      [] {
        try {
          throw std::out_of_range("inner");
        } catch (...) {
          std::throw_with_nested(std::runtime_error("outer"));
        }
      },
      [](const std::exception& e) {
        EXPECT_STREQ(e.what(), "outer");
        ASSERT_EQ(RemoteErrorOf(e)->causes().size(), 1u);
        EXPECT_EQ(RemoteErrorOf(e)->causes()[0].message, "inner");
      });
}

TEST(ProcessTest, DoesNotThrowIfItIsNotToRaise) {
  Process process({.raises = false}, [] { throw std::out_of_range("too far"); });
  EXPECT_TRUE(process.Join());
  ASSERT_EQ(process.errors().size(), 1u);
  EXPECT_EQ(process.errors().Last()->message(), "too far");
  Process died({.raises = false}, [] { _exit(3); });
  EXPECT_TRUE(died.Join());
  EXPECT_EQ(died.exit_code(), 3);
}

TEST(ProcessTest, RecordsIntoAnExceptThatIsShared) {
  Except errors;
  Process process({.raises = false, .errors = errors}, [&] {
    errors("work", {.raises = false}, [] { throw std::logic_error("one"); });
    throw std::runtime_error("two");
  });
  process.Join();
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors.First()->group(), "work");
  EXPECT_THROW(errors.RaiseAny(), std::runtime_error);
  EXPECT_EQ(process.errors().size(), 2u);
}

TEST(ProcessTest, TellsHowItDied) {
  struct Case {
    void (*function)();
    int exit_code;
    const char* text;
  };
  const Case cases[] = {
      {[] { _exit(7); }, 7, "ended with exit code 7, while its function ran"},
      {[] { std::_Exit(0); }, 0, "ended with exit code 0, but its function had not returned"},
      {[] { raise(SIGKILL); }, -SIGKILL, "was ended by signal 9 (Killed), while its function ran"},
      {&CrashBySignal, -SIGSEGV, "was ended by signal 11 (Segmentation fault)"},
  };
  for (const Case& c : cases) {
    Process process({.name = "cam"}, c.function);
    const ProcessDied error = ErrorOf(process);
    EXPECT_EQ(error.pid(), process.pid());
    EXPECT_EQ(error.name(), "cam");
    EXPECT_EQ(error.exit_code() ? *error.exit_code() : -*error.signal(), c.exit_code);
    EXPECT_NE(error.exit_code().has_value(), error.signal().has_value());
    EXPECT_THAT(error.what(),
                HasSubstr("process cam (pid " + std::to_string(process.pid()) + ") " + c.text));
    EXPECT_THROW(process.Join(), ProcessDied) << "each time";
    EXPECT_THROW(process.Join(absl::ZeroDuration()), ProcessDied);
    EXPECT_EQ(process.exit_code(), c.exit_code);
    EXPECT_FALSE(process.alive());
  }
}

TEST(ProcessTest, TellsWhereItCrashed) {
  Process process({.name = "cam"}, &WriteNowhere);
  const ProcessDied error = ErrorOf(process);
  ASSERT_FALSE(error.stack().empty()) << error.what();
  EXPECT_THAT(error.stack().back(), HasSubstr("WriteNowhere"));
  EXPECT_THAT(error.what(), HasSubstr("WriteNowhere"));
}

void Throw() { throw std::out_of_range("not caught"); }

TEST(ProcessTest, TellsWhyItWasTerminated) {
  Process process({.name = "cam"}, []() noexcept { Throw(); });
  const ProcessDied error = ErrorOf(process);
  EXPECT_EQ(error.signal(), SIGABRT);
  EXPECT_THAT(error.last_words(), HasSubstr("std::out_of_range had been thrown: not caught"));
  EXPECT_FALSE(error.stack().empty());
}

TEST(ProcessTest, TellsOfAStackThatOverflows) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer's own stack overflows first";
#endif
  Process process([] { return Recurse(1'000'000'000); });
  const ProcessDied error = ErrorOf(process);
  ASSERT_FALSE(error.stack().empty()) << error.what();
  EXPECT_THAT(error.stack().back(), HasSubstr("Recurse"));
}

// An alternate stack belongs to one thread: the others had none.
TEST(ProcessTest, AStackThatOverflowsOnASecondThread) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer's own stack overflows first";
#endif
  const auto check = [](auto overflow) {
    Process process(overflow);
    const ProcessDied error = ErrorOf(process);
    ASSERT_FALSE(error.stack().empty()) << error.what();
    EXPECT_THAT(error.stack().back(), HasSubstr("Recurse"));
  };
  check([] { Thread([] { return Recurse(1'000'000'000); }).Join(); });
  check([] {
    std::thread([] {
      const CrashStack stack;
      Recurse(1'000'000'000);
    }).join();
  });
}

TEST(ProcessTest, YieldsAsItGoes) {
  Pipe pipe;
  Process process(
      [](Pipe* next) -> Generator<int> {
        for (int i = 0; i < 4; ++i) {
          next->Read(1);
          co_yield i;
        }
      },
      &pipe);
  int expected = 0;
  pipe.Write("x");
  for (const int i : process.result()) {
    EXPECT_EQ(i, expected++);
    pipe.Write("x");  // Only now can there be a next one.
  }
  EXPECT_EQ(expected, 4);
  process.Join();
  for (const int i : process.result()) FAIL() << "each is seen once: " << i;
}

TEST(ProcessTest, YieldsAreThereWhenItHasEnded) {
  Process process(Range, 1000);
  process.Join();
  int expected = 0;
  for (const int i : process.result()) EXPECT_EQ(i, expected++);
  EXPECT_EQ(expected, 1000);
}

TEST(ProcessTest, WhatItThrowsComesAfterWhatItYielded) {
  Process process(FailsAfter, 4);
  int expected = 0;
  EXPECT_THROW(
      {
        for (const int i : process.result()) EXPECT_EQ(i, expected++);
      },
      std::out_of_range);
  EXPECT_EQ(expected, 4);
}

TEST(ProcessTest, ADeathComesAfterWhatItYielded) {
  Process process([]() -> Generator<std::string> {
    co_yield "one";
    co_yield std::string(1 << 20, 'x');
    raise(SIGKILL);
  });
  std::vector<std::size_t> sizes;
  try {
    for (const std::string& text : process.result()) sizes.push_back(text.size());
    FAIL();
  } catch (const ProcessDied& e) {
    EXPECT_EQ(e.signal(), SIGKILL);
    EXPECT_THAT(e.doing(), HasSubstr("after 2 yields"));
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 1 << 20}));
}

TEST(ProcessTest, AnEarlyEndTellsTheProducerToStop) {
  Pipe pipe;
  Process process(
      [](Pipe* told) -> Generator<int> {
        struct AtEnd {
          ~AtEnd() { told->Write("end"); }
          Pipe* told;
        } at_end{told};
        for (int i = 0;; ++i) co_yield i;
      },
      &pipe);
  for (const int i : process.result()) {
    if (i == 5) break;
  }
  EXPECT_TRUE(process.Join());
  pipe.CloseWriting();
  EXPECT_EQ(pipe.Read(), "end") << "what the function had was destroyed";
}

TEST(ProcessTest, AProducerCanBeMadeToWait) {
  constexpr std::uint64_t kLimit = 100'000;
  Process process({.max_backlog = kLimit}, []() -> Generator<std::string> {
    for (int i = 0; i < 500; ++i) co_yield std::string(10'000, 'x');
  });
  AwaitAsleep(process.pid());
  EXPECT_TRUE(process.alive());
  int count = 0;
  for (const std::string& text : process.result()) count += text.size() == 10'000;
  EXPECT_EQ(count, 500);
}

TEST(ProcessTest, JoinReadsWhatAProducerWaitsToBeRead) {
  Process process({.max_backlog = 100}, Range, 10'000);
  process.Join();
  int count = 0;
  for (const int i : process.result()) count += i == count;
  EXPECT_EQ(count, 10'000);
  Process forgotten({.max_backlog = 100}, Range, 10'000);
}

TEST(ProcessTest, IsAskedToStop) {
  struct Case {
    const char* name;
    std::function<void(Pipe&)> function;
  };
  const Case cases[] = {
      {"SleepFor",
       [](Pipe& ready) {
         ready.Write("r");
         remoteobj::SleepFor(absl::InfiniteDuration());
       }},
      {"InterruptionPoint",
       [](Pipe& ready) {
         ready.Write("r");
         for (;;) InterruptionPoint();
       }},
      {"IsStopRequested",
       [](Pipe& ready) {
         ready.Write("r");
         while (!IsStopRequested()) absl::SleepFor(absl::Milliseconds(1));
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Pipe ready;
    Process process([&] { c.function(ready); });
    ready.Read(1);
    process.RequestStop();
    EXPECT_TRUE(process.Join());
    EXPECT_EQ(process.exit_code(), 0);
    EXPECT_TRUE(process.errors().empty());
  }
}

TEST(ProcessTest, GivesAStopTokenToAFunctionThatTakesOne) {
  Process process(
      [](std::stop_token stop, int number) {
        while (!stop.stop_requested()) {
          InterruptionPoint();  // Throws nothing: the function looks by itself.
          remoteobj::SleepFor(absl::Hours(1));
        }
        return number;
      },
      17);
  AwaitAsleep(process.pid());
  EXPECT_EQ(process.result(), std::nullopt);
  process.RequestStop();
  process.Join();
  EXPECT_EQ(process.result(), 17);
  // Without a single interruption point.
  Process busy([](std::stop_token stop) {
    while (!stop.stop_requested()) absl::SleepFor(absl::Milliseconds(1));
  });
  busy.RequestStop();
  EXPECT_TRUE(busy.Join());
}

TEST(ProcessTest, IsMadeToThrow) {
  Pipe ready;
  Process process([&] {
    std::string caught;
    for (int i = 0; i < 3; ++i) {
      try {
        ready.Write("r");
        remoteobj::SleepFor(absl::InfiniteDuration());
      } catch (const std::out_of_range& e) {
        caught += e.what();
        caught += RemoteErrorOf(e) != nullptr ? "!" : "?";
      }
    }
    return caught;
  });
  for (const char* text : {"one", "two"}) {
    ready.Read(1);
    process.Throw(std::out_of_range(text));
  }
  ready.Read(1);
  process.Throw(std::out_of_range(std::string(100'000, 'x')));
  process.Join();
  EXPECT_EQ(*process.result(), "one!two!" + std::string(100'000, 'x') + "!");

  Process other([] { remoteobj::SleepFor(absl::InfiniteDuration()); });
  other.Throw(std::invalid_argument("stop it"));
  EXPECT_THROW(other.Join(), std::invalid_argument);
}

TEST(ProcessTest, SeveralThingsToThrowAreThrownOneByOne) {
  Pipe go;
  Process process([&] {
    go.Read(1);
    std::string caught;
    while (caught.size() < 3) {
      try {
        remoteobj::SleepFor(absl::InfiniteDuration());
      } catch (const std::runtime_error& e) {
        caught += e.what();
      }
    }
    return caught;
  });
  for (const char* text : {"a", "b", "c"}) process.Throw(std::runtime_error(text));
  go.Write("x");
  process.Join();
  EXPECT_EQ(process.result(), "abc");
}

TEST(ProcessTest, AGeneratorIsMadeToThrowWhereItYields) {
  Process process([]() -> Generator<std::string> {
    for (int i = 0;; ++i) {
      std::string caught;
      try {
        co_yield "value";
      } catch (const std::runtime_error& e) {
        caught = e.what();
      }
      if (!caught.empty()) {
        co_yield caught;
        co_return;
      }
    }
  });
  process.Throw(std::runtime_error("thrown in"));
  std::string last;
  for (const std::string& text : process.result()) last = text;
  EXPECT_EQ(last, "thrown in");
}

TEST(ProcessTest, CapturesItsOutput) {
  Process process({.output = Output::kCapture}, [] {
    std::cout << "out\n";
    std::printf("printf\n");
    std::fprintf(stderr, "err\n");
    LOG(INFO) << "a log line";
    _exit(3);
  });
  const ProcessDied error = ErrorOf(process);
  EXPECT_EQ(process.output(), "out\nprintf\n");
  EXPECT_THAT(process.error_output(), HasSubstr("err\n"));
  EXPECT_THAT(error.error_output(), HasSubstr("err\n"));
  EXPECT_THAT(error.what(), HasSubstr("The end of its stderr:\nerr\n"));
}

// It took as much memory of this process as the child had claimed to have written.
TEST(ProcessTest, AChildInflatedItsOutput) {
  Process large({.output = Output::kCapture}, [] {
    std::cout << "said" << std::flush;
    if (ftruncate(1, off_t{1} << 40) != 0 || ftruncate(2, off_t{1} << 40) != 0) _exit(9);
    _exit(3);
  });
  const ProcessDied error = ErrorOf(large);
  EXPECT_EQ(error.exit_code(), 3);
  EXPECT_LT(std::string(error.what()).size(), 10'000u);
  for (const std::string& text : {large.output(), large.error_output()}) {
    EXPECT_LT(text.size(), (64u << 20) + 200);
    EXPECT_TRUE(text.ends_with(
        "\n[remoteobj: cut here: 67108864 of 1099511627776 bytes (ProcessOptions::max_output)]\n"));
  }
  EXPECT_TRUE(large.output().starts_with("said"));
  Process small({.output = Output::kCapture, .max_output = 5}, [] { std::cout << "12345678"; });
  small.Join();
  EXPECT_EQ(small.output(),
            "12345\n[remoteobj: cut here: 5 of 8 bytes (ProcessOptions::max_output)]\n");
  EXPECT_EQ(small.error_output(), "");
}

TEST(ProcessTest, ForwardsItsOutputWithItsName) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  {
    Process process({.name = "cam", .output = Output::kForward}, [] {
      std::cout << "one\ntwo\n" << std::flush;
      std::cerr << "to stderr";
      raise(SIGKILL);
    });
    EXPECT_THROW(process.Join(), ProcessDied);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "[cam] one\n[cam] two\n");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "[cam] to stderr\n");
}

TEST(ProcessTest, CallsOnCloseOnce) {
  Pipe stop;
  int calls = 0;
  {
    Process process({.on_close =
                         [&] {
                           ++calls;
                           stop.Write("x");
                         }},
                    [&] { stop.Read(1); });
    EXPECT_EQ(calls, 0);
    process.Join();
    process.Join();
  }
  EXPECT_EQ(calls, 1);
  {
    Process process({.on_close = [&] { stop.Write("x"); }}, [&] { stop.Read(1); });
  }
}

TEST(ProcessTest, JoinWaitsForTheTimeoutOfTheOptions) {
  testing::internal::CaptureStderr();
  {
    Process process(
        {.name = "slow", .timeout = absl::Milliseconds(10), .grace = absl::Milliseconds(10)}, [] {
          signal(SIGTERM, SIG_IGN);
          SleepForEver();
        });
    EXPECT_FALSE(process.Join());
    EXPECT_TRUE(process.alive());
  }  // Ended by force, at last.
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("slow did not end within"));
}

TEST(ProcessTest, IsEndedWhenAnExceptionPassesBy) {
  try {
    Process process({.grace = absl::Milliseconds(10)}, &SleepForEver);
    throw std::runtime_error("passing by");
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "passing by");
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(ProcessTest, IsTerminatedAndThenKilled) {
  Pipe ready;
  Process process([&] {
    signal(SIGTERM, SIG_IGN);
    ready.Write("r");
    SleepForEver();
  });
  ready.Read(1);
  process.Terminate(absl::Milliseconds(10));
  EXPECT_EQ(ErrorOf(process).signal(), SIGKILL);
}

TEST(ProcessTest, WithJoinsAndThrows) {
  int sum = 0;
  With(Process(Range, 4), [&](auto& process) {
    for (const int i : process.result()) sum += i;
  });
  EXPECT_EQ(sum, 6);
  EXPECT_EQ(With(Process(Add, 1, 2), [](auto&) { return 5; }), 5);
  EXPECT_THROW(With(Process([] { throw std::out_of_range("x"); }), [](auto&) {}),
               std::out_of_range);
}

TEST(ProcessTest, ResultsOfAnySizeDoNotKeepItFromEnding) {
  constexpr std::size_t kSize = 64 << 20;
  Process process([] { return std::string(kSize, 'x'); });
  process.Join();
  EXPECT_EQ(process.result()->size(), kSize);
  Process yields(Range, 100'000);
  yields.Join();
}

TEST(ProcessTest, AGrandchildThatHoldsEverythingOpenDoesNotKeepItFromEnding) {
  Pipe pipe;
  Process process({.output = Output::kForward}, [&] {
    const pid_t pid = fork();
    if (pid == 0) SleepForEver();
    pipe.Write(std::to_string(pid) + "\n");
    return 1;
  });
  process.Join();
  EXPECT_EQ(process.result(), 1);
  pid_t grandchild = 0;
  ASSERT_EQ(std::sscanf(ReadLine(pipe).c_str(), "%d", &grandchild), 1);
  kill(grandchild, SIGKILL);
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
  static_assert(!std::is_copy_constructible_v<Process<>> && !std::is_copy_assignable_v<Process<>>);
  static_assert(std::is_nothrow_move_constructible_v<Process<>>);
  std::vector<Process<>> processes;
  for (int i = 0; i < 3; ++i) processes.emplace_back([] {});
  const pid_t pid = processes[0].pid();
  Process<> moved = std::move(processes[0]);
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
  auto process = std::make_unique<Process<>>(&SleepForEver);
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
  EXPECT_TRUE(process.Join()) << "that it returned is known all the same";
  Process died([] { raise(SIGKILL); });
  ASSERT_EQ(waitpid(died.pid(), nullptr, 0), died.pid());
  EXPECT_THAT(ErrorOf(died).what(), HasSubstr("something else has taken its exit code"));
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

TEST(ProcessTest, ContextsLetAStopRequestPass) {
  Except errors;
  Pipe ready;
  Process process([&] {
    for (;;) {
      errors("work", {.raises = false}, [&] {
        ready.Write("r");
        remoteobj::SleepFor(absl::InfiniteDuration());
      });
    }
  });
  ready.Read(1);
  process.RequestStop();
  EXPECT_TRUE(process.Join());
  EXPECT_TRUE(errors.empty()) << errors;
}

TEST(ProcessTest, AStopRequestThatWasSwallowedCanBeRepeated) {
  Pipe ready;
  Process process([&] {
    try {
      ready.Write("r");
      remoteobj::SleepFor(absl::InfiniteDuration());
    } catch (...) {
    }
    ready.Write("r");
    for (;;) InterruptionPoint();
  });
  for (int i = 0; i < 2; ++i) {
    ready.Read(1);
    process.RequestStop();
  }
  EXPECT_TRUE(process.Join());
}

TEST(ProcessTest, ADestructorLeavesTheInterruptionToItsOwner) {
  Pipe ready, pids;
  Process outer([&] {
    Process inner({.grace = absl::Milliseconds(10)}, [&] {
      ready.Write("r");
      SleepForEver();
    });
    pids.Write(std::to_string(inner.pid()) + "\n");
  });
  const pid_t inner = std::stoi(ReadLine(pids));
  ready.Read(1);
  AwaitAsleep(outer.pid());  // It waits in the destructor.
  outer.RequestStop();
  EXPECT_TRUE(outer.Join());
  EXPECT_FALSE(Exists(inner));
}

TEST(ProcessTest, WhatThrowsOnCloseDoesNotLeaveTheProcess) {
  testing::internal::CaptureStderr();
  pid_t pid;
  {
    Process process(
        {.on_close = [] { throw std::runtime_error("on close"); }, .grace = absl::Milliseconds(10)},
        &SleepForEver);
    pid = process.pid();
  }
  EXPECT_FALSE(Exists(pid));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("on close"));
}

TEST(ProcessTest, AnExitWaitsForNoReader) {
  Process program([] {
    // Still there at the exit, and so no leak.
    static const auto* const process =
        new Process({.daemon = false, .max_backlog = 100}, Range, 10'000);
    std::exit(process->alive() ? 5 : 6);
  });
  EXPECT_EQ(ErrorOf(program).exit_code(), 5);
}

TEST(ProcessTest, AWorkerWaitsForThoseThatAreNoDaemons) {
  Pipe end;
  Process worker([&] {
    new Process({.daemon = false}, [&] {
      absl::SleepFor(absl::Milliseconds(30));
      end.Write("x");
    });
  });
  worker.Join();
  end.CloseWriting();
  EXPECT_EQ(end.Read(), "x");
}

TEST(ProcessTest, WhatIsJoinedIsNoZombie) {
  Process process({.output = Output::kForward}, Add, 1, 2);
  process.Join();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(process.result(), 3);
}

TEST(ProcessTest, ADeathTravelsAsItself) {
  Process outer([] {
    Process inner({.name = "inner"}, [] { raise(SIGKILL); });
    inner.Join();
  });
  const ProcessDied error = ErrorOf(outer);
  EXPECT_EQ(error.name(), "inner");
  EXPECT_EQ(error.signal(), SIGKILL);
  EXPECT_EQ(outer.exit_code(), 1);
}

TEST(ProcessTest, WhatAContextHasRecordedIsRecordedOnce) {
  Except errors;
  Process process({.raises = false, .errors = errors},
                  [&] { errors("init", [] { throw std::runtime_error("once"); }); });
  process.Join();
  EXPECT_EQ(errors.size(), 1u) << errors;
}

TEST(ProcessTest, AGeneratorThatWaitsForRoomIsMadeToThrow) {
  Process process({.max_backlog = 10}, []() -> Generator<int> {
    for (int i = 0;; ++i) {
      bool caught = false;
      try {
        co_yield i;
      } catch (const std::out_of_range&) {
        caught = true;
      }
      if (caught) {
        co_yield -1;
        co_return;
      }
    }
  });
  AwaitAsleep(process.pid());  // It waits for a reader.
  process.Throw(std::out_of_range("thrown in"));
  int last = 0;
  for (const int i : process.result()) last = i;
  EXPECT_EQ(last, -1);
}

TEST(ProcessTest, TheStackOfAnotherForkIsNotItsOwn) {
  Process process([] {
    const pid_t pid = fork();
    if (pid == 0) {
      WriteNowhere();
      _exit(0);
    }
    waitpid(pid, nullptr, 0);
    raise(SIGKILL);
  });
  EXPECT_TRUE(ErrorOf(process).stack().empty());
}

// How a fork has ended that a function has made.
int EndOf(pid_t fork) {
  int status = 0;
  waitpid(fork, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(ProcessTest, AForkThatReturnsFromItsFunctionDoesNotSpeakForIt) {
  Pipe forked, go;
  Process process([&] {
    const pid_t pid = fork();
    if (pid == 0) return -1;
    forked.Write(std::to_string(EndOf(pid)));
    go.Read(1);
    return 222;
  });
  EXPECT_EQ(forked.Read(1), "0");
  EXPECT_EQ(process.result(), std::nullopt) << "it has not returned yet";
  go.Write("x");
  process.Join();
  EXPECT_EQ(process.result(), 222);
}

TEST(ProcessTest, AForkThatThrowsOutOfItsFunctionDoesNotSpeakForIt) {
  Process process({.output = Output::kCapture}, [] {
    const pid_t pid = fork();
    if (pid == 0) throw std::runtime_error("of the fork");
    return EndOf(pid);
  });
  process.Join();
  EXPECT_EQ(process.result(), 1);
  EXPECT_TRUE(process.errors().empty());
  EXPECT_THAT(process.error_output(), HasSubstr("of the fork"));
}

TEST(ProcessTest, AForkThatYieldsDoesNotSpeakForItsProcess) {
  Process process([]() -> Generator<int> {
    co_yield 1;
    const pid_t pid = fork();
    if (pid != 0) EndOf(pid);
    co_yield 2;
    co_yield pid == 0 ? -3 : 3;
  });
  std::vector<int> values;
  for (const int i : process.result()) values.push_back(i);
  EXPECT_EQ(values, (std::vector<int>{1, 2, 3}));
}

TEST(ProcessTest, LeavesNothingBehind) {
  const int before = OpenDescriptors();
  for (int i = 0; i < 500; ++i) {
    Process(Add, 1, 2).Join();
    Process({.output = Output::kCapture}, Range, 2).Join();
  }
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace remoteobj
