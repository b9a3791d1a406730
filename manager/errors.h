// SPDX-License-Identifier: MIT
//
// The errors of a manager's objects.
//
//   try {
//     Job job = jobs->get(absl::Seconds(1));
//   } catch (const remoteobj::QueueEmpty&) {               // nothing to do: go home
//   }
//   if (absl::IsOutOfRange(jobs->get.TryCall(absl::Seconds(1)).status())) …       // the same
//
// Their status codes differ from those of lost and refused calls (transport/errors.h), which a
// caller handles in another way:
//
//   type             the caller                          absl::StatusCode
//   QueueEmpty       tries later: there is no item       kOutOfRange, as popitem() of an empty Dict
//   QueueFull        tries later: there is no room       kResourceExhausted
//   QueueShutDown    ends                                kFailedPrecondition
//   WouldWait        calls it outside of the batch       kFailedPrecondition
//   BrokenBarrier    resets the barrier, begins again    kAborted
//
// Threads:  immutable values.
// Not here: calls that are refused or lost (NotExposed, NotListening, …), see
//           remoteobj/transport/errors.h.
#ifndef REMOTEOBJ_MANAGER_ERRORS_H_
#define REMOTEOBJ_MANAGER_ERRORS_H_

#include <stdexcept>

#include "absl/status/status.h"

namespace remoteobj {

// No item came before the time-out.
class QueueEmpty : public std::runtime_error {
 public:
  using runtime_error::runtime_error;

  static constexpr absl::StatusCode kStatusCode = absl::StatusCode::kOutOfRange;
};

// There was no room for an item before the time-out.
class QueueFull : public std::runtime_error {
 public:
  using runtime_error::runtime_error;

  static constexpr absl::StatusCode kStatusCode = absl::StatusCode::kResourceExhausted;
};

// The queue was shut down: it takes no items, and has none.
class QueueShutDown : public std::runtime_error {
 public:
  using runtime_error::runtime_error;

  static constexpr absl::StatusCode kStatusCode = absl::StatusCode::kFailedPrecondition;
};

// An operation of a Batch would have to wait; in a batch of two or more none waits.
class WouldWait : public std::runtime_error {
 public:
  using runtime_error::runtime_error;

  static constexpr absl::StatusCode kStatusCode = absl::StatusCode::kFailedPrecondition;
};

// A process did not arrive at the barrier in time, died, or called abort().
class BrokenBarrier : public std::runtime_error {
 public:
  using runtime_error::runtime_error;

  static constexpr absl::StatusCode kStatusCode = absl::StatusCode::kAborted;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ERRORS_H_
