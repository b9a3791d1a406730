// SPDX-License-Identifier: MIT
//
// What a manager and its objects tell their users.
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

// There was no item to get in the time given.
class QueueEmpty : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// There was no room for an item in the time given.
class QueueFull : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// The queue was shut down: nothing is put any more, and what was in it is gone.
class QueueShutDown : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// An operation of a Batch would have to wait; nothing in a batch waits.
class WouldWait : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

// One of those who met at the barrier did not come in time, died, or called it off.
class BrokenBarrier : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ERRORS_H_
