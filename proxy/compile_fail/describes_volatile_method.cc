// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Thing {
  int member() volatile { return 1; }
};
REMOTEOBJ_DESCRIBE(Thing, member)

void Make(Thing& thing) { remoteobj::Proxy<Thing> remote(thing); }
