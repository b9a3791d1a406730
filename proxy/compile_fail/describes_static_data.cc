// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Thing {
  static inline int member = 1;
};
REMOTEOBJ_DESCRIBE(Thing, member)

void Make(Thing& thing) { remoteobj::Proxy<Thing> remote(thing); }
