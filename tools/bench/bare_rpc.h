// SPDX-License-Identifier: MIT
//
// Cap'n Proto RPC alone: the limit of calls that go by it.
//
//   BareRpc bare(BareRpc::kUnix, bench.two_cores().server);
//   … {{"bare Cap'n Proto", bare.calls()}} …
//
// Threads:  none. The server is a forked child, pinned to a core.
#ifndef REMOTEOBJ_TOOLS_BENCH_BARE_RPC_H_
#define REMOTEOBJ_TOOLS_BENCH_BARE_RPC_H_

#include <sys/socket.h>

#include <optional>

#include "remoteobj/testing/forked.h"
#include "remoteobj/testing/limits.h"

namespace bench {

class BareRpc {
 public:
  enum Kind { kUnix, kTcp };

  BareRpc(Kind kind, int server_cpu);

  // `at_once` calls, one after the other, count as one.
  remoteobj_testing::Calls calls(int at_once = 1);

 private:
  void Call(int count, remoteobj_testing::Times& times, int at_once);
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&address_); }

  sockaddr_storage address_ = {};
  socklen_t size_ = 0;
  std::optional<remoteobj_testing::Forked> server_;
};

}  // namespace bench

#endif  // REMOTEOBJ_TOOLS_BENCH_BARE_RPC_H_
