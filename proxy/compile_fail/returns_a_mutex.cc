// SPDX-License-Identifier: MIT
#include <mutex>

#include "remoteobj/proxy/proxy.h"

class Safe {
 public:
  std::mutex& mutex() { return mutex_; }

 private:
  std::mutex mutex_;
};
REMOTEOBJ_DESCRIBE(Safe, mutex)

void Lock(remoteobj::Proxy<Safe>& remote) { remote->mutex(); }
