// SPDX-License-Identifier: MIT
#include "remoteobj/transport/shared_memory/shared_log.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using Record = SharedLog::Record;

std::vector<std::string> ReadAll(SharedLog::Reader& reader) {
  std::vector<std::string> all;
  while (const auto record = reader.Next()) {
    all.push_back(std::to_string(record->kind) + ":" + std::string(record->data));
  }
  return all;
}

std::vector<std::string> ReadAll(SharedLog& log) {
  SharedLog::Reader reader(log);
  return ReadAll(reader);
}

// Bytes of memory that the log holds.
std::int64_t Held(const SharedLog& log) {
  struct stat status;
  fstat(log.memory_fd(), &status);
  return status.st_blocks * 512;
}

// A payload that tells whether it is whole: its number, then bytes that follow from it.
std::string Payload(std::uint32_t number, std::size_t size) {
  std::string data(sizeof number + size, '\0');
  std::memcpy(data.data(), &number, sizeof number);
  for (std::size_t i = 0; i < size; ++i) {
    data[sizeof number + i] = static_cast<char>(number * 31 + i);
  }
  return data;
}

std::uint32_t NumberOf(std::string_view data) {
  std::uint32_t number;
  std::memcpy(&number, data.data(), sizeof number);
  EXPECT_TRUE(data == Payload(number, data.size() - sizeof number)) << "record " << number;
  return number;
}

std::size_t SizeOf(std::uint32_t number) {
  // Mostly small, now and then larger than what a reader takes at once.
  return number % 97 == 0 ? 300'000 : number % 13 == 0 ? 5'000 : number % 40;
}

template <typename T>
std::unique_ptr<T, void (*)(T*)> Shared() {
  void* memory =
      mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return {new (memory) T(), [](T* at) { munmap(at, sizeof(T)); }};
}

TEST(SharedLogTest, GivesBackWhatWasAppended) {
  SharedLog log;
  EXPECT_TRUE(ReadAll(log).empty());
  log.Append(1, "a");
  log.Append(2, "");
  log.Append(3, std::string(8, 'c'));
  const std::vector<std::string> all{"1:a", "2:", "3:cccccccc"};
  EXPECT_EQ(ReadAll(log), all);
  EXPECT_EQ(ReadAll(log), all) << "another reader begins at the beginning";
}

TEST(SharedLogTest, AReaderGoesOnWhereItWas) {
  SharedLog log;
  SharedLog::Reader reader(log);
  for (int i = 0; i < 10'000; ++i) {
    log.Append(7, absl::StrCat(i));
    if (i % 3 == 0) {
      while (const auto record = reader.Next()) EXPECT_EQ(record->kind, 7u);
    }
  }
  EXPECT_EQ(ReadAll(log).size(), 10'000u);
}

TEST(SharedLogTest, RecordsOfAnySize) {
  SharedLog log;
  const std::size_t sizes[] = {0, 1, 7, 8, 9, 4055, 4056, 4057, 65'495, 65'496, 65'497, 64u << 20};
  std::uint32_t number = 0;
  for (const std::size_t size : sizes) log.Append(0, Payload(number++, size));
  SharedLog::Reader reader(log);
  number = 0;
  for (const std::size_t size : sizes) {
    const auto record = reader.Next();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->data.size(), sizeof number + size);
    EXPECT_EQ(NumberOf(record->data), number++);
  }
  EXPECT_FALSE(reader.Next());
}

TEST(SharedLogTest, WritersInManyProcessesAndThreads) {
  constexpr int kProcesses = 4, kThreads = 3;
  constexpr std::uint32_t kRecords = 2'000;
  SharedLog log;
  std::vector<std::unique_ptr<Forked>> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(std::make_unique<Forked>([&log, i] {
      std::vector<std::thread> threads;
      for (int j = 0; j < kThreads; ++j) {
        threads.emplace_back([&log, kind = static_cast<std::uint32_t>(i * kThreads + j)] {
          for (std::uint32_t n = 0; n < kRecords; ++n) log.Append(kind, Payload(n, n % 50));
        });
      }
      for (std::thread& thread : threads) thread.join();
    }));
  }
  std::map<std::uint32_t, std::uint32_t> next;
  std::uint64_t last = 0;
  SharedLog::Reader reader(log);
  const auto drain = [&] {
    while (const auto record = reader.Next()) {
      EXPECT_EQ(NumberOf(record->data), next[record->kind]++) << "writer " << record->kind;
      last = record->sequence;
    }
  };
  while (last < kProcesses * kThreads * kRecords / 2) drain();
  for (const auto& child : children) EXPECT_EQ(child->Wait(), 0);
  drain();
  EXPECT_EQ(next.size(), 1u * kProcesses * kThreads);
  for (const auto& [kind, count] : next) EXPECT_EQ(count, kRecords) << "writer " << kind;
}

