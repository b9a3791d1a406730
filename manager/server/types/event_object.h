// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/event.h.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_EVENT_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_EVENT_OBJECT_H_

#include <cstddef>

#include "absl/time/time.h"
#include "remoteobj/manager/event.h"
#include "remoteobj/manager/server/current_call.h"

namespace remoteobj::manager_internal {

class EventObject final : public SharedObject, public EventInterface {
 public:
  bool is_set() const override { return set_; }
  void set() override;
  void clear() override { set_ = false; }
  bool wait(WaitTime timeout) override;

  std::size_t waiting() const override { return waiters_.size(); }

 private:
  bool set_ = false;
  WaitList waiters_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_EVENT_OBJECT_H_
