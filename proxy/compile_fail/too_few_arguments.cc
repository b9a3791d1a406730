// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Calc {
  int Add(int a, int b) { return a + b; }
};
REMOTEOBJ_DESCRIBE(Calc, Add)

int Call(remoteobj::Proxy<Calc>& remote) { return remote->Add(1); }
