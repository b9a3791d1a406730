// SPDX-License-Identifier: MIT
//
// The calls that wait: their places in lists, the order in which they are woken, their time-outs.
//
// Threads:  guarded by the server's mutex, except next_timeout().
#ifndef REMOTEOBJ_MANAGER_SERVER_WAITING_CALLS_H_
#define REMOTEOBJ_MANAGER_SERVER_WAITING_CALLS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <set>
#include <utility>

#include "remoteobj/manager/server/call.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj::manager_internal {

class WaitingCalls {
 public:
  // Puts the call into the list that its method asked for (CurrentCall::Wait).
  void Add(Call& call);
  void Remove(Call& call);
  // Removes the call; NextWoken() returns it.
  void Wake(Call& call);
  // Null if there is none.
  Call* NextWoken();
  // Removes a call whose time is over.
  Call* NextTimedOut(Deadline now);
  // Deadline::Never() if no call has one.
  Deadline next_timeout() const { return next_timeout_.load(); }

 private:
  void NoteNextTimeout();

  std::uint64_t last_number_ = 0;
  std::deque<Call*> woken_;
  std::set<std::pair<Deadline, Call*>> timeouts_;
  std::atomic<Deadline> next_timeout_{Deadline::Never()};
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_WAITING_CALLS_H_
