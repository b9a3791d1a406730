// SPDX-License-Identifier: MIT
//
// What calls cost, beside what the machine could do at best, measured in one run:
//
//   tools/bazel run -c opt //proxy:proxy_benchmark
//
// The ratio is what to read. A figure that is not pinned to cores depends on where the kernel puts
// the two processes.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/testing/limits.h"

namespace bench {

struct Sink {
  std::size_t Take(const std::vector<double>& values) { return values.size(); }
  int x = 0;
};
REMOTEOBJ_DESCRIBE(Sink, Take, x)

}  // namespace bench

namespace {

using remoteobj::Proxy;
using remoteobj_testing::Effort;
using remoteobj_testing::Forked;
using remoteobj_testing::Measure;
using remoteobj_testing::Pin;
using remoteobj_testing::Placement;
using remoteobj_testing::Timing;

void PrintHeader(const std::string& title) {
  std::printf("\n%s\n  %-34s %10s %10s %12s %8s\n", title.c_str(), "", "p50 us", "p99 us",
              "calls/s", "ratio");
}

void PrintRow(const std::string& what, const Timing& timing, double limit) {
  std::printf("  %-34s %10.3f %10.3f %12.0f", what.c_str(), timing.p50, timing.p99,
              timing.per_second());
  if (limit > 0) std::printf(" %7.2fx", timing.p50 / limit);
  std::printf("\n");
  std::fflush(stdout);
}

// Listens until it is killed.
template <typename T>
std::unique_ptr<Forked> Serve(const Proxy<T>& remote, int cpu) {
  auto child = std::make_unique<Forked>([&remote, cpu] {
    Pin(cpu);
    auto listening = remote.Listen();
    for (;;) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(*child);
  return child;
}

void SmallCalls(const std::string& title, Placement placement, double limit, Effort effort,
                const std::string& limit_name) {
  PrintHeader(title + ", beside " + limit_name);
  app::Counter counter;
  Proxy remote(counter);
  auto server = Serve(remote, placement.server);
  Pin(placement.client);
  PrintRow("remote->Inc()", Measure([&] { remote->Inc(); }, effort), limit);
  PrintRow("*remote->count", Measure([&] { (void)*remote->count; }, effort), limit);
  PrintRow("remote->config->timeout = 5", Measure([&] { remote->config->timeout = 5; }, effort),
           limit);
  PrintRow("remote.PassTo(lambda)",
           Measure([&] { remote.PassTo([](app::Counter& c) { return ++c.count; }); }, effort),
           limit);
  PrintRow("*remote->data[\"a\"]", Measure([&] { (void)*remote->data["a"]; }, effort), limit);
}

void LargeArgument(Placement placement) {
  constexpr std::size_t kBytes = 64 << 20;
  PrintHeader("64 MiB vector<double> as an argument, beside one memcpy of it");
  const Effort effort{.calls = 40, .max_seconds = 5};
  Pin(placement.client);
  const Timing copy = remoteobj_testing::Copy(kBytes, effort);
  PrintRow("memcpy, warm pages", copy, 0);
  bench::Sink sink;
  Proxy remote(sink);
  auto server = Serve(remote, placement.server);
  const std::vector<double> values(kBytes / sizeof(double), 1.0);
  const Timing ours = Measure([&] { remote->Take(values); }, effort);
  PrintRow("remote->Take(values)", ours, copy.p50);
  std::printf("  bandwidth %.2f GB/s, %.2fx of memcpy's\n", kBytes / ours.p50 * 1e-3,
              copy.p50 / ours.p50);
}

void ManyClients(int clients) {
  app::Counter counter;
  Proxy remote(counter);
  auto server = Serve(remote, -1);
  constexpr int kCalls = 100'000;
  const absl::Time begin = absl::Now();
  {
    std::vector<std::unique_ptr<Forked>> children;
    for (int i = 0; i < clients; ++i) {
      children.push_back(std::make_unique<Forked>([&] {
        for (int n = 0; n < kCalls / clients; ++n) remote->Inc();
      }));
    }
    for (auto& child : children) child->Wait();
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  std::printf("  %2d clients %12.0f calls/s in all\n", clients, kCalls / seconds);
  std::fflush(stdout);
}

}  // namespace

int main() {
  const Placement two_cores{.client = 0, .server = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0};
  const Placement one_core{.client = 0, .server = 0};
  const Effort sleepy{.calls = 2000, .max_seconds = 4, .pause_us = 1000};

  PrintHeader("limits");
  const Timing spin = two_cores.server == 1 ? remoteobj_testing::SpinPingPong(two_cores) : Timing();
  PrintRow("spin on shared memory, two cores", spin, 0);
  const Timing futex = remoteobj_testing::FutexPingPong(two_cores);
  PrintRow("futex, two cores", futex, 0);
  const Timing slept = remoteobj_testing::FutexPingPong(two_cores, sleepy);
  PrintRow("futex, two cores, after 1 ms", slept, 0);
  const Timing futex_one = remoteobj_testing::FutexPingPong(one_core);
  PrintRow("futex, one core", futex_one, 0);
  PrintRow("pipe, two cores", remoteobj_testing::PipePingPong(two_cores), 0);
  PrintRow("pipe, one core", remoteobj_testing::PipePingPong(one_core), 0);

  if (two_cores.server == 1) {
    SmallCalls("small calls, two cores", two_cores, spin.p50, {}, "spinning");
  }
  SmallCalls("a listener that has gone to sleep, two cores", two_cores, slept.p50, sleepy,
             "a futex after 1 ms");
  SmallCalls("small calls, one core", one_core, futex_one.p50, {}, "a futex on one core");
  LargeArgument(two_cores);
  Pin(-1);
  std::printf("\nmany client processes, not pinned\n");
  for (int clients : {1, 2, 4, 16}) ManyClients(clients);
}
