// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

int Walk(remoteobj::Proxy<app::Counter>& remote) { return *remote->count["a"]; }
