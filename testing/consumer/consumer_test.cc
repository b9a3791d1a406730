// SPDX-License-Identifier: MIT
// Takes @remoteobj//proxy and nothing else, beside a proxy/proxy.h of its own.
// Without a test library, as a consumer may have none: exits with 0 if all is well.

#include <cstdio>
#include <string>

#include "proxy/proxy.h"
#include "remoteobj/proxy/proxy.h"

namespace app {

struct Counter {
  int count = 1;
};
REMOTEOBJ_DESCRIBE(Counter, count)

}  // namespace app

int main() {
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);
  auto listening = remote.ListenInBackground();
  remote->count = 2;
  bool ours = *remote->count == 2;
  bool theirs = proxy::Proxy<app::Counter>::Kind() == std::string("of the network");
  std::printf("remoteobj's proxy: %s; the consumer's own: %s\n", ours ? "ok" : "FAILED",
              theirs ? "ok" : "FAILED");
  return ours && theirs ? 0 : 1;
}
