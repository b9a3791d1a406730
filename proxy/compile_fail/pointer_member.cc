// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Leaf {
  int* value = nullptr;
};
REMOTEOBJ_DESCRIBE(Leaf, value)

void Make(Leaf& leaf) { remoteobj::Proxy<Leaf> remote(leaf); }
