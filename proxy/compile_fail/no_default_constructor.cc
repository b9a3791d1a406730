// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Id {
  explicit Id(int n) : number(n) {}
  int number;
};
REMOTEOBJ_DESCRIBE(Id, number)
struct User {
  Id id{1};
};
REMOTEOBJ_DESCRIBE(User, id)

int Get(remoteobj::Proxy<User>& remote) { return remote->id.Get().number; }
