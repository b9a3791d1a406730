// SPDX-License-Identifier: MIT
//
// The main loop of the C++ peers. A peer is a small program that uses another library for what
// remoteobj does. It is compiled by itself, if that library is installed, and asked for turns of
// calls: it reads "OPERATION COUNT" and prints the time of each call, in microseconds.
//
//   pid_t server = StartServer(argv, [] { … });
//   Serve({{"call", [&] { … }}}, argv);
//
// Threads:  none of ours. The processes are pinned to the cores that the arguments name, as
//           remoteobj's are; threads that a library starts itself are free to run anywhere.
#ifndef REMOTEOBJ_TOOLS_BENCH_PEERS_PEER_H_
#define REMOTEOBJ_TOOLS_BENCH_PEERS_PEER_H_

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace peer {

inline void Pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// Runs `body` in a forked process, which dies with this one.
template <typename F>
void StartServer(char** argv, F&& body) {
  if (fork() != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  body(std::atoi(argv[2]));
  _exit(0);
}

inline int Serve(const std::map<std::string, std::function<void()>>& operations, char** argv) {
  for (const auto& operation : operations) operation.second();
  Pin(std::atoi(argv[1]));
  std::puts("ready");
  std::fflush(stdout);
  char name[64];
  int count;
  std::vector<double> times;
  while (std::scanf("%63s %d", name, &count) == 2) {
    const std::function<void()>& call = operations.at(name);
    times.clear();
    for (int i = 0; i < count; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      call();
      const std::chrono::duration<double, std::micro> time =
          std::chrono::steady_clock::now() - begin;
      times.push_back(time.count());
    }
    for (const double time : times) std::printf("%.3f\n", time);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace peer

#endif  // REMOTEOBJ_TOOLS_BENCH_PEERS_PEER_H_
