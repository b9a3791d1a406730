// SPDX-License-Identifier: MIT
// A value that was got is a copy: changing it in place would change nothing there.
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

void Mutate(remoteobj::Proxy<app::Counter>& remote) { (*remote->data)["k"] = 1; }
