// SPDX-License-Identifier: MIT
//
// An event of a manager, as its server has it.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_EVENT_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_EVENT_OBJECT_H_

#include <cstddef>

#include "absl/time/time.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj::manager_internal {

class EventObject final : public SharedObject {
 public:
  bool is_set() const { return set_; }
  // Who waits now goes on, even if it is cleared at once.
  void set();
  void clear() { set_ = false; }
  // False if it was not set in time.
  bool wait(absl::Duration timeout);

  std::size_t waiting() const override { return waiters_.size(); }

 private:
  bool set_ = false;
  WaitList waiters_;
};
REMOTEOBJ_DESCRIBE(EventObject, is_set, set, clear, wait)

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_EVENT_OBJECT_H_
