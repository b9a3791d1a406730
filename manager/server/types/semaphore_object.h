// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/semaphore.h.
//
// An acquired unit is held by its client until any client releases it: each unit that is missing
// from the initial value has a holder. Units beyond the initial value, as in a Semaphore(0) used as
// a signal, are consumed by acquire().
//
// Threads:  under the server's lock.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_SEMAPHORE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_SEMAPHORE_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "absl/time/time.h"
#include "remoteobj/manager/semaphore.h"
#include "remoteobj/manager/server/current_call.h"

namespace remoteobj::manager_internal {

// The clients that hold units, in the order in which they acquired them. Each operation takes
// logarithmic time: a client chooses how many units there are.
class Holders {
 public:
  void Add(ClientId client);
  // Removes the client's oldest unit. Returns false if it has none.
  bool RemoveOf(ClientId client);
  // Removes the oldest unit. Returns false if there is none.
  bool RemoveOldest();
  // Returns how many there were.
  std::size_t RemoveAllOf(ClientId client);

 private:
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, ClientId> all_;
  std::map<ClientId, std::set<std::uint64_t>> by_client_;
};

class SemaphoreObject final : public SharedObject, public SemaphoreInterface {
 public:
  // Throws std::invalid_argument for a negative value.
  SemaphoreObject(std::int64_t value, bool bounded);

  bool acquire(WaitTime timeout) override;
  // Releases all of them; or none, if they are too many for a BoundedSemaphore.
  void release(std::int64_t units) override;

  // Releases the units that the client holds.
  void ClientGone(ClientId client) override;
  std::size_t waiting() const override { return waiters_.size(); }

 private:
  void PutBack(std::int64_t units);

  const std::int64_t first_value_;
  const bool bounded_;
  std::int64_t value_;
  Holders holders_;  // Hold max(0, first_value_ - value_) units.
  WaitList waiters_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_SEMAPHORE_OBJECT_H_
