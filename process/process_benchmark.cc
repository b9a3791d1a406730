// SPDX-License-Identifier: MIT
//
// What a process of ours costs beside a bare one, and what it says beside the same bytes through
// shared memory, measured in one run:
//
//   tools/bazel run -c opt //process:process_benchmark
//
// The ratio is what to read. Nothing is pinned to cores.
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/spawn.h"
#include "remoteobj/process/thread.h"
#include "remoteobj/testing/forked.h"

namespace {

using remoteobj::Generator;
using remoteobj::Process;
using remoteobj_testing::Forked;

// --- From the start to the result ---

int Add(int x, int y) { return x + y; }
REMOTEOBJ_REGISTER_FUNCTION(Add)

void ForkAndWait() {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  int status;
  waitpid(pid, &status, 0);
}

void StartAndJoin(const remoteobj::ProcessOptions& options) {
  Process process(options, Add, 5, 6);
  process.Join();
  if (process.result() != 11) std::abort();
}

struct Row {
  const char* what;
  std::function<void()> call;
};

// Takes turns, so that all rows see the same machine. The first row is the limit.
void Starts(const std::string& title, int rounds, const std::vector<Row>& rows) {
  std::printf("\n%s\n  %-44s %10s %10s %8s\n", title.c_str(), "", "p50 us", "p99 us", "ratio");
  std::vector<std::vector<double>> times(rows.size());
  for (int round = -rounds / 10; round < rounds; ++round) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const absl::Time begin = absl::Now();
      rows[i].call();
      if (round >= 0) times[i].push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::sort(times[i].begin(), times[i].end());
    const double p50 = times[i][times[i].size() / 2];
    std::printf("  %-44s %10.1f %10.1f", rows[i].what, p50, times[i][times[i].size() * 99 / 100]);
    if (i > 0) std::printf(" %7.2fx", p50 / times[0][times[0].size() / 2]);
    std::printf("\n");
  }
  std::fflush(stdout);
}

void Starts(const std::string& title, int rounds) {
  Starts(title + ", beside a bare fork", rounds,
         {{"fork, _exit, waitpid", &ForkAndWait},
          {"Process, Join(), result()", [] { StartAndJoin({}); }},
          {"the same, named", [] { StartAndJoin({.name = "adder"}); }},
          {"the same, its output captured",
           [] { StartAndJoin({.output = remoteobj::Output::kCapture}); }},
          {"the same, from the fork server",
           [] { StartAndJoin({.start = remoteobj::Start::kForkServer}); }},
          {"the same, the program begun anew",
           [] { StartAndJoin({.start = remoteobj::Start::kSpawn}); }}});
}

// --- Errors ---

void Returns() {
  Process process([] {});
  process.Join();
}

void Throws() {
  Process process([] { throw std::out_of_range("x"); });
  try {
    process.Join();
    std::abort();
  } catch (const std::out_of_range&) {
  }
}

void Dies() {
  Process process([] { raise(SIGKILL); });
  try {
    process.Join();
    std::abort();
  } catch (const remoteobj::ProcessDied&) {
  }
}

void Errors(int rounds) {
  Starts("a function that throws, beside one that returns", rounds,
         {{"returns", &Returns},
          {"throws, and Join() throws it", &Throws},
          {"dies by a signal, and Join() tells", &Dies}});
}

// --- Yields ---

// The best of several runs, in seconds.
template <typename F>
double Seconds(F&& run) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const absl::Time begin = absl::Now();
    run();
    best = std::min(best, absl::ToDoubleSeconds(absl::Now() - begin));
  }
  return best;
}

Generator<int> Count(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

template <typename T>
Generator<T> Repeat(T value, int n) {
  for (int i = 0; i < n; ++i) co_yield value;
}

void IntsThroughAPipe(int n) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  Forked producer([&] {
    for (int i = 0; i < n; ++i) {
      if (write(ends[1], &i, sizeof i) != sizeof i) std::abort();
    }
  });
  for (int i = 0, value; i < n; ++i) {
    if (read(ends[0], &value, sizeof value) != sizeof value || value != i) std::abort();
  }
  for (const int end : ends) close(end);
}

template <typename P>
void ReadInts(const P& running, int n) {
  int next = 0;
  for (const int value : running.result()) {
    if (value != next++) std::abort();
  }
  if (next != n) std::abort();
}

