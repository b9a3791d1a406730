// SPDX-License-Identifier: MIT
#include <string>

#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

int Pass(remoteobj::Proxy<app::Counter>& remote) {
  return remote->count.PassTo([](std::string& s) { return int(s.size()); });
}
