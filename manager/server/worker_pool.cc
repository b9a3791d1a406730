// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/worker_pool.h"

#include <pthread.h>

#include <system_error>
#include <utility>

#include "remoteobj/process/crash_stack.h"

namespace remoteobj::manager_internal {
namespace {

constinit thread_local WorkerPool* this_pool = nullptr;  // The pool whose thread this is.

std::system_error NoThread(const char* why) {
  return {std::make_error_code(std::errc::resource_unavailable_try_again), why};
}

}  // namespace

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

bool WorkerPool::StartThread() {
  if (queue_.size() <= idle_ || threads_.size() >= max_threads_ + blocked_) return true;
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
  if (stop_) return;
  queue_.push_back(std::move(work));
  if (StartThread()) return;
  refused = std::move(queue_.back());
  queue_.pop_back();
  throw NoThread(
      "the manager can start no further thread (limits of processes, of memory?): the call was not "
      "evaluated");
}

void WorkerPool::RunSometime(std::function<void()> work) {
  const absl::MutexLock lock(&mutex_);
  if (stop_) return;
  queue_.push_back(std::move(work));
  StartThread();
}

std::size_t WorkerPool::threads() {
  const absl::MutexLock lock(&mutex_);
  return threads_.size();
}

void WorkerPool::Work() {
  pthread_setname_np(pthread_self(), "remoteobj-work");
  this_pool = this;
  const CrashStack stack;
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stop_ || (!queue_.empty() && may_work());
  };
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

WorkerPool::Blocked::Blocked(WorkerPool& pool) : pool_(this_pool == &pool ? &pool : nullptr) {
  if (pool_ == nullptr) return;
  const absl::MutexLock lock(&pool.mutex_);
  if (pool.blocked_ == kMostBlocked) {
    throw NoThread(
        "too many threads of the manager wait for calls that its objects make to one another");
  }
  ++pool.blocked_;
  if (pool.stop_ || pool.StartThread() || pool.threads_.size() > pool.blocked_) return;
  --pool.blocked_;
  throw NoThread(
      "the manager can start no further thread (limits of processes, of memory?), and all that it "
      "has wait");
}

WorkerPool::Blocked::~Blocked() {
  if (pool_ == nullptr) return;
  const absl::MutexLock lock(&pool_->mutex_);
  --pool_->blocked_;
}

}  // namespace remoteobj::manager_internal
