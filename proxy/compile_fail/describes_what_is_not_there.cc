// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Door {
  bool open = false;
};
REMOTEOBJ_DESCRIBE(Door, opne)

void Make(Door& door) { remoteobj::Proxy<Door> remote(door); }
