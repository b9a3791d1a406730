// SPDX-License-Identifier: MIT
//
// The owner's side of a function in a process or on a thread: waits for it, reads its log, tells it
// to stop. Independent of the function's type.
//
// Threads:  thread-safe. One thread at a time waits for yields, with the lock held.
// Lifetime: shared by the handle and the generators of its yields.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_TASK_H_
#define REMOTEOBJ_PROCESS_INTERNAL_TASK_H_

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "remoteobj/process/internal/control.h"
#include "remoteobj/process/options.h"
#include "remoteobj/process/process_died.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::process_internal {

// Returns a name for a task whose options have none: that of the function, or `fallback`, and a
// number that counts the tasks of this name.
std::string NameFor(const void* function, const char* fallback);

class Task {
 public:
  Task(ProcessOptions options, std::string name);
  virtual ~Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  const std::string& name() const { return name_; }
  const ProcessOptions& options() const { return options_; }
  SharedLog& log() { return log_; }
  const SharedLog& log() const { return log_; }
  // The Except of the options, or null.
  const Except* shared_errors() const { return options_.errors ? &*options_.errors : nullptr; }

  // Returns the result, packed; null before the function has returned.
  std::shared_ptr<const std::string> Result();
  // Waits for the next yielded value, and returns it packed; empty at the end. Throws what the
  // function threw, or ProcessDied.
  std::optional<std::string> NextYield();
  // Called when a reader of yields stops early: asks the function to stop.
  void EndYields();

  bool Join(absl::Duration timeout);
  // Joins, and returns the result, packed. Throws what the function threw, ProcessDied,
  // DeadlineExceeded, StopRequested, or std::logic_error if results are not sent.
  std::shared_ptr<const std::string> AwaitResult(absl::Duration timeout);
  // Throws DeadlineExceeded.
  [[noreturn]] void ThrowNotEnded(absl::Duration timeout) const;
  const Except& errors();
  // From now on max_backlog does not block yields.
  void StopWaitingForReaders();
  void RequestStop();
  void Throw(const ErrorInfo& error);

  // Called by the destructor of a handle; `unwinding` is true during the unwinding of an exception.
  void JoinBeforeRelease(bool unwinding) noexcept;
  // The pid of the process; that of this process for a thread.
  virtual pid_t pid() const = 0;
  virtual bool alive() const = 0;
  virtual std::optional<int> exit_code() = 0;
  virtual void Terminate() = 0;
  virtual void Kill() = 0;
  // Waits for the end. Returns false if it still runs after `timeout`.
  virtual bool WaitForEnd(absl::Duration timeout) const = 0;
  // Asks the function to stop; after `grace` terminates a process, or keeps waiting for a thread.
  virtual void End(absl::Duration grace) = 0;

 protected:
  Control& control() { return ControlOf(log_); }
  // The user has seen how it ended, or has requested that: the destructor does not log it.
  void SetTaken() { taken_.store(true, std::memory_order_relaxed); }
  void Interrupt();
  // Throws what a function's process said at its end: its error, or ProcessDied. REQUIRES: it has
  // ended.
  void ThrowIfFailed();

 private:
  virtual bool mine() const = 0;   // True if this process started it.
  virtual int end_fd() const = 0;  // Readable after the end; -1 if there is no such descriptor.
  virtual void Ended() {}          // Called after the end; maybe several times.
  virtual ProcessDied Died(ProcessDied::Traces traces) = 0;

  void CheckMine(const char* what) const;
  void BeforeJoining();
  bool WaitToJoin(absl::Duration timeout);
  void Absorb(const SharedLog::Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AbsorbAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Throws if the function failed, and `raises`.
  void CheckEnd(bool raises) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ProcessOptions options_;
  const std::string name_;
  SharedLog log_{{.can_wait = true, .max_record = options_.limits.results}};
  // Relaxed: they guard no other data.
  std::atomic<bool> taken_{false};
  std::atomic<bool> closed_{false};

  absl::Mutex mutex_;
  SharedLog::Reader reader_ ABSL_GUARDED_BY(mutex_){log_, /*consume=*/true};
  std::deque<std::string> yields_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // Returned, thrown or stopped.
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const std::string> result_ ABSL_GUARDED_BY(mutex_);
  std::optional<ErrorInfo> thrown_ ABSL_GUARDED_BY(mutex_);
  ProcessDied::Traces traces_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex tell_mutex_;  // Serializes Throw().
  absl::Mutex errors_mutex_;
  std::optional<Except> errors_ ABSL_GUARDED_BY(errors_mutex_);
  bool error_recorded_ ABSL_GUARDED_BY(errors_mutex_) = false;
};

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_TASK_H_
