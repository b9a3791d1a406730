// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

void Copy(remoteobj::Proxy<app::Counter>& remote) { [[maybe_unused]] auto v = remote->count; }