// A record that a writer had seen when it appended its own comes first, for any reader at any time.
TEST(SharedLogTest, AnAnswerComesAfterItsQuestion) {
  constexpr int kRounds = 20'000;
  SharedLog log;
  auto turn = Shared<std::atomic<int>>();
  const auto play = [&](int own) {
    for (int i = 0; i < kRounds; ++i) {
      while (turn->load() != own) {
        if (i % 64 == 0) absl::SleepFor(absl::ZeroDuration());
      }
      log.Append(static_cast<std::uint32_t>(own), absl::StrCat(i));
      turn->store(1 - own);
    }
  };
  Forked one([&] { play(0); });
  Forked two([&] { play(1); });
  SharedLog::Reader reader(log);
  for (int i = 0; i < 2 * kRounds;) {
    const auto record = reader.Next();
    if (!record) continue;
    ASSERT_EQ(record->kind, static_cast<std::uint32_t>(i % 2));
    ASSERT_EQ(record->data, absl::StrCat(i / 2));
    ++i;
  }
  EXPECT_EQ(one.Wait() + two.Wait(), 0);
}

// A writer that is killed leaves a prefix of what it wrote, each record whole.
void KilledWriters(int rounds, bool stopped_first) {
  SharedLog log;
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    SharedLog::Reader reader(log, /*consume=*/true);
    log.Clear();
    auto count = Shared<std::atomic<std::uint32_t>>();
    Forked child([&] {
      for (std::uint32_t n = 0;; ++n) {
        log.Append(0, Payload(n, SizeOf(n)));
        count->store(n + 1);
      }
    });
    std::uint32_t next = 0;
    const auto drain = [&] {
      while (const auto record = reader.Next()) ASSERT_EQ(NumberOf(record->data), next++);
    };
    remoteobj_testing::Eventually(
        "the first record", [&] { return count->load() != 0; }, absl::Seconds(30),
        absl::Microseconds(10));
    absl::SleepFor(absl::Microseconds(random() % 300));
    if (stopped_first) {
      child.Signal(SIGSTOP);
      drain();
      child.Signal(SIGCONT);
      absl::SleepFor(absl::Microseconds(random() % 300));
      child.Signal(SIGSTOP);
    }
    child.Kill();
    drain();
    EXPECT_GE(next, count->load()) << "what was appended is not there";
    EXPECT_LE(next, count->load() + 1);
    // And the log is as good as before.
    log.Append(9, "after");
    const auto after = reader.Next();
    ASSERT_TRUE(after);
    EXPECT_EQ(after->data, "after");
  }
}

TEST(SharedLogTest, AKilledWriterLeavesWholeRecordsWithoutGap) { KilledWriters(400, false); }
TEST(SharedLogTest, SoDoesOneThatWasStopped) { KilledWriters(100, true); }

TEST(SharedLogTest, LanesOfTheDeadAreTakenOver) {
  // Many more writers die, each in the middle of a large record, than there are lanes.
  SharedLog log;
  const std::string large(8 << 20, 'x');
  for (int i = 0; i < 100; ++i) {
    Forked child([&] {
      for (;;) log.Append(0, large);
    });
    absl::SleepFor(absl::Microseconds(500 + i * 17 % 400));
    child.Kill();
  }
  log.Clear();
  log.Append(1, "alive");
  EXPECT_EQ(ReadAll(log), std::vector<std::string>{"1:alive"});
}

