// SPDX-License-Identifier: MIT
#include <thread>

#include "remoteobj/proxy/proxy.h"

struct Pool {
  std::thread Start() {
    return std::thread([] {});
  }
};
REMOTEOBJ_DESCRIBE(Pool, Start)

void Start(remoteobj::Proxy<Pool>& remote) { remote->Start(); }
