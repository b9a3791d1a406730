// SPDX-License-Identifier: MIT
#include <mutex>

#include "remoteobj/proxy/proxy.h"

struct Safe {
  std::mutex mutex;
};
REMOTEOBJ_DESCRIBE(Safe, mutex)

void Make(Safe& safe) { remoteobj::Proxy<Safe> remote(safe); }
