// SPDX-License-Identifier: MIT
//
// Functions in processes: from the start to the result, their errors and their yields.
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
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

#include "absl/strings/str_cat.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/spawn.h"
#include "remoteobj/process/thread.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/tools/bench/bench.h"
#include "remoteobj/tools/bench/free_memory.h"

namespace {

int Add(int x, int y) { return x + y; }
REMOTEOBJ_REGISTER_FUNCTION(Add)

}  // namespace

namespace bench {
namespace {

using remoteobj::Generator;
using remoteobj::Process;
using remoteobj_testing::Forked;

// --- From the start to the result ---

Calls StartAndJoin(const remoteobj::ProcessOptions& options) {
  return Each([options] {
    Process process(options, Add, 5, 6);
    process.Join();
    if (process.result() != 11) std::abort();
  });
}

// It starts nothing: its worker is there.
const char* const kWaiting = "ProcessPoolExecutor with a worker that waits";

void Starts(Bench& bench, const std::string& group, bool with_peers) {
  const std::string limit = "fork, _exit, waitpid";
  std::map<std::string, Calls> others = {{limit, remoteobj_testing::ForkAndWait()}};
  if (with_peers) {
    others.emplace("multiprocessing.Process", bench.Peer("multiprocessing", "process"));
    others.emplace(kWaiting, bench.Peer("multiprocessing", "executor"));
  }
  Pin(-1);
  bench.Compare(group,
                {{"Process, Join(), result()",
                  StartAndJoin({}),
                  limit,
                  {"multiprocessing.Process", kWaiting}},
                 {"the same, named", StartAndJoin({.name = "adder"}), limit},
                 {"the same, its output captured",
                  StartAndJoin({.output = remoteobj::Output::kCapture}), limit},
                 {"the same, from the fork server",
                  StartAndJoin({.start = remoteobj::Start::kForkServer}), limit},
                 {"the same, the program re-executed",
                  StartAndJoin({.start = remoteobj::Start::kSpawn}), limit}},
                others);
}

void Start(Bench& bench) { Starts(bench, "start a process, get its result", true); }

void StartWithMemory(Bench& bench) {
  for (const std::size_t mebibytes : {256, 4096}) {
    if (3 * (mebibytes << 20) > FreeMemory()) {
      std::fprintf(stderr, "no process with %zu MiB: too little memory\n", mebibytes);
      break;
    }
    const std::vector<char> touched(mebibytes << 20, 1);
    Starts(bench, absl::StrCat("the same with ", mebibytes, " MiB of touched memory"), false);
  }
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

void Errors(Bench& bench) {
  const std::string limit = "one that returns";
  Pin(-1);
  bench.Compare("a process that fails, beside one that returns",
                {{"throws, and Join() throws it", Each(&Throws), limit},
                 {"dies by a signal, and Join() tells", Each(&Dies), limit}},
                {{limit, Each(&Returns)}});
}

// --- Yields ---

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

void Ints(Bench& bench) {
  static constexpr int kInts = 100'000;
  const std::string limit = "a pipe";
  Pin(-1);
  bench.Compare("an int that is yielded, beside one through a pipe",
                {{"a Process, as they come",
                  EachOf(kInts, [] { ReadInts(Process(Count, kInts), kInts); }), limit},
                 {"a Process, after Join()",
                  EachOf(kInts,
                         [] {
                           Process process(Count, kInts);
                           process.Join();
                           ReadInts(process, kInts);
                         }),
                  limit},
                 {"a Thread, as they come",
                  EachOf(kInts, [] { ReadInts(remoteobj::Thread(Count, kInts), kInts); }), limit}},
                {{limit, EachOf(kInts, [] { IntsThroughAPipe(kInts); })}});
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

void Buffers(Bench& bench, std::size_t bytes) {
  const int count = static_cast<int>((std::size_t{64} << 20) / bytes);
  const auto read = [count](const auto& value, std::uint64_t max_backlog) {
    return EachOf(count, [count, value, max_backlog] {
      Process process({.max_backlog = max_backlog}, Repeat<std::decay_t<decltype(value)>>, value,
                      count);
      int n = 0;
      for (const auto& each : process.result()) n += each.size() == value.size();
      if (n != count) std::abort();
    });
  };
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  const std::string text(bytes, 'x');
  const std::vector<double> numbers(bytes / sizeof(double), 1.0);
  const std::string limit = "memcpy in and out";
  Pin(-1);
  bench.Compare(
      absl::StrCat("a yield of ", bytes >> 10, " KiB, beside memcpy into and out of shared memory"),
      {{"std::string", read(text, kAll), limit},
       {"std::string, at most 16 unread", read(text, 16 * bytes), limit},
       {"std::vector<double>", read(numbers, kAll), limit},
       {"std::vector<double>, at most 16 unread", read(numbers, 16 * bytes), limit}},
      {{limit, EachOf(count, [&] {
          Ring ring(bytes);
          Forked producer([&] {
            for (int i = 0; i < count; ++i) ring.Put(text.data());
          });
          std::string to(bytes, ' ');
          for (int i = 0; i < count; ++i) ring.Take(to.data());
        })}});
}

}  // namespace

std::vector<Scenario> ProcessScenarios() {
  return {{"processes/start", Start},
          {"processes/memory", StartWithMemory},
          {"processes/errors", Errors},
          {"yields/int", Ints},
          {"yields/64KiB", [](Bench& bench) { Buffers(bench, 64 << 10); }},
          {"yields/1MiB", [](Bench& bench) { Buffers(bench, 1 << 20); }}};
}

}  // namespace bench
