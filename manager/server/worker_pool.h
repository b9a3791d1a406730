// SPDX-License-Identifier: MIT
//
// Threads that run what users' types do, so that nobody else waits for it.
//
// A thread is begun when there is work and none is idle, up to a limit; then work waits in line.
//
// Threads:  thread-safe.
// Lifetime: Stop(), as the destructor, waits for what runs, and drops what has not begun.
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

  // Begins a thread now, so that Run() finds one in any case. Throws std::system_error.
  void BeginThread();
  // Throws std::system_error if it takes a further thread and there can be none: then the work is
  // not done, neither now nor later.
  void Run(std::function<void()> work);
  // The same for what must be done at last, and can wait: where there can be no further thread, one
  // does it that is free, or is begun, later.
  void RunSometime(std::function<void()> work);
  void Stop();
  std::size_t threads();

 private:
  void Work();
  // Queues `work`, and begins a thread if that takes one. Returns false if there can be none.
  bool Queue(std::function<void()> work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_threads_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_WORKER_POOL_H_
