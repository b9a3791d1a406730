// SPDX-License-Identifier: MIT
//
// The threads on which methods of users' types run.
//
// A thread is started when there is work and none is idle, up to a limit; then work is queued.
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

 private:
  void Work();
  // Queues `work`, and starts a thread if none is idle. Returns false if none can be started.
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
