// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

int Call(remoteobj::Proxy<app::Counter>& remote) { return *remote.Super<app::Config>()->timeout; }
