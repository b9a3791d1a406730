// SPDX-License-Identifier: MIT
//
// How a method of a built-in object waits, and what it knows of its caller.
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
// A waiting call holds no thread: Wait() leaves the method by an exception, and the server calls
// the method again, from its start, when the list is woken or the time is over. So a method changes
// nothing before it waits, except what it records in memory().
//
// Threads:  all objects that wait are evaluated under one lock, the server's.
#ifndef REMOTEOBJ_MANAGER_SERVER_CURRENT_CALL_H_
#define REMOTEOBJ_MANAGER_SERVER_CURRENT_CALL_H_

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
class Rights;

// Calls that wait for one thing, first come, first served. A call that is woken and has to wait
// again keeps its place.
class WaitList {
 public:
  WaitList() = default;
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  std::size_t size() const { return calls_.size(); }
  bool empty() const { return calls_.empty(); }
  // The woken calls continue right after the call that is being evaluated, before any other.
  void WakeOne();
  void WakeAll();

 private:
  friend class WaitingCalls;
  std::list<Call*> calls_;
};

// A connected process. 0 is the server itself.
using ClientId = std::uint64_t;

// A built-in object that keeps state for each of its clients.
class SharedObject {
 public:
  SharedObject() = default;
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  virtual ~SharedObject() = default;

  // The client has disconnected, and its calls have been cancelled. Called only if the client has
  // left something in this object (CurrentCall::LeavesSomething).
  virtual void ClientGone(ClientId) {}
  // The number of waiting calls, for Manager::Inspect().
  virtual std::size_t waiting() const { return 0; }
};

// The lock and the thread with which a method is evaluated.
enum class Place {
  kUnderLock,  // Under the server's lock: built-in objects.
  kInServer,   // On the server's thread, without the lock (Run::kInServer).
  kOnThread,   // On a thread of the pool (Run::kOnThread).
};

// The call that is being evaluated on this thread. REQUIRES: there is one.
class CurrentCall {
 public:
  CurrentCall();

  ClientId client() const;
  // The calling thread's number in its process.
  std::uint32_t thread() const;
  // Null if the client may do everything.
  const Rights* rights() const;

  // Returns if the method is evaluated at that place. Otherwise leaves the method, which is called
  // again there. REQUIRES: nothing was changed, and the call has not waited.
  void ContinueAt(Place place);

  // Declares that this method will modify state before it waits (Condition::wait releases its lock
  // first). Record progress in memory(): the method is run from its start when it resumes.
  void WillWait();
  // Leaves the evaluation by an exception that only the server catches. `timeout` counts from the
  // first wait of this call.
  [[noreturn]] void Wait(WaitList& list, absl::Duration timeout = absl::InfiniteDuration());
  [[noreturn]] void Wait(WaitList& list, Deadline deadline);
  // Returns true if the method resumes because its time is over, not because it was woken.
  bool timed_out() const;
  // Returns true if the call has waited.
  bool waited() const;
  // The method's record for its next run; empty at first.
  std::any& memory();

  // Called if the result does not reach the client because that has died or given up.
  void IfNotReceived(std::function<void()> give_back);
  // Has this object's ClientGone called when the client disconnects.
  void LeavesSomething();
  // The same for another object, which this method uses.
  void LeavesSomething(const std::shared_ptr<Entry>& in);

 private:
  Call& call_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_CURRENT_CALL_H_
