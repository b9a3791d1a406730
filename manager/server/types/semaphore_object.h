// SPDX-License-Identifier: MIT
//
// A semaphore of a manager, as its server has it: Semaphore and BoundedSemaphore.
//
// A unit that was acquired is its client's until it is released, by whomever: as long as fewer
// units are there than at first, each that lacks has a holder. Units beyond the first value, as of
// a Semaphore(0) that signals, are used up by who acquires them.
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_SEMAPHORE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_SEMAPHORE_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <list>

#include "absl/time/time.h"
#include "remoteobj/manager/semaphore.h"
#include "remoteobj/manager/server/current_call.h"

namespace remoteobj::manager_internal {

class SemaphoreObject final : public SharedObject, public SemaphoreInterface {
 public:
  // Throws std::invalid_argument for a negative value.
  SemaphoreObject(std::int64_t value, bool bounded);

  bool acquire(WaitTime timeout) override;
  // Releases all of them or, if they are too many for a bounded one, none.
  void release(std::int64_t units) override;

  // Releases the units that it holds.
  void ClientGone(ClientId client) override;
  std::size_t waiting() const override { return waiters_.size(); }

 private:
  void PutBack(std::int64_t units);

  const std::int64_t first_value_;
  const bool bounded_;
  std::int64_t value_;
  // Of each unit that is held, in the order in which they were acquired. As many as are missing:
  // max(0, first_value_ - value_).
  std::list<ClientId> holders_;
  WaitList waiters_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_SEMAPHORE_OBJECT_H_
