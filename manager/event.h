// SPDX-License-Identifier: MIT
//
// A flag that processes share by a manager, and for which they can wait.
//
//   remoteobj::Event ready = manager.Event();
//   ready->set();                                        ready->wait();      // in another process
//
// Threads:  thread-safe. Copies are the same event.
// Errors:   what goes wrong on the way to the manager.
#ifndef REMOTEOBJ_MANAGER_EVENT_H_
#define REMOTEOBJ_MANAGER_EVENT_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

class Event final : public manager_internal::Shared {
 public:
  static constexpr std::string_view kTypeId = "Event";
  static std::string Type() { return "Event"; }
  // Of no object, until another is assigned to it.
  Event() = default;
  explicit Event(const Reference& reference) : Shared(reference, Type()) {}

  class Methods {
   public:
    bool is_set() const { return event_.Call<bool>("is_set"); }
    // All who wait go on, even if it is cleared right afterwards.
    void set() const { event_.Call<void>("set"); }
    void clear() const { event_.Call<void>("clear"); }
    // Whether it was set in time. Does not wait if `timeout` is not positive.
    bool wait(absl::Duration timeout = absl::InfiniteDuration()) const {
      return event_.CallFor<bool>(timeout, "wait", timeout);
    }

    const Methods* operator->() const { return this; }

   private:
    friend class Event;
    explicit Methods(const Event& event) : event_(event) {}
    const Event& event_;
  };
  Methods operator->() const { return Methods(*this); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_EVENT_H_
