// SPDX-License-Identifier: MIT
//
// Lets threads that wait for events of one loop run it in turn, so that the loop needs no thread of
// its own (the leader/followers pattern). One waiting thread, the leader, runs the loop for all.
// The others, the followers, sleep until their condition holds or the leader leaves; then one of
// them becomes the leader.
//
//   LeaderFollowers threads(loop);
//   threads.RunUntil([&] { Send(request); },              // runs in the loop
//                    [&] { return request.done; }, deadline);
//
//   threads.Update([&] { request.done = true; });         // in the loop, when the answer comes
//
// Work that is posted while a thread leads is run by that thread before it leaves. Work that is
// posted while none leads is run by the next leader: call Flush() if there may be none.
//
// Threads:  thread-safe. Conditions and updates run with one mutex held; they are short and do not
//           call this class.
// Forks:    belongs to the process that made it. In a forked child RunUntil() and Check() throw,
//           Post() must not be called, and the destructor leaks the queue, which a thread of the
//           parent may have been changing.
// Lifetime: no thread is inside when it is destroyed.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_LEADER_FOLLOWERS_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_LEADER_FOLLOWERS_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/cond_var.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj::transport_internal {

// The event loop that the threads share. Only the leader calls it, except for Wake().
class SharedLoop {
 public:
  // Calls `inside` with the loop entered on this thread. Throws if this thread can't enter it.
  virtual void Enter(absl::FunctionRef<void()> inside) = 0;
  // Runs the events that are ready. Returns false once the loop has ended and no event will come.
  virtual bool RunReady() = 0;
  // Sleeps until an event is ready, Wake() is called, or `timeout` has passed.
  virtual void Sleep(absl::Duration timeout) = 0;
  // Ends the leader's Sleep(), or else its next one. Called by any thread, with the mutex held.
  virtual void Wake() = 0;

 protected:
  ~SharedLoop() = default;
};

class LeaderFollowers {
 public:
  using Work = std::function<void()>;
  using Condition = absl::FunctionRef<bool()>;

  explicit LeaderFollowers(SharedLoop& loop) : loop_(loop) {}
  ~LeaderFollowers();
  LeaderFollowers(const LeaderFollowers&) = delete;
  LeaderFollowers& operator=(const LeaderFollowers&) = delete;

  // Has `work` run in the loop, in the order of these calls. Returns at once. Work that throws ends
  // the loop.
  void Post(Work work);

  // Returns when `done` returns true, the loop has ended, the deadline has passed, or this thread
  // is interrupted. Rethrows what Enter() and RunReady() throw on this thread; other threads go on.
  // Throws std::logic_error in a forked child.
  void RunUntil(Condition done, Deadline deadline);

  // Post() followed by RunUntil(). If no thread leads, this thread runs `work` directly.
  template <typename F>
  void RunUntil(F work, Condition done, Deadline deadline) {
    CheckProcess();
    std::unique_lock lock(mutex_);
    const absl::FunctionRef<void()> direct(work);
    if (!leading_) return RunUntilLocked(lock, &direct, done, deadline);
    PostLocked(std::move(work));
    RunUntilLocked(lock, nullptr, done, deadline);
  }

  // Runs posted work now unless another thread leads. Neither blocks nor throws; if this thread
  // can't enter the loop, the next leader runs the work.
  void Flush() noexcept;

  // Calls `change` with the mutex held and has the followers check their conditions again.
  void Update(absl::FunctionRef<void()> change);
  // Returns `condition()`, evaluated with the mutex held.
  bool Check(Condition condition);

  // True once the loop has ended.
  bool ended() const { return ended_.load(); }
  bool of_this_process() const { return process_ == Self(); }

 private:
  using Lock = std::unique_lock<std::mutex>;
  class Unlocked;

  // Work of the leader's own, which it runs once, after what was posted before; null if none.
  using Own = const absl::FunctionRef<void()>*;

  void CheckProcess() const;
  void PostLocked(Work work);
  void RunUntilLocked(Lock& lock, Own own, Condition done, Deadline deadline);
  void Lead(Lock& lock, Own own, Condition done, Deadline deadline);
  void RunReady(std::vector<Work> posted, Own own);

  SharedLoop& loop_;
  const Identity process_ = Self();
  std::atomic<bool> ended_{false};

  // Not absl::Mutex: its debug builds take a global lock, which a fork may leave locked for ever.
  // Guards what follows, and what conditions read.
  std::mutex mutex_;
  CondVar changed_;  // A condition may hold now, or the leader has left.
  bool leading_ = false;
  std::vector<Work> posted_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_LEADER_FOLLOWERS_H_
