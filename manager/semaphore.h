// SPDX-License-Identifier: MIT
//
// Semaphores that processes share by a manager, which releases the units of the dead.
//
//   remoteobj::Semaphore seats = manager.Semaphore(3);
//   seats->acquire();
//   …
//   seats->release();
//
// A unit that a process has acquired, and that nobody has released, is released when that process
// dies, or leaves the manager. A release counts for a unit of one's own process, else for the one
// that was acquired first. Units beyond the first value have no holder: who acquires one of a
// Semaphore(0), as a signal, has used it up.
//
// Threads:  thread-safe. Copies are the same semaphore. Who waits gets a unit in the order of
//           coming.
// Errors:   std::invalid_argument for a release of less than one unit, or of more units of a
//           BoundedSemaphore than its first value; and what goes wrong on the way to the manager.
#ifndef REMOTEOBJ_MANAGER_SEMAPHORE_H_
#define REMOTEOBJ_MANAGER_SEMAPHORE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace manager_internal {

class AnySemaphore : public Shared {
 public:
  class Methods {
   public:
    // Whether it got a unit. Tries once if `timeout` is not positive.
    bool acquire(absl::Duration timeout = absl::InfiniteDuration()) const {
      return semaphore_.CallFor<bool>(timeout, "acquire", timeout);
    }
    // At once, so that as many can go on.
    void release(std::int64_t units = 1) const {
      const transport_internal::Uninterrupted uninterrupted;
      semaphore_.Call<void>("release", units);
    }

    const Methods* operator->() const { return this; }

   private:
    friend class AnySemaphore;
    explicit Methods(const AnySemaphore& semaphore) : semaphore_(semaphore) {}
    const AnySemaphore& semaphore_;
  };
  Methods operator->() const { return Methods(*this); }

  // One unit, for std::scoped_lock and std::unique_lock.
  void lock() const { (*this)->acquire(); }
  bool try_lock() const { return (*this)->acquire(absl::ZeroDuration()); }
  void unlock() const noexcept {
    try {
      (*this)->release();
    } catch (...) {  // The manager is gone.
    }
  }

 protected:
  using Shared::Shared;
};

}  // namespace manager_internal

class Semaphore final : public manager_internal::AnySemaphore {
 public:
  static constexpr std::string_view kTypeId = "Semaphore";
  static std::string Type() { return "Semaphore"; }
  // Of no object, until another is assigned to it.
  Semaphore() = default;
  explicit Semaphore(const Reference& reference) : AnySemaphore(reference, Type()) {}
};

class BoundedSemaphore final : public manager_internal::AnySemaphore {
 public:
  static constexpr std::string_view kTypeId = "BoundedSemaphore";
  static std::string Type() { return "BoundedSemaphore"; }
  // Of no object, until another is assigned to it.
  BoundedSemaphore() = default;
  explicit BoundedSemaphore(const Reference& reference) : AnySemaphore(reference, Type()) {}
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SEMAPHORE_H_
