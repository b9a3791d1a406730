// SPDX-License-Identifier: MIT
#include <string>

#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

int Pass(remoteobj::Proxy<app::Counter>& remote, std::string name) {
  return remote.PassTo([name](app::Counter& c) { return c.data[name]; });
}
