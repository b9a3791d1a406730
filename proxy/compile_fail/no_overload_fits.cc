// SPDX-License-Identifier: MIT
#include <string>

#include "remoteobj/proxy/proxy.h"

struct Calc {
  int Add(int a, int b) { return a + b; }
  double Add(double a, double b) { return a + b; }
};
REMOTEOBJ_DESCRIBE(Calc, (Add, int(int, int), double(double, double)))

void Call(remoteobj::Proxy<Calc>& remote) { remote->Add(std::string("1"), 2); }
