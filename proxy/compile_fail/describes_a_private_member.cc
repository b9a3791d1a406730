// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

class Door {
  bool open = false;
};
REMOTEOBJ_DESCRIBE(Door, open)

void Make(Door& door) { remoteobj::Proxy<Door> remote(door); }
