// SPDX-License-Identifier: MIT
//
// A serial executor: runs functions on the threads of a pool, one after the other, in the order in
// which they were added. Each object of a user's type has one.
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

class Strand {
 public:
  Strand(absl::Mutex& mutex, WorkerPool& pool) : mutex_(mutex), pool_(pool) {}
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Throws std::system_error if there is no thread for it and none can be started; `work` does not
  // run then.
  void Run(std::shared_ptr<void> owner, std::function<void()> work);
  // Runs `work` later if there is no thread for it.
  void RunSometime(std::shared_ptr<void> owner, std::function<void()> work);
  // The functions that have not ended.
  std::size_t size() const { return line_.size(); }

 private:
  // Returns true if no other function is under way.
  bool Push(std::function<void()> work);
  void RunAll();

  absl::Mutex& mutex_;
  WorkerPool& pool_;
  std::deque<std::function<void()>> line_;  // The first one is under way.
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_STRAND_H_
