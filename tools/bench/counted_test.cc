// SPDX-License-Identifier: MIT
//
// A guard against getting slower that is as good on a busy machine: what calls cost in numbers that
// can be counted, beside those that counted.txt has. Times are not looked at.
//
// Allocations and system calls are the same in each build, and must agree. Instructions are not:
// they are compared in optimised builds by the compiler and for the machine that counted.txt names,
// and may differ by 5%: so much comes from another patch level of the compiler, or the C library's
// choice among its copies of memcpy. One allocation more is more than that.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/testing/limits.h"
#include "remoteobj/tools/bench/allocations.h"
#include "remoteobj/tools/bench/system_calls.h"
#include "remoteobj/transport/deadline.h"

namespace bench {
namespace {

using remoteobj::Proxy;
using remoteobj_testing::Forked;
using remoteobj_testing::Pin;
using remoteobj_testing::Processors;
using Remote = Proxy<app::Counter>;

constexpr double kTolerance = 0.05;

struct SmallCall {
  std::string name;
  void (*call)(const Remote&);
  // Others allocate nothing.
  bool has_text = false;
};

const SmallCall kCalls[] = {
    {"remote->Inc()", [](const Remote& remote) { remote->Inc(); }},
    {"*remote->count", [](const Remote& remote) { (void)*remote->count; }},
    {"remote->count = 5", [](const Remote& remote) { remote->count = 5; }},
    {"remote->config->timeout = 5", [](const Remote& remote) { remote->config->timeout = 5; }},
    {"*remote->data[\"a\"]", [](const Remote& remote) { (void)*remote->data["a"]; },
     /*has_text=*/true},
    {"remote.PassTo(lambda)",
     [](const Remote& remote) { remote.PassTo([](app::Counter& c) { return ++c.count; }); }},
};

// counted.txt: lines of KIND, FIGURE and the rest, a name.
std::map<std::string, double> Committed(const std::string& kind) {
  std::ifstream file("tools/bench/counted.txt");
  EXPECT_TRUE(file.is_open()) << "no counted.txt here";
  std::map<std::string, double> figures;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string its_kind, name;
    double figure;
    if (words >> its_kind >> figure && std::getline(words >> std::ws, name) && its_kind == kind) {
      figures[name] = figure;
    }
  }
  return figures;
}

void Compare(const std::string& kind, const std::string& name, double figure, double tolerance) {
  const auto committed = Committed(kind);
  std::printf("%s %.10g %s\n", kind.c_str(), figure, name.c_str());
  const auto found = committed.find(name);
  if (found == committed.end()) {
    ADD_FAILURE() << "counted.txt has no line for it: " << kind << " " << figure << " " << name;
    return;
  }
  EXPECT_NEAR(figure, found->second, found->second * tolerance)
      << name << ": if the new number of " << kind << " is better, or worth it, put it into "
      << "counted.txt";
}

// Shared with forks.
template <typename T>
T& Shared() {
  void* const memory =
      mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT_NE(memory, MAP_FAILED);
  return *new (memory) T;
}

TEST(CountedTest, CountsWhatThereIs) {
  const std::int64_t before = Allocations();
  void* volatile const memory = std::malloc(10);
  EXPECT_EQ(Allocations() - before, 1);
  std::free(memory);
  auto& calls = Shared<std::int64_t>();
  SystemCalls traced;
  traced.Trace([&] {
    const std::int64_t start = traced.count();
    for (int i = 0; i < 10; ++i) getppid();
    calls = traced.count() - start;
  });
  if (!traced.Run()) GTEST_SKIP() << "processes can't be traced here";
  EXPECT_EQ(calls, 10);
}

// Counts both sides, for one call each.
TEST(CountedTest, Allocations) {
  app::Counter counter;
  Remote remote(counter);
  Forked server([&] {
    const auto listening = remote.Listen();
    for (;;) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(server);
  const auto there = [&] { return remote.PassTo([](app::Counter&) { return Allocations(); }); };
  there();
  const std::int64_t first = there();
  const std::int64_t to_ask = there() - first;
  for (const SmallCall& each : kCalls) {
    constexpr int kCount = 100;
    const auto calls = [&] {
      for (int i = 0; i < kCount; ++i) each.call(remote);
    };
    calls();  // The first may find out things that are kept.
    const std::int64_t there_before = there();
    const std::int64_t here_before = Allocations();
    calls();
    const std::int64_t here = Allocations() - here_before;
    const std::int64_t count = here + there() - there_before - to_ask;
    Compare("allocations", each.name, static_cast<double>(count) / kCount, /*tolerance=*/0);
    if (!each.has_text) {
      EXPECT_EQ(count, 0) << each.name << ", whatever counted.txt says";
    }
  }
}

// Counts both sides, while they are awake: a few calls in a row, until once neither went to sleep.
// A system call of each call would be in each row, once for each.
TEST(CountedTest, SystemCalls) {
  const std::vector<int> processors = Processors();
  if (processors.size() < 2) GTEST_SKIP() << "on one processor one side sleeps";
  struct Figures {
    std::array<std::int64_t, std::size(kCalls)> calls;
    long last = 0;
  };
  auto& figures = Shared<Figures>();
  app::Counter counter;
  Remote remote(counter);
  SystemCalls traced;
  const pid_t server = traced.Trace([&] {
    Pin(processors[0]);
    const auto listening = remote.Listen();
    for (;;) remote.Poll(absl::InfiniteDuration());
  });
  traced.Trace([&] {
    Pin(processors[1]);
    remote.WaitUntilListening(server);
    constexpr int kCount = 10;
    constexpr absl::Duration kPatience = absl::Seconds(8);
    for (std::size_t i = 0; i < std::size(kCalls); ++i) {
      std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
      for (const remoteobj::Deadline until = remoteobj::Deadline::After(kPatience);
           fewest != 0 && !until.expired();) {
        const std::int64_t before = traced.count();
        for (int n = 0; n < kCount; ++n) kCalls[i].call(remote);
        fewest = std::min(fewest, traced.count() - before);
        if (fewest != 0) figures.last = traced.last();
      }
      figures.calls[i] = fewest / kCount;
    }
  });
  if (!traced.Run()) GTEST_SKIP() << "processes can't be traced here";
  for (std::size_t i = 0; i < std::size(kCalls); ++i) {
    Compare("system-calls", kCalls[i].name, static_cast<double>(figures.calls[i]), 0);
    EXPECT_EQ(figures.calls[i], 0) << kCalls[i].name << ", whatever counted.txt says";
  }
  if (HasFailure()) std::printf("the last system call: number %ld\n", figures.last);
}

// The instructions that callgrind counts for so many calls.
double Instructions(const std::string& name, int count) {
  const std::string command = absl::StrCat(
      "valgrind --tool=callgrind --callgrind-out-file=/dev/null "
      "tools/bench/counted_probe ",
      name, " ", count, " 2>&1");
  std::FILE* const output = popen(command.c_str(), "r");
  double instructions = 0;
  std::string all;
  char line[1000];
  while (std::fgets(line, sizeof line, output) != nullptr) {
    all += line;
    const std::string text = line;
    const std::size_t at = text.find("Collected :");
    if (at != std::string::npos) instructions = std::strtod(text.c_str() + at + 11, nullptr);
  }
  EXPECT_EQ(pclose(output), 0) << all;
  return instructions;
}

TEST(CountedTest, Instructions) {
#if !defined(NDEBUG) || !defined(__OPTIMIZE__)
  GTEST_SKIP() << "instructions are compared with -c opt";
#endif
#if defined(__clang__) || !defined(__x86_64__) || __GNUC__ != 12
  GTEST_SKIP() << "instructions are compared if made by GCC 12 for x86-64";
#endif
  if (std::system("valgrind --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "no valgrind here: tools/install count";
  }
  const std::map<std::string, std::string> names = {
      {"here", "remote->Inc() in the process that listens"},
      {"batch", "the same in a Batch of 100"},
      {"in-process-channel", "an in-process channel"},
      {"shared-memory-channel", "a shared-memory channel"}};
  for (const auto& [argument, name] : names) {
    // Two runs, so that what comes before and after the calls goes out.
    constexpr int kCount = 1000;
    const double one = Instructions(argument, kCount);
    const double two = Instructions(argument, 2 * kCount);
    Compare("instructions", name, std::round((two - one) / kCount), kTolerance);
  }
}

}  // namespace
}  // namespace bench
