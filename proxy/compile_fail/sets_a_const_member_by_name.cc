// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

struct Device {
  const int serial = 17;
};
REMOTEOBJ_DESCRIBE(Device, serial)

void Set(remoteobj::Proxy<Device>& remote) { remote->serial.Set(4); }
