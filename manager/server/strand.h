// SPDX-License-Identifier: MIT
//
// A serial executor: runs functions on the threads of a pool, one after the other, in the order in
// which they were added. One that a thread waits for can run on that thread. Each object of a
// user's type has one.
//
// Threads:  guarded by the mutex that the constructor is given. Functions run without it.
// Lifetime: `owner` keeps the strand until the function has run.
#ifndef REMOTEOBJ_MANAGER_SERVER_STRAND_H_
#define REMOTEOBJ_MANAGER_SERVER_STRAND_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/server/worker_pool.h"

namespace remoteobj::manager_internal {

// One client's part of the threads. Guarded by the mutex of the strands.
struct ThreadShare {
  const std::size_t limit;
  std::size_t running = 0;
  // Functions that wait for one of its threads. Functions of other clients do not wait behind them.
  std::deque<std::function<void()>> waiting = {};
};

class Strand {
 public:
  Strand(absl::Mutex& mutex, WorkerPool& pool) : mutex_(mutex), pool_(pool) {}
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Throws std::system_error if there is no thread for it and none can be started; `work` does not
  // run then. `turn` is called when `work` comes next; if it returns true, the thread that waits
  // for that must call RunHere().
  void Run(std::shared_ptr<void> owner, std::function<void()> work,
           std::shared_ptr<ThreadShare> share = nullptr, std::function<bool()> turn = nullptr);
  // Runs the function whose turn it is on the calling thread. The mutex is not held.
  void RunHere(const std::shared_ptr<void>& owner);
  // Runs `work` later if there is no thread for it.
  void RunSometime(std::shared_ptr<void> owner, std::function<void()> work);
  // The functions that have not ended.
  std::size_t size() const { return line_.size(); }

 private:
  struct Function {
    std::function<void()> work;
    std::shared_ptr<ThreadShare> share;
    std::function<bool()> turn = nullptr;
    bool admitted = false;  // It may run, and counts among those that run of its share.
  };

  // Returns true if no other function is under way, and this one may run.
  bool Push(const std::shared_ptr<void>& owner, Function function);
  // Removes functions whose share has its threads, up to the first one that may run. Returns false
  // if there is none.
  bool Next(const std::shared_ptr<void>& owner);
  static void Release(const std::shared_ptr<ThreadShare>& share);
  void RunAll(const std::shared_ptr<void>& owner);
  // Returns true if a waiting thread runs the first function.
  bool GivesTurn();
  // Has a waiting thread or one of the pool run the first function.
  void GoOn(const std::shared_ptr<void>& owner);
  // Runs the first function. Returns true if another one may run.
  bool RunFirst(const std::shared_ptr<void>& owner);
  // Removes the first function, which has run. Returns true if another one may run.
  bool PopFirst(const std::shared_ptr<void>& owner);

  absl::Mutex& mutex_;
  WorkerPool& pool_;
  std::deque<Function> line_;  // The first one is under way. Admitted ones come first.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_STRAND_H_
