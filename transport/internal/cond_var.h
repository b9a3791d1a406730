// SPDX-License-Identifier: MIT
//
// A condition variable for absl::Mutex and std::mutex whose waits end by the monotonic clock.
// absl::CondVar and the timed waits of absl::Mutex end by the wall clock: one hour late where that
// is set back by one.
//
//   const absl::MutexLock lock(&mutex);                 const absl::MutexLock lock(&mutex);
//   while (!ready) {                                    ready = true;
//     if (deadline.expired()) return false;             changed.NotifyAll();
//     changed.Wait(mutex, deadline);
//     InterruptionPoint();
//   }
//
// Threads:  thread-safe; every function is called with the mutex held, one mutex for all of them.
// Lifetime: no thread waits when it is destroyed.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_COND_VAR_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_COND_VAR_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/futex.h"

namespace remoteobj::transport_internal {

class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  // Unlocks `mutex`, sleeps until it is notified, and locks `mutex` again. Returns early at the
  // deadline, when the thread is interrupted, and spuriously.
  void Wait(absl::Mutex& mutex, Deadline deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const std::uint32_t seen = BeginWait();
    mutex.Unlock();
    FutexWait(notifications_, seen, deadline.left());
    mutex.Lock();
    --waiters_;
  }
  void Wait(std::unique_lock<std::mutex>& lock, Deadline deadline) {
    const std::uint32_t seen = BeginWait();
    lock.unlock();
    FutexWait(notifications_, seen, deadline.left());
    lock.lock();
    --waiters_;
  }

  // REQUIRES: the mutex is held.
  void NotifyAll() {
    if (waiters_ == 0) return;
    notifications_.fetch_add(1, std::memory_order_relaxed);
    FutexWakeAll(notifications_);
  }

 private:
  // Read with the mutex held: a notification after the unlock makes the futex return at once.
  std::uint32_t BeginWait() {
    ++waiters_;
    return notifications_.load(std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t> notifications_{0};
  int waiters_ = 0;  // Guarded by the mutex. A forked child may find threads in it that it lacks.
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_COND_VAR_H_
