// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Calc {
  int Add(int a, int b) { return a + b; }
  double Add(double a, double b) { return a + b; }
};
REMOTEOBJ_DESCRIBE(Calc, Add)

void Make(Calc& calc) { remoteobj::Proxy<Calc> remote(calc); }
