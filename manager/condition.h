// SPDX-License-Identifier: MIT
//
// A condition variable that processes share by a manager, with its lock.
//
//   remoteobj::Condition changed = manager.Condition();  // or manager.Condition(lock)
//   std::scoped_lock guard(changed);
//   changed->wait_for([&] { return list->size() > 0; });
//   …                                                    // elsewhere, with the lock as well:
//   changed->notify();
//
// The lock is the Lock or RLock that it was made with, which others may use as well, or else an
// RLock of its own. To wait is to leave the lock, as deep as it is, to wait for a notification, and
// then for the lock, after all who wait for it by then. If a process that was notified dies, or
// gives up, before it has the lock, another is notified in its place; so wait() may, rarely, return
// true to one who came after a notify_all(): ask for what you wait for again, as wait_for() does.
//
// Threads:  thread-safe. Copies are the same condition.
// Errors:   std::runtime_error if the caller does not own the lock (a Lock: if its process does
//           not); and what goes wrong on the way to the manager. A wait() with a timeout is
//           DeadlineExceeded, some seconds after it, if the network has failed meanwhile. If wait()
//           throws anything the lock is not held afterwards, unless it was not owned in the first
//           place, or the manager has not even heard of the wait; a guard copes with that.
#ifndef REMOTEOBJ_MANAGER_CONDITION_H_
#define REMOTEOBJ_MANAGER_CONDITION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/lockable.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

// The dot is the proxy, a mutex for guards: its lock. The arrow is the condition.
class Condition final : public manager_internal::Lockable {
 public:
  static constexpr std::string_view kTypeId = "Condition";
  static std::string Type() { return "Condition"; }
  // Of no object, until another is assigned to it.
  Condition() = default;
  explicit Condition(const Reference& reference) : Lockable(reference, Type()) {}

  class Methods {
   public:
    // The lock's.
    bool acquire(absl::Duration timeout = absl::InfiniteDuration()) const {
      return condition_.Acquire(timeout);
    }
    void release() const { condition_.Release(); }

    // Whether it was notified in time. Has the lock again, as deep as before, for which it waits as
    // long as it takes.
    bool wait(absl::Duration timeout = absl::InfiniteDuration()) const {
      return condition_.CallForAtLeast<bool>(timeout, "wait", manager_internal::ThisThread(),
                                             timeout);
    }
    // Waits until `predicate` gives what is true, and gives that; or what it gave last, when the
    // time is over. It is asked in the calling process, with the lock.
    template <typename Predicate>
    auto wait_for(Predicate predicate, absl::Duration timeout = absl::InfiniteDuration()) const {
      const Deadline deadline = Deadline::After(timeout);
      auto result = predicate();
      while (!result) {
        const absl::Duration left = deadline.left();
        if (left <= absl::ZeroDuration()) break;
        wait(left);
        result = predicate();
      }
      return result;
    }
    // Those who have waited longest; as many as there are.
    void notify(std::int64_t count = 1) const {
      condition_.Call<void>("notify", manager_internal::ThisThread(), count);
    }
    void notify_all() const { condition_.Call<void>("notify_all", manager_internal::ThisThread()); }

    const Methods* operator->() const { return this; }

   private:
    friend class Condition;
    explicit Methods(const Condition& condition) : condition_(condition) {}
    const Condition& condition_;
  };
  Methods operator->() const { return Methods(*this); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_CONDITION_H_
