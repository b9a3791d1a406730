// SPDX-License-Identifier: MIT
//
// The least that a call between two processes of this machine can cost: the limits with which
// benchmarks are compared. Limits, remoteobj and peers share one form of benchmark, so that their
// ratios mean something.
//
//   const Placement pin{.client = 0, .server = 1};
//   Times raw, ours;
//   Pin(pin.client);
//   SpinPingPong(pin)(1000, raw);                           // calls a thousand times
//   Each([&] { remote->Inc(); })(1000, ours);
//
// Threads:  for programs that have one thread: the server of each is a forked child, which lives as
//           long as one such row of calls.
#ifndef REMOTEOBJ_TESTING_LIMITS_H_
#define REMOTEOBJ_TESTING_LIMITS_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace remoteobj_testing {

// Times of single calls, in microseconds.
using Times = std::vector<double>;

// Calls that often, and adds what each call took.
using Calls = std::function<void(int count, Times& times)>;

// Processor numbers, or -1 to let the kernel choose.
struct Placement {
  int client = -1;
  int server = -1;
};

// The processors that this process may use now.
std::vector<int> Processors();

// Pins the calling process, or with -1 lets it run anywhere.
void Pin(int cpu);

// Times `call`. Before each one it sleeps for `pause_us`, to let the other side go to sleep.
template <typename F>
Calls Each(F call, int pause_us = 0) {
  return [call = std::move(call), pause_us](int count, Times& times) mutable {
    using Clock = std::chrono::steady_clock;
    for (int i = 0; i < count; ++i) {
      if (pause_us != 0) std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
      const Clock::time_point begin = Clock::now();
      call();
      const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
      times.push_back(time.count());
    }
  };
}

// A word there, a word back: spinning on shared memory, sleeping on futexes in it, through pipes
// and through a pair of sockets. The caller pins itself.
Calls SpinPingPong(Placement placement);
Calls FutexPingPong(Placement placement, int pause_us = 0);
Calls PipePingPong(Placement placement);
Calls SocketPingPong(Placement placement);

// Copying `bytes` within a process, from and to memory that has been used before.
Calls Copy(std::size_t bytes);

// fork, _exit, waitpid.
Calls ForkAndWait();

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_LIMITS_H_
