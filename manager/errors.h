// SPDX-License-Identifier: MIT
//
// The errors of a manager's objects.
//
//   try {
//     Job job = jobs->get(absl::Seconds(1));
//   } catch (const remoteobj::QueueEmpty&) {               // nothing to do: go home
//   }
//
// Threads:  immutable values.
// Not here: calls that are refused or lost (NotExposed, NotListening, …), see
//           remoteobj/transport/errors.h.
#ifndef REMOTEOBJ_MANAGER_ERRORS_H_
#define REMOTEOBJ_MANAGER_ERRORS_H_

#include <stdexcept>

namespace remoteobj {

// No item came before the time-out.
class QueueEmpty : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// There was no room for an item before the time-out.
class QueueFull : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// The queue was shut down: it takes no items, and has none.
class QueueShutDown : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// An operation of a Batch would have to wait; nothing in a batch waits.
class WouldWait : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// A process did not arrive at the barrier in time, died, or called abort().
class BrokenBarrier : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ERRORS_H_
