// SPDX-License-Identifier: MIT
//
// What two processes of this machine can do at best: the limits that benchmarks are held against.
// And the way in which both are measured, so that the ratio means something.
//
//   remoteobj_testing::Placement pin{.client = 0, .server = 1};
//   Timing raw = remoteobj_testing::SpinPingPong(pin);
//   Timing ours = remoteobj_testing::Measure([&] { remote->Inc(); });
//
// Threads:  for programs that have one thread: the server of each is a forked child.
#ifndef REMOTEOBJ_TESTING_LIMITS_H_
#define REMOTEOBJ_TESTING_LIMITS_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

namespace remoteobj_testing {

// Processor numbers, or -1 to let the kernel choose.
struct Placement {
  int client = -1;
  int server = -1;
};

// Pins the calling process, or with -1 lets it run anywhere.
void Pin(int cpu);

// Of one call, in microseconds.
struct Timing {
  double p50 = 0;
  double p99 = 0;
  double mean = 0;
  double per_second() const { return 1e6 / mean; }
};

struct Effort {
  int calls = 200'000;
  double max_seconds = 2;
  // Before each call, to let the other side go to sleep.
  int pause_us = 0;
};

// Times `call`, after a tenth as many calls to warm up.
template <typename F>
Timing Measure(F&& call, Effort effort = {}) {
  using Clock = std::chrono::steady_clock;
  const auto micros = [](Clock::duration d) {
    return std::chrono::duration<double, std::micro>(d).count();
  };
  for (int i = 0; i < effort.calls / 10; ++i) call();
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(effort.calls));
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < effort.calls; ++i) {
    if (effort.pause_us != 0) {
      const Clock::time_point until = Clock::now() + std::chrono::microseconds(effort.pause_us);
      std::this_thread::sleep_until(until);
    }
    const Clock::time_point start = Clock::now();
    call();
    const Clock::time_point end = Clock::now();
    times.push_back(micros(end - start));
    if ((i & 63) == 63 && micros(end - begin) > effort.max_seconds * 1e6) break;
  }
  Timing timing;
  for (double time : times) timing.mean += time / static_cast<double>(times.size());
  std::sort(times.begin(), times.end());
  timing.p50 = times[times.size() / 2];
  timing.p99 = times[times.size() * 99 / 100];
  return timing;
}

// A word there, a word back: spinning on shared memory, sleeping on futexes in it, through pipes.
Timing SpinPingPong(Placement placement, Effort effort = {});
Timing FutexPingPong(Placement placement, Effort effort = {});
Timing PipePingPong(Placement placement, Effort effort = {});

// Copying `bytes` within a process, from and to memory that has been used before.
Timing Copy(std::size_t bytes, Effort effort = {});

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_LIMITS_H_
