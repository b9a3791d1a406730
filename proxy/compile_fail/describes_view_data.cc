// SPDX-License-Identifier: MIT

#include <string_view>

#include "remoteobj/proxy/proxy.h"

struct Thing {
  std::string_view member;
};
REMOTEOBJ_DESCRIBE(Thing, member)

void Make(Thing& thing) { remoteobj::Proxy<Thing> remote(thing); }
