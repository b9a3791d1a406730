// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

void Walk(remoteobj::Proxy<app::Counter>& remote) { remote->count->x; }
