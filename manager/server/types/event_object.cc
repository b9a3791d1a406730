// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/event_object.h"

namespace remoteobj::manager_internal {

void EventObject::set() {
  set_ = true;
  waiters_.WakeAll();
}

bool EventObject::wait(WaitTime timeout) {
  CurrentCall call;
  if (set_) return true;
  if (call.timed_out() || timeout <= absl::ZeroDuration()) return false;
  call.Wait(waiters_, timeout);
}

}  // namespace remoteobj::manager_internal
