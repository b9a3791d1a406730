// SPDX-License-Identifier: MIT
//
// A process that has an object, for others to call.
//
//   auto server = Serve(remote, bench.two_cores().server);
//
// Lifetime: the process ends with what is returned.
#ifndef REMOTEOBJ_TOOLS_BENCH_SERVE_H_
#define REMOTEOBJ_TOOLS_BENCH_SERVE_H_

#include <memory>

#include "absl/time/time.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/testing/limits.h"

namespace bench {

// Listens on that processor.
template <typename T>
std::unique_ptr<remoteobj_testing::Forked> Serve(const remoteobj::Proxy<T>& remote, int cpu) {
  auto child = std::make_unique<remoteobj_testing::Forked>([&remote, cpu] {
    remoteobj_testing::Pin(cpu);
    auto listening = remote.Listen();
    for (;;) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(*child);
  return child;
}

}  // namespace bench

#endif  // REMOTEOBJ_TOOLS_BENCH_SERVE_H_
