// SPDX-License-Identifier: MIT
// Attributes must lie at their Arrow's address; with a base twice they can't.
#include "remoteobj/proxy/proxy.h"

struct Root {
  int id = 1;
};
REMOTEOBJ_DESCRIBE(Root, id)
struct Left : virtual Root {
  int left = 2;
};
REMOTEOBJ_DESCRIBE_DERIVED(Left, (Root), left)
struct Right : virtual Root {
  int right = 3;
};
REMOTEOBJ_DESCRIBE_DERIVED(Right, (Root), right)
struct Both : Left, Right {};
REMOTEOBJ_DESCRIBE_DERIVED(Both, (Left, Right))

int Get(remoteobj::Proxy<Both>& remote) { return *remote->right; }
