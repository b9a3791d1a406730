// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

void Set(remoteobj::Proxy<app::Counter>& remote) { remote->count.Set("five"); }
