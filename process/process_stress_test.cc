// SPDX-License-Identifier: MIT
//
// Processes that are killed at any instant, stop for a while, write more than memory holds, refuse
// to end, or leave children behind. The owner gets all that a process wrote before its end, whole
// and in order, never waits for ever, and nothing is left of any of them.
//
// REMOTEOBJ_ROUNDS says how often each kind of death is tried, and with 1000 or more everything has
// its full size. No time is asserted: a process that hangs runs into the test's timeout.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj {
namespace {

using remoteobj_testing::OpenDescriptors;

int Rounds() {
  const char* rounds = std::getenv("REMOTEOBJ_ROUNDS");
  return rounds == nullptr ? 40 : std::atoi(rounds);
}

// How much of something: in a short test, in a long one.
std::size_t Much(std::size_t some, std::size_t all) { return Rounds() >= 1000 ? all : some; }

// Longer than anything here takes, so that what is forgotten ends all the same.
void SleepLong() {
  absl::SleepFor(absl::Minutes(2));
  _exit(98);
}

// Bytes from other processes to the test. Reading ends when nobody has the other end any more.
class Pipe {
 public:
  Pipe() {
    if (pipe(ends_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  ~Pipe() {
    for (const int end : ends_) close(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  template <typename T>
  void Write(const T& value) {
    if (write(ends_[1], &value, sizeof value) != sizeof value) _exit(99);
  }
  template <typename T = char>
  T Read() {
    T value{};
    if (read(ends_[0], &value, sizeof value) != sizeof value) {
      throw std::runtime_error("nothing more comes through the pipe");
    }
    return value;
  }

 private:
  int ends_[2];
};

// Each test leaves no descriptor, no child, and no process whose parent has died: those become
// children of this one.
class ProcessStressTest : public testing::Test {
 protected:
  ProcessStressTest() {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Names of functions and lines of code are looked up in files that stay open.
    const LocalExcept errors({.raises = false});
    errors([] { throw std::out_of_range("first"); });
    EXPECT_NE(errors.Last()->traceback().size(), 0u);
    Process(&SleepLong).Kill();
    descriptors_ = OpenDescriptors();
  }

  void TearDown() override {
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a zombie, or a process that runs on";
    EXPECT_EQ(errno, ECHILD);
    EXPECT_EQ(OpenDescriptors(), descriptors_);
  }

  std::minstd_rand random_{static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed())};

 private:
  int descriptors_ = 0;
};

// --- Killed at any instant ---

// How far a process has certainly come.
struct Progress {
  std::atomic<int> recorded{0};
  std::atomic<int> yielded{0};
};

// Memory that forks share.
template <typename T>
class Shared {
 public:
  Shared()
      : value_(new(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0)) T) {}
  ~Shared() { munmap(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T* get() const { return value_; }
  T* operator->() const { return value_; }

 private:
  T* value_;
};

std::string TextOf(int i, std::size_t size) {
  return std::to_string(i) + ":" + std::string(size, static_cast<char>('a' + i % 26));
}
// Small ones and such as do not fit where small ones are.
std::string ValueOf(int i) { return TextOf(i, (i % 5 == 4 ? 300'000u : 3'000u) + i * 37u % 1000u); }
std::string MessageOf(int i) { return TextOf(i, i % 7 == 6 ? 70'000u : i % 100u); }

Generator<std::string> RecordAndYield(Except errors, Progress* progress) {
  for (int i = 0;; ++i) {
    errors("work", {.raises = false}, [&] { throw std::out_of_range(MessageOf(i)); });
    progress->recorded = i + 1;
    co_yield ValueOf(i);
    progress->yielded = i + 1;
  }
}

// Checks that each error is in its place, and whole. Returns their number.
int CheckErrors(const Except& errors) {
  int count = 0;
  for (const RemoteError& error : errors.Group("work")) {
    EXPECT_EQ(error.message(), MessageOf(count));
    EXPECT_EQ(error.type(), "std::out_of_range");
    ++count;
  }
  return count;
}

// Takes what has been yielded, from `count` on, until the process has died.
void TakeAll(const Process<Generator<std::string>>& process, int& count) {
  try {
    for (const std::string& value : process.result()) {
      ASSERT_TRUE(value == ValueOf(count)) << count << ": " << value.substr(0, 20);
      ++count;
    }
    ADD_FAILURE() << "it returned";
  } catch (const ProcessDied& e) {
    EXPECT_EQ(e.signal(), SIGKILL) << e.what();
  }
}

// Calls `before_death` between the start and the death of each process.
template <typename F>
void KillAtAnyInstant(std::minstd_rand& random, const F& before_death) {
  const Shared<Progress> progress;
  int most = 0;
  for (int round = 0; round < Rounds() && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    progress->recorded = 0;
    progress->yielded = 0;
    const Except errors;
    Process process({.name = "victim"}, RecordAndYield, errors, progress.get());
    const auto live = absl::Microseconds(random() % (round % 2 == 0 ? 2'000 : 15'000));
    const auto die = [&] {
      // Every other one dies only when it has come so far.
      while (round % 2 == 1 && progress->yielded == 0) absl::SleepFor(absl::Microseconds(100));
      absl::SleepFor(live);
      before_death(process.pid(), errors);
      process.Kill();
    };
    int yielded = 0;
    switch (round % 3) {
      case 0:  // It dies while it is read.
      {
        std::thread killer(die);
        TakeAll(process, yielded);
        killer.join();
        break;
      }
      case 1:  // It is dead when it is read.
        die();
        TakeAll(process, yielded);
        break;
      default:  // And is reaped.
        die();
        EXPECT_THROW(process.Join(), ProcessDied);
        TakeAll(process, yielded);
    }
    const int recorded = CheckErrors(errors);
    // It may have died between the record and the count.
    EXPECT_TRUE(yielded == progress->yielded || yielded == progress->yielded + 1)
        << yielded << " of " << progress->yielded;
    EXPECT_TRUE(recorded == progress->recorded || recorded == progress->recorded + 1)
        << recorded << " of " << progress->recorded;
    EXPECT_TRUE(recorded == yielded || recorded == yielded + 1) << recorded << ", " << yielded;
    most = std::max(most, yielded);
  }
  EXPECT_GT(most, 0);
  testing::Test::RecordProperty("most_yields_before_a_death", most);
}

TEST_F(ProcessStressTest, KilledAtAnyInstantLeavesAPrefix) {
  KillAtAnyInstant(random_, [](pid_t, const Except&) {});
}

TEST_F(ProcessStressTest, StoppedForAWhileAndKilledLeavesAPrefix) {
  KillAtAnyInstant(random_, [this](pid_t pid, const Except& errors) {
    for (int i = 0; i < 3; ++i) {
      kill(pid, SIGSTOP);
      absl::SleepFor(absl::Microseconds(200));
      // Others read and write what it may have been writing.
      CheckErrors(errors);
      errors("owner", {.raises = false}, [] { throw std::runtime_error("meanwhile"); });
      EXPECT_EQ(errors.Group("owner").size(), static_cast<std::size_t>(i + 1));
      if (i == 2 && random_() % 2 == 0) break;  // Killed while it is stopped.
      kill(pid, SIGCONT);
      absl::SleepFor(absl::Microseconds(random_() % 2'000));
    }
  });
}

// --- Nothing is left ---

Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

TEST_F(ProcessStressTest, StartsLeaveNothing) {
  const int before = OpenDescriptors();
  for (std::size_t i = 0; i < Much(300, 10'000) && !HasFailure(); ++i) {
    const Output output = i % 16 == 1   ? Output::kForward
                          : i % 16 == 2 ? Output::kCapture
                                        : Output::kInherit;
    const int number = static_cast<int>(i);
    switch (i % 4) {
      case 0: {
        Process process({.daemon = i % 8 == 0}, [number] { return number; });
        process.Join();
        EXPECT_EQ(process.result(), number);
        break;
      }
      case 1: {
        Process process({.raises = false, .output = output}, [] { throw std::out_of_range("x"); });
        process.Join();
        break;
      }
      case 2: {
        Process process({.output = output}, [] { SleepLong(); });
        process.Kill();
        EXPECT_THROW(process.Join(), ProcessDied);
        break;
      }
      default: {
        Process process({.daemon = i % 8 == 0}, Range, 3);  // Joined by its destructor.
      }
    }
    // The yields outlive the handle.
    if (i % 32 == 0) {
      auto yields = Process(Range, 2).result();
      int sum = 0;
      for (const int yield : yields) sum += yield;
      EXPECT_EQ(sum, 1);
    }
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << i;
    if (i % 50 == 0) {
      EXPECT_EQ(OpenDescriptors(), before) << i;
    }
  }
}

// All that has been started, and has lost its parent, ends without being told to. Returns how many.
int WaitForAll() {
  int count = 0;
  for (const Deadline end = Deadline::After(absl::Minutes(1));;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0) return count;
    if (pid > 0) {
      ++count;
      EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    } else if (end.expired()) {
      ADD_FAILURE() << "processes live on without their parent";
      return count;
    } else {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
}

TEST_F(ProcessStressTest, DaemonsDieWithTheirParentAndSoDoTheirs) {
  Pipe started;
  Process parent([&] {
    Process daemon([&] {
      Process grandchild([&] {
        started.Write('g');
        SleepLong();
      });
      started.Write('d');
      SleepLong();
    });
    SleepLong();
  });
  started.Read();
  started.Read();  // Both are there.
  parent.Kill();
  EXPECT_THROW(parent.Join(), ProcessDied);
  EXPECT_EQ(WaitForAll(), 2);
}

TEST_F(ProcessStressTest, DaemonsDieWithAParentThatIsKilledWhileItStartsThem) {
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    Process parent([] {
      std::vector<Process<>> all;
      for (int i = 0; i < 20; ++i) {
        all.emplace_back([] {
          Process grandchild(&SleepLong);
          SleepLong();
        });
      }
      SleepLong();
    });
    absl::SleepFor(absl::Microseconds(random_() % 10'000));
    parent.Kill();
    EXPECT_THROW(parent.Join(), ProcessDied);
    WaitForAll();
  }
}

// A process as a program is: it ends by exit().
template <typename F>
pid_t ForkProgram(const F& main) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    main();
    std::exit(0);
  }
  return pid;
}

TEST_F(ProcessStressTest, NonDaemonsAreWaitedForAtExit) {
  const Shared<std::atomic<int>> done;
  const pid_t program = ForkProgram([&] {
    static std::vector<Process<>> kept;  // Static, so nobody takes it for a leak.
    for (int i = 0; i < 3; ++i) {
      kept.emplace_back(ProcessOptions{.daemon = false}, [&] {
        absl::SleepFor(absl::Milliseconds(20));
        done->fetch_add(1);
      });
    }
    std::exit(7);
  });
  int status = 0;
  EXPECT_EQ(waitpid(program, &status, 0), program);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  EXPECT_EQ(*done.get(), 3);
}

// Its exit used to wait for what its parent had started.
TEST_F(ProcessStressTest, NonDaemonsAreNotWaitedForByAForkThatHasACopy) {
  Pipe stop;
  Process process({.daemon = false}, [&] { stop.Read(); });
  const pid_t program = ForkProgram([] {});
  // So that a failure is one, and does not hang.
  Process watchdog([&] {
    remoteobj::SleepFor(absl::Seconds(20));
    stop.Write('x');
  });
  int status = 0;
  EXPECT_EQ(waitpid(program, &status, 0), program);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(process.alive());
  watchdog.RequestStop();
  watchdog.Join();
  stop.Write('x');
}

// --- Join() always returns ---
// The large ones come last: the allocator keeps memory, and each fork takes longer then.

TEST_F(ProcessStressTest, AProcessThatIgnoresSigtermIsKilled) {
  Pipe ready;
  const auto ignore = [&] {
    signal(SIGTERM, SIG_IGN);
    ready.Write('r');
    SleepLong();
  };
  Process process(ignore);
  ready.Read();
  process.Terminate(absl::Milliseconds(10));
  EXPECT_EQ(process.exit_code(), -SIGKILL);
  // Also one that is stopped, and so does nothing at all.
  Process stopped(ignore);
  ready.Read();
  kill(stopped.pid(), SIGSTOP);
  stopped.Terminate(absl::Milliseconds(10));
  EXPECT_EQ(stopped.exit_code(), -SIGKILL);
  // And by the destructor.
  Process late({.timeout = absl::Milliseconds(1), .grace = absl::Milliseconds(10)}, ignore);
  ready.Read();
  EXPECT_FALSE(late.Join());
}

TEST_F(ProcessStressTest, JoinReturnsWhileAGrandchildHoldsTheOutput) {
  for (const Output output : {Output::kForward, Output::kCapture, Output::kInherit}) {
    SCOPED_TRACE(static_cast<int>(output));
    Pipe pids;
    Process process({.name = "parent", .output = output}, [&] {
      const pid_t pid = fork();
      if (pid == 0) SleepLong();
      pids.Write(pid);
      if (output == Output::kCapture) std::fprintf(stderr, "said\n");
      return 1;
    });
    EXPECT_TRUE(process.Join());
    EXPECT_EQ(process.result(), 1);
    EXPECT_EQ(process.error_output(), output == Output::kCapture ? "said\n" : "");
    const pid_t grandchild = pids.Read<pid_t>();
    kill(grandchild, SIGKILL);
    EXPECT_EQ(waitpid(grandchild, nullptr, 0), grandchild) << "it is ours when its parent is gone";
  }
}

TEST_F(ProcessStressTest, JoinReturnsWithALargeResult) {
  const std::size_t size = Much(128 << 20, 1 << 30);
  Process process([](std::size_t n) { return std::string(n, 'x'); }, size);
  EXPECT_TRUE(process.Join());
  const auto result = process.result();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->size(), size);
  EXPECT_EQ(result->find_first_not_of('x'), std::string::npos);
}

TEST_F(ProcessStressTest, JoinReturnsWithYieldsThatNobodyReads) {
  const int count = static_cast<int>(Much(100'000, 1'000'000));
  {
    Process forgotten(Range, count);
  }
  Process process(Range, count);
  EXPECT_TRUE(process.Join());
  int next = 0;
  for (const int i : process.result()) {
    ASSERT_EQ(i, next++);
  }
  EXPECT_EQ(next, count);
}

TEST_F(ProcessStressTest, JoinReturnsWithLargeErrorsThatNobodyReads) {
  const int count = static_cast<int>(Much(50, 1'000));
  constexpr std::size_t kSize = 1 << 20;
  const Except errors;
  Process process([&] {
    for (int i = 0; i < count; ++i) {
      errors({.raises = false}, [&] { throw std::runtime_error(TextOf(i, kSize)); });
    }
  });
  EXPECT_TRUE(process.Join());
  ASSERT_EQ(errors.size(), static_cast<std::size_t>(count));
  int i = 0;
  for (const RemoteError& error : errors) {
    ASSERT_TRUE(error.message() == TextOf(i++, kSize));
  }
}

}  // namespace
}  // namespace remoteobj
