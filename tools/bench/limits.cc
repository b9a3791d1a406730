// SPDX-License-Identifier: MIT
//
// The least that the machine allows, also without ours beside it.
#include <map>
#include <string>
#include <vector>

#include "remoteobj/tools/bench/bare_rpc.h"
#include "remoteobj/tools/bench/bench.h"

namespace bench {
namespace {

void Show(Bench& bench, const std::map<std::string, Calls>& limits) {
  std::vector<Row> rows;
  for (const auto& [name, calls] : limits)
    rows.push_back({.what = name, .ours = {}, .limit = name});
  bench.Compare("limits", rows, limits);
}

void ShowLimits(Bench& bench) {
  const Placement two = bench.two_cores();
  const Placement one{.client = two.client, .server = two.client};
  BareRpc unix_socket(BareRpc::kUnix, two.server);
  BareRpc tcp(BareRpc::kTcp, two.server);
  std::map<std::string, Calls> limits = {
      {"futex, two cores", remoteobj_testing::FutexPingPong(two)},
      {"futex, two cores, after 1 ms", remoteobj_testing::FutexPingPong(two, 1000)},
      {"futex, one core", remoteobj_testing::FutexPingPong(one)},
      {"pipe, two cores", remoteobj_testing::PipePingPong(two)},
      {"pipe, one core", remoteobj_testing::PipePingPong(one)},
      {"socketpair, two cores", remoteobj_testing::SocketPingPong(two)},
      {"socketpair, one core", remoteobj_testing::SocketPingPong(one)},
      {"fork, _exit, waitpid", remoteobj_testing::ForkAndWait()},
      {"Cap'n Proto RPC, unix socket", unix_socket.calls()},
      {"Cap'n Proto RPC, TCP loopback", tcp.calls()},
  };
  // On one core it would spin for a whole time slice.
  if (two.client != two.server) {
    limits.emplace("spinning, two cores", remoteobj_testing::SpinPingPong(two));
  }
  Pin(two.client);
  Show(bench, limits);
  // By itself: a fork, which others begin with, would have its pages copied as they are written.
  Show(bench, {{"memcpy of 64 MiB", remoteobj_testing::Copy(64 << 20)}});
}

}  // namespace

std::vector<Scenario> LimitScenarios() { return {{"limits", ShowLimits}}; }

}  // namespace bench
