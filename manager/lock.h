// SPDX-License-Identifier: MIT
//
// Locks that processes share by a manager, which releases those of the dead.
//
//   remoteobj::Lock lock = manager.Lock();
//   { std::scoped_lock guard(lock); … }
//   if (lock->acquire(absl::Seconds(1))) { …; lock->release(); }
//
// A Lock may be released by anybody. An RLock is its owner's, a thread of a process, who may
// acquire it again and releases it as often. Who waits gets it in the order of coming.
//
// If the owner's process dies, or leaves the manager, the next one gets the lock, and can ask
// whether that is how: lock->abandoned(). What the lock guards may be half done then.
//
// Threads:  thread-safe. Copies are the same lock.
// Errors:   std::runtime_error for a release of what is not locked or, of an RLock, not one's own;
//           and what goes wrong on the way to the manager. An acquire() that throws has not got the
//           lock. unlock(), which guards call, never throws.
#ifndef REMOTEOBJ_MANAGER_LOCK_H_
#define REMOTEOBJ_MANAGER_LOCK_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/lockable.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace manager_internal {

// The dot is the proxy, a mutex for guards. The arrow is the lock.
class AnyLock : public Lockable {
 public:
  class Methods {
   public:
    // Whether it got the lock. Tries once if `timeout` is not positive.
    bool acquire(absl::Duration timeout = absl::InfiniteDuration()) const {
      return lock_.Acquire(timeout);
    }
    void release() const { lock_.Release(); }
    bool locked() const { return lock_.Call<bool>("locked"); }
    // Whether its last owner died as such, or on the way to it. Who has got the lock may ask: it is
    // not forgotten before somebody releases it.
    bool abandoned() const { return lock_.Call<bool>("abandoned"); }

    const Methods* operator->() const { return this; }

   private:
    friend class AnyLock;
    explicit Methods(const AnyLock& lock) : lock_(lock) {}
    const AnyLock& lock_;
  };
  Methods operator->() const { return Methods(*this); }

 protected:
  using Lockable::Lockable;
};

}  // namespace manager_internal

class Lock final : public manager_internal::AnyLock {
 public:
  static constexpr std::string_view kTypeId = "Lock";
  static std::string Type() { return "Lock"; }
  // Of no object, until another is assigned to it.
  Lock() = default;
  explicit Lock(const Reference& reference) : AnyLock(reference, Type()) {}
};

class RLock final : public manager_internal::AnyLock {
 public:
  static constexpr std::string_view kTypeId = "RLock";
  static std::string Type() { return "RLock"; }
  // Of no object, until another is assigned to it.
  RLock() = default;
  explicit RLock(const Reference& reference) : AnyLock(reference, Type()) {}
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_LOCK_H_
