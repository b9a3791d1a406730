// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Risky {
  Risky() = default;
  Risky(const Risky&) {}
  int number = 0;
};
REMOTEOBJ_DESCRIBE(Risky, number)
struct Holder {
  const Risky member;
};
REMOTEOBJ_DESCRIBE(Holder, member)

Holder Get(const remoteobj::ValueReader& in) { return remoteobj::Decode<Holder>(in); }
