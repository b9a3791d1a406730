// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Base {
  int id = 1;
};
struct Derived : Base {
  int x = 0;
};
REMOTEOBJ_DESCRIBE_DERIVED(Derived, (Base), x)

int Get(remoteobj::Proxy<Derived>& remote) { return *remote->x; }
