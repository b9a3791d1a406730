// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Thing {
  int member[4] = {};
};
REMOTEOBJ_DESCRIBE(Thing, member)

void Make(Thing& thing) { remoteobj::Proxy<Thing> remote(thing); }
