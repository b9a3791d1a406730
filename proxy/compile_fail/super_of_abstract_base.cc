// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Base {
  virtual ~Base() = default;
  virtual int Id() = 0;
};
REMOTEOBJ_DESCRIBE(Base, Id)
struct Derived : Base {
  int Id() override { return 1; }
};
REMOTEOBJ_DESCRIBE_DERIVED(Derived, (Base), Id)

int Call(remoteobj::Proxy<Derived>& remote) { return remote.Super<Base>()->Id(); }