TEST(SharedLogTest, ClearIsForAllReaders) {
  SharedLog log;
  SharedLog::Reader reader(log);
  log.Append(1, "a");
  log.Append(1, "b");
  EXPECT_EQ(reader.Next()->data, "a");
  const std::uint64_t before = log.cleared();
  log.Clear();
  EXPECT_NE(log.cleared(), before);
  EXPECT_FALSE(reader.Next());
  log.Append(1, "c");
  EXPECT_EQ(reader.Next()->data, "c");
  EXPECT_EQ(ReadAll(log), std::vector<std::string>{"1:c"});
}

TEST(SharedLogTest, ClearGivesMemoryBack) {
  SharedLog log;
  for (int i = 0; i < 64; ++i) log.Append(0, std::string(1 << 20, 'x'));
  EXPECT_GE(Held(log), 64 << 20);
  log.Clear();
  EXPECT_LE(Held(log), 1 << 20);
}

TEST(SharedLogTest, WhatIsClearedWhileOthersAppendIsNotMixedUp) {
  SharedLog log;
  auto stop = Shared<std::atomic<bool>>();
  Forked writer([&] {
    for (std::uint32_t n = 0; !stop->load(); ++n) log.Append(0, Payload(n, SizeOf(n)));
  });
  SharedLog::Reader reader(log);
  std::uint32_t last = 0;
  for (int i = 0; last < 20'000; ++i) {
    if (i % 10 == 0) log.Clear();
    while (const auto record = reader.Next()) {
      const std::uint32_t number = NumberOf(record->data);
      ASSERT_TRUE(number == 0 || number > last) << number << " after " << last;
      last = number;
      if (last % 64 == 0) break;
    }
  }
  stop->store(true);
  EXPECT_EQ(writer.Wait(), 0);
}

