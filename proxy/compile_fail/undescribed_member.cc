// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Door {
  bool open = false;
  int secret = 1;
};
REMOTEOBJ_DESCRIBE(Door, open)

int Undescribed(remoteobj::Proxy<Door>& remote) { return *remote->secret; }
