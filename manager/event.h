// SPDX-License-Identifier: MIT
//
// A flag that processes share by a manager, and can wait for.
//
//   remoteobj::Event ready = manager.Event();
//   ready->set();                                        ready->wait();      // in another process
//
// Threads:  thread-safe. Copies are the same event.
// Errors:   those of a call to a manager (shared_proxy.h). For a status: ready->wait.TryCall().
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_EVENT_H_
#define REMOTEOBJ_MANAGER_EVENT_H_

#include <string>
#include <string_view>

#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/manager/wait_time.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj {

// The operations of an event: `e->` leads to them. A time-out is an absl::Duration.
class EventInterface {
 public:
  virtual ~EventInterface() = default;

  virtual bool is_set() const = 0;
  // All waiting callers continue, even if it is cleared right afterwards.
  virtual void set() = 0;
  virtual void clear() = 0;
  // Returns true if it was set in time. Does not wait if `timeout` is not positive.
  virtual bool wait(WaitTime timeout = {}) = 0;
};
REMOTEOBJ_DESCRIBE(EventInterface, is_set, set, clear, wait)

class Event final : public SharedProxy<Event, EventInterface> {
 public:
  static constexpr std::string_view kTypeId = "Event";
  static std::string Type() { return "Event"; }
  using SharedProxy::SharedProxy;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_EVENT_H_