TEST(SharedLogTest, AConsumingReaderGivesMemoryBack) {
  SharedLog log;
  SharedLog::Reader reader(log, /*consume=*/true);
  const std::string data(100'000, 'x');
  for (int i = 0; i < 2'000; ++i) {  // 200 MB in all.
    log.Append(0, data);
    if (i % 10 == 9) {
      while (reader.Next()) {
      }
      ASSERT_LE(Held(log), 8 << 20);
      ASSERT_EQ(log.Backlog(), 0u);
    }
  }
}

TEST(SharedLogTest, AWriterCanWaitForItsReader) {
  SharedLog log;
  constexpr std::uint64_t kLimit = 1 << 20;
  constexpr std::uint32_t kRecords = 3'000;
  Forked writer([&] {
    for (std::uint32_t n = 0; n < kRecords; ++n) {
      while (!log.WaitForRoom(kLimit, absl::Milliseconds(20))) {
      }
      log.Append(0, Payload(n, 10'000));
    }
  });
  SharedLog::Reader reader(log, /*consume=*/true);
  for (std::uint32_t n = 0; n < kRecords;) {
    ASSERT_LE(log.Backlog(), kLimit + 20'000);
    const auto record = reader.Next();
    if (record) {
      ASSERT_EQ(NumberOf(record->data), n++);
    }
  }
  EXPECT_EQ(writer.Wait(), 0);
  EXPECT_FALSE(log.WaitForRoom(0, absl::ZeroDuration()) && log.Backlog() > 0);
}

TEST(SharedLogTest, AReaderSleepsUntilThereIsARecord) {
  SharedLog log({.can_wait = true});
  SharedLog::Reader reader(log);
  EXPECT_FALSE(reader.Wait(-1, absl::Milliseconds(1)));
  constexpr int kRecords = 2'000;
  Forked writer([&] {
    for (int i = 0; i < kRecords; ++i) {
      if (i % 100 == 0) absl::SleepFor(absl::Milliseconds(1));
      log.Append(0, "x");
    }
  });
  for (int n = 0; n < kRecords;) {
    if (reader.Next()) {
      ++n;
    } else {
      ASSERT_TRUE(reader.Wait(-1, absl::Seconds(50))) << "after " << n;
    }
  }
  EXPECT_EQ(writer.Wait(), 0);
}

TEST(SharedLogTest, AReaderIsWokenByAnotherDescriptor) {
  SharedLog log({.can_wait = true});
  SharedLog::Reader reader(log);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[1]);  // At its end, and so readable.
  EXPECT_TRUE(reader.Wait(ends[0], absl::Seconds(50)));
  close(ends[0]);
}

SharedLog* log_of_handler = nullptr;

TEST(SharedLogTest, ASignalHandlerAppendsInTheMiddleOfAnAppend) {
  SharedLog log;
  log_of_handler = &log;
  Forked child([&] {
    struct sigaction action{};
    action.sa_handler = [](int) { log_of_handler->AppendInSignalHandler(2, "handler"); };
    sigaction(SIGUSR1, &action, nullptr);
    log.Append(0, "begin");
    for (std::uint32_t n = 0;; ++n) {
      log.Append(1, Payload(n, 100'000));
      log.Clear();
    }
  });
  while (ReadAll(log).empty()) {
  }
  for (int i = 0; i < 200; ++i) {
    child.Signal(SIGUSR1);
    absl::SleepFor(absl::Microseconds(100));
  }
  child.Signal(SIGSTOP);
  child.Signal(SIGUSR1);
  child.Signal(SIGCONT);
  bool told = false;
  while (!told) {
    SharedLog::Reader reader(log);
    while (const auto record = reader.Next()) {
      if (record->kind == 2) {
        EXPECT_EQ(record->data, "handler");
        told = true;
      } else if (record->kind == 1) {
        NumberOf(record->data);
      }
    }
    child.Signal(SIGUSR1);
  }
}

TEST(SharedLogTest, DamageCostsWhatIsDamaged) {
  SharedLog log;
  log.Append(1, "a");
  SharedLog::Reader reader(log);
  EXPECT_EQ(reader.Next()->data, "a");
  log.Append(1, "b");
  const std::string noise(40, '\xff');
  // Behind the first record of the lane, wherever that is.
  const off_t second = lseek(log.memory_fd(), 4096, SEEK_DATA) + 40;
  ASSERT_EQ(pwrite(log.memory_fd(), noise.data(), noise.size(), second),
            static_cast<ssize_t>(noise.size()));
  EXPECT_FALSE(reader.Next());
  log.Append(1, "c");
  EXPECT_EQ(reader.Next()->data, "c");
}

TEST(SharedLogTest, AProcessThatHasClosedItsDescriptorsReadsAndWrites) {
  SharedLog log({.can_wait = true});
  // In all lanes.
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    std::thread([&] { log.Append(1, "before"); }).join();
    log.Append(1, "before");
    expected.insert(expected.end(), 2, "1:before");
  }
  Forked child([&] {
    syscall(SYS_close_range, 3, ~0u, 0);
    // Files of its own, which get the numbers.
    int files[8];
    for (int& fd : files) fd = memfd_create("of the program", 0);
    const std::string large(1 << 20, 'x');
    log.Append(2, "after");
    if (!log.AppendInSignalHandler(3, large)) _exit(2);
    expected.insert(expected.end(), {"2:after", "3:" + large});
    if (ReadAll(log) != expected) _exit(3);
    SharedLog::Reader(log).Wait(-1, absl::InfiniteDuration());
    for (const int fd : files) {
      struct stat status;
      if (fstat(fd, &status) != 0 || status.st_size != 0) _exit(4);
    }
  });
  EXPECT_EQ(child.Wait(), 0);
  expected.insert(expected.end(), {"2:after", "3:" + std::string(1 << 20, 'x')});
  EXPECT_EQ(ReadAll(log), expected);
}

TEST(SharedLogTest, AReaderLearnsOfWhatAWriterWithoutDescriptorsAppends) {
  SharedLog log({.can_wait = true});
  Forked child([&] {
    syscall(SYS_close_range, 3, ~0u, 0);
    for (int i = 0; i < 3; ++i) {
      log.Append(1, "x");
      while (!log.WaitForRoom(0, absl::Seconds(1))) {
      }
    }
  });
  SharedLog::Reader reader(log, /*consume=*/true);
  for (int read = 0; read < 3;) {
    if (reader.Next()) {
      ++read;
    } else {
      reader.Wait(-1, absl::Seconds(1));
    }
  }
  EXPECT_EQ(child.Wait(), 0);
}

void LimitFileSizes(rlim_t bytes) {
  const rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(90);
}

// Why nothing can be appended.
std::string RefusalOf(SharedLog& log, const std::string& data) {
  try {
    log.Append(1, data);
    return "no refusal";
  } catch (const std::system_error& e) {
    return e.what();
  }
}

TEST(SharedLogTest, ALimitOfFileSizesIsAnErrorAndNoSignal) {
  Forked child([] {
    LimitFileSizes(1 << 20);
    SharedLog log({.can_wait = true});
    const std::string data(50'000, 'x');
    std::vector<std::string> expected;
    // Several processes write at once, each in a lane of its own.
    std::vector<std::unique_ptr<Forked>> writers;
    for (int i = 0; i < 6; ++i) {
      writers.push_back(std::make_unique<Forked>([&] {
        for (int k = 0; k < 2; ++k) log.Append(1, data);
      }));
    }
    for (auto& writer : writers) {
      if (writer->Wait() != 0) _exit(2);
      expected.insert(expected.end(), 2, "1:" + data);
    }
    if (ReadAll(log) != expected) _exit(3);
    std::string refusal;
    for (int i = 0; i < 6; ++i) refusal = RefusalOf(log, data);
    if (!absl::StrContains(refusal, "(RLIMIT_FSIZE, ulimit -f)")) _exit(4);
    log.Append(2, "a short one");
    log.WriteOwners(1000, data);
    std::string back(data.size(), ' ');
    if (!log.ReadOwners(1000, back.data(), back.size()) || back != data) _exit(5);
  });
  EXPECT_EQ(child.Wait(), 0);
  Forked without([] {
    LimitFileSizes(0);
    try {
      SharedLog();
    } catch (const std::system_error& e) {
      if (absl::StrContains(e.what(), "(RLIMIT_FSIZE, ulimit -f: 0 bytes)")) _exit(7);
    }
  });
  EXPECT_EQ(without.Wait(), 7);
}

TEST(SharedLogTest, AProcessThatLowersItsLimitOfFileSizesWritesOn) {
  SharedLog log;
  Forked child([&] {
    log.Append(1, "before");
    LimitFileSizes(0);
    log.Append(2, "after");
    log.WriteOwners(0, "beside");
    if (!log.AppendInSignalHandler(3, std::string(1 << 20, 'x'))) _exit(2);
  });
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_EQ(ReadAll(log),
            (std::vector<std::string>{"1:before", "2:after", "3:" + std::string(1 << 20, 'x')}));
}

TEST(SharedLogTest, AnotherImageAttachesByDescriptors) {
  SharedLog log({.can_wait = true});
  SharedLog same(dup(log.memory_fd()), dup(log.wake_fd()));
  same.Append(4, "from the other");
  EXPECT_EQ(ReadAll(log), std::vector<std::string>{"4:from the other"});
  EXPECT_EQ(log.extra() == same.extra(), false);
  *static_cast<int*>(log.extra()) = 17;
  EXPECT_EQ(*static_cast<int*>(same.extra()), 17);
}

// Hostile writers

TEST(SharedLogTest, AWriterCutTheLogShort) {
  SharedLog log;
  EXPECT_NE(ftruncate(log.memory_fd(), 0), 0);
  EXPECT_NE(ftruncate(log.memory_fd(), off_t{1} << 60), 0);
}

// A lane's tail, and the header of the record that it begins with. Written as in
// shared_log_layout.h.
void Claim(const SharedLog& log, unsigned lane, std::uint64_t size, std::uint64_t tail) {
  const std::uint64_t sequence = 0;
  const std::uint64_t check = 0x6f6c6a626f74726d ^ (size << 17);
  const std::uint64_t head[] = {sequence, size, 0, check};
  const off_t at = 4096 + static_cast<off_t>(lane) * (off_t{1} << 52);
  ASSERT_EQ(pwrite(log.memory_fd(), head, sizeof head, at), ssize_t{sizeof head});
  const off_t tail_at = 64 + 64 * static_cast<off_t>(lane) + 8;
  ASSERT_EQ(pwrite(log.memory_fd(), &tail, sizeof tail, tail_at), ssize_t{sizeof tail});
}

TEST(SharedLogTest, AWriterClaimedARecordThatIsNotThere) {
  const auto check = [](std::uint64_t size, std::uint64_t tail) {
    SCOPED_TRACE(absl::StrCat(size, " of ", tail));
    SharedLog log;
    Claim(log, 5, size, tail);
    log.Append(1, "honest");
    SharedLog::Reader reader(log);
    const auto record = reader.Next();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->data, "honest");
    EXPECT_FALSE(reader.Next());
    log.Clear();
  };
  check(std::uint64_t{1} << 50, std::uint64_t{1} << 51);  // Made Next() throw std::bad_alloc.
  check(std::uint64_t{3} << 30, std::uint64_t{4} << 30);  // Took 6 GiB.
  check(~std::uint64_t{0} - 39, ~std::uint64_t{0});       // Crashed.
  check(~std::uint64_t{0} - 39, 8);                       // Made Next() loop for ever.
  check(~std::uint64_t{0} - 39, 40);
}

// Next() went on as long as there was a further one.
TEST(SharedLogTest, AWriterKeptClaimingRecordsThatAreNotThere) {
  constexpr std::uint64_t kSize = 32 << 20;
  constexpr std::uint64_t kClaims = 3000;
  SharedLog log;
  for (std::uint64_t i = 0; i < kClaims; ++i) {
    const std::uint64_t head[] = {0, kSize, 0, 0x6f6c6a626f74726d ^ (kSize << 17)};
    const std::uint64_t at = 4096 + i * (sizeof head + kSize);
    ASSERT_EQ(pwrite(log.memory_fd(), head, sizeof head, static_cast<off_t>(at)),
              ssize_t{sizeof head});
  }
  Claim(log, 0, kSize, kClaims * (32 + kSize));
  log.Append(1, "honest");
  SharedLog::Reader reader(log);
  // In vain at first, if the honest record is behind them in the same lane.
  std::optional<SharedLog::Record> record;
  for (std::uint64_t i = 0; i < kClaims && !record; ++i) record = reader.Next();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->data, "honest");
}

// A writer shares the eventfd's O_NONBLOCK. The reader slept in its read() for ever.
TEST(SharedLogTest, AWriterMadeTheWakeBlocking) {
  SharedLog log({.can_wait = true});
  const int wake = log.wake_fd();
  ASSERT_EQ(fcntl(wake, F_SETFL, 0), 0);
  std::atomic<int> waits{0};
  std::atomic<bool> stop{false};
  std::thread reading([&] {
    SharedLog::Reader reader(log);
    for (; !stop; ++waits) reader.Wait(-1, absl::Milliseconds(1));
  });
  std::minstd_rand random(7);
  const auto returns = [&] {
    const int before = waits;
    return remoteobj_testing::TryEventually([&] { return waits > before + 1; });
  };
  bool returned = true;
  std::uint64_t count = 1;
  for (int round = 0; round < 2'000 && returned; ++round) {
    count = 1;
    ASSERT_EQ(write(wake, &count, sizeof count), ssize_t{sizeof count});
    // Long enough that the reader has been told, and may not have come to read it yet.
    const auto wait = Deadline::After(absl::Nanoseconds(random() % 60'000));
    while (!wait.expired()) {
    }
    const iovec part{&count, sizeof count};
    [[maybe_unused]] const ssize_t drained = preadv2(wake, &part, 1, -1, RWF_NOWAIT);
    returned = returns();
  }
  EXPECT_TRUE(returned);
  stop = true;
  count = 1;
  ASSERT_EQ(write(wake, &count, sizeof count), ssize_t{sizeof count});
  reading.join();
}

// The words of the header and of the lanes, written as in shared_log_layout.h.
template <typename T>
void Scribble(const SharedLog& log, off_t at, T value) {
  ASSERT_EQ(pwrite(log.memory_fd(), &value, sizeof value, at), ssize_t{sizeof value});
}
constexpr off_t kWaitingAt = 24;
constexpr off_t kLaneCountAt = 40;

// The other way round: writers slept in their write() for ever.
TEST(SharedLogTest, AReaderMadeTheWakeBlocking) {
  constexpr int kRecords = 10'000;
  const std::uint64_t most = 0xfffffffffffffffe;
  for (const bool drains : {false, true}) {
    SharedLog log({.can_wait = true});
    Scribble<std::uint32_t>(log, kWaitingAt, 1);
    ASSERT_EQ(fcntl(log.wake_fd(), F_SETFL, 0), 0);
    ASSERT_EQ(write(log.wake_fd(), &most, sizeof most), ssize_t{sizeof most});
    std::atomic<bool> stop{false};
    std::thread attack([&] {
      // So that there is room when a writer looks, and none when it writes. Full at the end.
      const iovec part{const_cast<std::uint64_t*>(&most), sizeof most};
      std::uint64_t count;
      const iovec drained{&count, sizeof count};
      while (drains && !stop) {
        if (preadv2(log.wake_fd(), &drained, 1, -1, RWF_NOWAIT) < 0) continue;
        [[maybe_unused]] const ssize_t filled = writev(log.wake_fd(), &part, 1);
      }
    });
    Forked writer([&] {
      for (int i = 0; i < kRecords; ++i) log.Append(1, "x");
    });
    SharedLog::Reader reader(log);
    int count = 0;
    EXPECT_TRUE(remoteobj_testing::TryEventually([&] {
      while (reader.Next()) ++count;
      return count == kRecords;
    })) << count;
    stop = true;
    attack.join();
    writer.Kill();
  }
}

// All other writers waited for ever.
TEST(SharedLogTest, AWriterTookAllLanes) {
  SharedLog log;
  log.Append(1, "before");
  const auto claim = [&](std::uint64_t owner) {
    for (off_t lane = 0; lane < 32; ++lane) Scribble(log, 64 + 64 * lane, owner);
  };
  claim(transport_internal::IdentityOf(1));
  for (int i = 0; i < 3; ++i) {
    try {
      log.Append(2, "in between");
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code().value(), ETIMEDOUT);
    }
    EXPECT_FALSE(log.AppendInSignalHandler(2, "in between"));
  }
  claim(0);
  log.Append(3, "after");
  EXPECT_EQ(ReadAll(log), (std::vector<std::string>{"1:before", "3:after"}));
}

// The others died of a division by zero.
TEST(SharedLogTest, AWriterChangedTheNumberOfLanes) {
  SharedLog log;
  for (const std::uint32_t lanes : {0u, 1u, 33u, ~0u}) {
    Scribble(log, kLaneCountAt, lanes);
    log.Append(lanes, "x");
  }
  EXPECT_EQ(ReadAll(log).size(), 4u);
}

TEST(SharedLogTest, TheLargestRecordAndTheMemoryOfABoundedLog) {
  constexpr std::size_t kMost = 1 << 20;
  SharedLog log({.max_record = kMost});
  for (int i = 0; i < 4; ++i) log.Append(1, std::string(kMost, 'x'));
  EXPECT_THROW(log.Append(1, std::string(kMost, 'x')), std::system_error);
  EXPECT_EQ(ReadAll(log).size(), 4u);
  // A hostile process can't make it larger.
  struct stat status;
  ASSERT_EQ(fstat(log.memory_fd(), &status), 0);
  EXPECT_LT(status.st_size, off_t{6 * kMost});
  EXPECT_NE(fallocate(log.memory_fd(), 0, status.st_size, 1 << 20), 0);
  EXPECT_NE(fallocate(log.memory_fd(), FALLOC_FL_KEEP_SIZE, status.st_size, 1 << 20), 0)
      << "memory behind the end";
}

}  // namespace
}  // namespace remoteobj
