// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Base {
  int Id() { return 1; }
};
REMOTEOBJ_DESCRIBE(Base, Id)
struct Derived : Base {
  int x = 0;
};
REMOTEOBJ_DESCRIBE(Derived, x)

int Call(remoteobj::Proxy<Derived>& remote) { return remote.Super<Base>()->Id(); }
