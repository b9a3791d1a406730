// SPDX-License-Identifier: MIT
//
// The threads on which methods of users' types run.
//
// A thread is started when there is work and none is idle, up to a limit; then work is queued.
//
// Work may wait for other work of the pool, which can be queued behind it. A thread that does so is
// Blocked, and the pool may have a further one in its place. So, until the limit of blocked threads
// is reached, queued work always has `max_threads` threads that are not blocked, and one of these
// gets to it unless they all run code that never returns. At the limit a thread can't wait: Blocked
// throws. Hence no work waits for a thread that waits for this work.
//
// Threads:  thread-safe.
// Lifetime: Stop(), as the destructor, waits for running work, and drops queued work.
#ifndef REMOTEOBJ_MANAGER_SERVER_WORKER_POOL_H_
#define REMOTEOBJ_MANAGER_SERVER_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace remoteobj::manager_internal {

class WorkerPool {
 public:
  explicit WorkerPool(std::size_t max_threads) : max_threads_(max_threads) {}
  ~WorkerPool() { Stop(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Starts a thread now, so that Run() needs no further one. Throws std::system_error.
  void BeginThread();
  // Throws std::system_error if no thread is idle and none can be started; `work` does not run
  // then.
  void Run(std::function<void()> work);
  // For work that must run eventually: if no thread can be started, the next idle one runs it.
  void RunSometime(std::function<void()> work);
  void Stop();
  std::size_t threads();

  // While it lives, the calling thread waits for something that takes another thread. Does nothing
  // on a thread that is not the pool's. Throws std::system_error if too many threads wait, or if
  // all do, work is queued, and no further thread can be started.
  class Blocked {
   public:
    explicit Blocked(WorkerPool& pool);
    ~Blocked();
    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;

   private:
    WorkerPool* const pool_;  // Null on another thread.
  };

 private:
  // Each of these threads has a stack. The client's quota bounds its own threads.
  static constexpr std::size_t kMostBlocked = 1024;

  void Work();
  // Starts a thread if there is more work than idle threads, and it may have one. Returns false if
  // none can be started.
  bool StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Returns true if a thread that is idle may begin work.
  bool may_work() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return threads_.size() - idle_ - blocked_ < max_threads_;
  }

  const std::size_t max_threads_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t blocked_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_WORKER_POOL_H_
