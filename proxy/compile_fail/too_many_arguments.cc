// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

void Call(remoteobj::Proxy<app::Counter>& remote) { remote->Toggle(true, 2); }