void Ints() {
  static constexpr int kInts = 500'000;
  std::printf("\nyields of ints, beside as many through a pipe\n  %-44s %10s %8s\n", "", "ints/s",
              "ratio");
  const auto print = [](const char* what, double seconds, double limit) {
    std::printf("  %-44s %10.0f", what, kInts / seconds);
    if (limit > 0) std::printf(" %7.2fx", seconds / limit);
    std::printf("\n");
    std::fflush(stdout);
  };
  const double piped = Seconds([] { IntsThroughAPipe(kInts); });
  print("a write and a read for each", piped, 0);
  print("a Process, as they come", Seconds([] { ReadInts(Process(Count, kInts), kInts); }), piped);
  print("a Process, after Join()", Seconds([] {
          Process process(Count, kInts);
          process.Join();
          ReadInts(process, kInts);
        }),
        piped);
  print("a Thread, as they come", Seconds([] { ReadInts(remoteobj::Thread(Count, kInts), kInts); }),
        piped);
}

// A ring in shared memory, which one process fills and the other one empties.
class Ring {
 public:
  explicit Ring(std::size_t bytes) : bytes_(bytes) {
    memory_ = static_cast<char*>(mmap(nullptr, kPage + kSlots * bytes, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    words_ = new (memory_) Words;
  }
  ~Ring() { munmap(memory_, kPage + kSlots * bytes_); }

  void Put(const char* from) {
    const std::uint32_t n = words_->put.load(std::memory_order_relaxed);
    while (n - words_->taken.load(std::memory_order_acquire) == kSlots) sched_yield();
    std::memcpy(Slot(n), from, bytes_);
    words_->put.store(n + 1, std::memory_order_release);
  }
  void Take(char* to) {
    const std::uint32_t n = words_->taken.load(std::memory_order_relaxed);
    while (words_->put.load(std::memory_order_acquire) == n) sched_yield();
    std::memcpy(to, Slot(n), bytes_);
    words_->taken.store(n + 1, std::memory_order_release);
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::uint32_t kSlots = 16;
  struct Words {
    alignas(64) std::atomic<std::uint32_t> put{0};
    alignas(64) std::atomic<std::uint32_t> taken{0};
  };
  char* Slot(std::uint32_t n) { return memory_ + kPage + n % kSlots * bytes_; }

  const std::size_t bytes_;
  char* memory_;
  Words* words_;
};

void Bandwidth(std::size_t bytes) {
  const int count = static_cast<int>((std::size_t{512} << 20) / bytes);
  std::printf(
      "\nyields of %zu KiB, beside memcpy into and out of shared memory\n  %-44s %10s %8s\n",
      bytes >> 10, "", "GB/s", "ratio");
  const auto print = [&](const char* what, double seconds, double limit) {
    std::printf("  %-44s %10.2f", what, static_cast<double>(bytes) * count / seconds * 1e-9);
    if (limit > 0) std::printf(" %7.2fx", seconds / limit);
    std::printf("\n");
    std::fflush(stdout);
  };
  const auto read = [&](const auto& value, std::uint64_t max_backlog) {
    Process process({.max_backlog = max_backlog}, Repeat<std::decay_t<decltype(value)>>, value,
                    count);
    int n = 0;
    for (const auto& each : process.result()) n += each.size() == value.size();
    if (n != count) std::abort();
  };
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  const std::string text(bytes, 'x');
  const std::vector<double> numbers(bytes / sizeof(double), 1.0);
  const double copied = Seconds([&] {
    Ring ring(bytes);
    Forked producer([&] {
      for (int i = 0; i < count; ++i) ring.Put(text.data());
    });
    std::string to(bytes, ' ');
    for (int i = 0; i < count; ++i) ring.Take(to.data());
  });
  print("memcpy", copied, 0);
  print("std::string", Seconds([&] { read(text, kAll); }), copied);
  print("std::string, at most 16 of them unread", Seconds([&] { read(text, 16 * bytes); }), copied);
  print("std::vector<double>", Seconds([&] { read(numbers, kAll); }), copied);
  print("std::vector<double>, at most 16 unread", Seconds([&] { read(numbers, 16 * bytes); }),
        copied);
}

}  // namespace

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  Starts("from the start to the result", 2000);
  Errors(2000);
  for (const std::size_t mebibytes : {256, 4096}) {
    const std::vector<char> touched(mebibytes << 20, 1);
    Starts("the same from a program with " + std::to_string(mebibytes) + " MiB of touched memory",
           mebibytes > 1024 ? 30 : 100);
  }
  Ints();
  Bandwidth(64 << 10);
  Bandwidth(1 << 20);
}
