// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

void Delete(remoteobj::Proxy<app::Counter>& remote) { remote->count.Delete(); }
