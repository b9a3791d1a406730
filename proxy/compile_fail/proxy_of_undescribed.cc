// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Door {
  bool open = false;
};

void Make(Door& door) { remoteobj::Proxy<Door> remote(door); }
