// SPDX-License-Identifier: MIT
//
// A call to an object of a manager, while it is evaluated: who makes it, and how it waits.
//
//   AnyValue QueueObject::get(absl::Duration timeout) {
//     CurrentCall call;
//     if (items_.empty()) {
//       if (call.timed_out() || timeout <= absl::ZeroDuration()) throw QueueEmpty("…");
//       call.Wait(getters_, timeout);                    // leaves; get() is run again when woken
//     }
//     AnyValue item = TakeFirst();
//     call.IfNotReceived([this, item] { PutBack(item); });
//     return item;
//   }
//
// A method that has to wait leaves its evaluation and takes no thread along. When somebody wakes
// the list, or the time is over, the whole method is called again. So it changes nothing before it
// waits, except what it notes in memory().
//
// Threads:  all objects that wait are evaluated under one lock, the server's.
#ifndef REMOTEOBJ_MANAGER_SERVER_CALL_H_
#define REMOTEOBJ_MANAGER_SERVER_CALL_H_

#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj::manager_internal {

class Call;
class Entry;

// Calls that wait for one thing, in the order in which they came: one that was woken in vain, and
// waits on, keeps its place.
class WaitList {
 public:
  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  std::size_t size() const { return calls_.size(); }
  bool empty() const { return calls_.empty(); }
  // Lets the first go on, or all: right after the call that is being evaluated, before any other.
  void WakeOne();
  void WakeAll();

 private:
  friend class Call;
  friend class ObjectServer;
  std::list<Call*> calls_;
};

// What a client is to a server: a process that has connected. 0 is the server itself.
using ClientId = std::uint64_t;

// A built-in object that takes note of who uses it.
class SharedObject {
 public:
  SharedObject() = default;
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  virtual ~SharedObject() = default;

  // The client has gone, and waits nowhere any more. Called for those objects which it has left
  // something in (CurrentCall::LeavesSomething).
  virtual void ClientGone(ClientId) {}
  // How many wait in it; for people.
  virtual std::size_t waiting() const { return 0; }
};

// The call that is being evaluated on this thread. REQUIRES: there is one.
class CurrentCall {
 public:
  CurrentCall();

  ClientId client() const;
  // The calling thread's number in its process.
  std::uint32_t thread() const;

  // What comes next changes something, and then waits: what it has changed it notes in memory().
  // For a method that can't wait without a change, as one that leaves a lock in order to wait.
  void WillWait();
  // Leaves the evaluation by an exception that nobody catches but the server.
  // `timeout` counts from the beginning of the call, however often it waits.
  [[noreturn]] void Wait(WaitList& list, absl::Duration timeout = absl::InfiniteDuration());
  [[noreturn]] void Wait(WaitList& list, Deadline deadline);
  // Whether it goes on because the time is over, and not because it was woken.
  bool timed_out() const;
  // Whether it has waited before.
  bool waited() const;
  // What the method wants to know when it goes on: empty at first.
  std::any& memory();

  // Called when the result does not reach the client: it died, or it has given up.
  void IfNotReceived(std::function<void()> give_back);
  // Has this object's ClientGone called when the client goes.
  void LeavesSomething();
  // That of another object's, which this method uses.
  void LeavesSomething(const std::shared_ptr<Entry>& in);

 private:
  Call& call_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_CALL_H_
