// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/worker_pool.h"

#include <pthread.h>

#include <system_error>
#include <utility>

#include "remoteobj/process/crash_stack.h"

namespace remoteobj::manager_internal {

void WorkerPool::Stop() {
  std::vector<std::thread> threads;
  // Destroyed without the lock: it may contain users' objects.
  std::deque<std::function<void()>> last;
  {
    const absl::MutexLock lock(&mutex_);
    stop_ = true;
    last.swap(queue_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) {
    // The work may have released the last reference to the server.
    thread.get_id() == std::this_thread::get_id() ? thread.detach() : thread.join();
  }
}

void WorkerPool::BeginThread() {
  const absl::MutexLock lock(&mutex_);
  threads_.emplace_back([this] { Work(); });
}

bool WorkerPool::Queue(std::function<void()> work) {
  queue_.push_back(std::move(work));
  if (queue_.size() <= idle_ || threads_.size() >= max_threads_) return true;
  try {
    threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void WorkerPool::Run(std::function<void()> work) {
  std::function<void()> refused;  // Destroyed without the lock: it may contain users' objects.
  const absl::MutexLock lock(&mutex_);
  if (stop_ || Queue(std::move(work))) return;
  refused = std::move(queue_.back());
  queue_.pop_back();
  throw std::system_error(
      std::make_error_code(std::errc::resource_unavailable_try_again),
      "the manager can start no further thread (limits of processes, of memory?): the call was not "
      "evaluated");
}

void WorkerPool::RunSometime(std::function<void()> work) {
  const absl::MutexLock lock(&mutex_);
  if (!stop_) Queue(std::move(work));
}

std::size_t WorkerPool::threads() {
  const absl::MutexLock lock(&mutex_);
  return threads_.size();
}

void WorkerPool::Work() {
  pthread_setname_np(pthread_self(), "remoteobj-work");
  const CrashStack stack;
  const auto ready = [this]()
                         ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_ || !queue_.empty(); };
  for (;;) {
    std::function<void()> work;
    {
      const absl::MutexLock lock(&mutex_);
      ++idle_;
      mutex_.Await(absl::Condition(&ready));
      --idle_;
      if (stop_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace remoteobj::manager_internal
