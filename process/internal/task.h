// SPDX-License-Identifier: MIT
//
// The owner's side of a function that runs elsewhere: waits for it, reads what it says, tells it to
// stop. What Process and Thread have in common, and nothing that depends on the function's type.
//
// Threads:  thread-safe. Only one thread at a time waits for yields; the others wait for it.
// Lifetime: shared by the handle and what is made from it, such as a stream of yields.
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

// A name for a function that was given none: its own, or `fallback`, and a number that counts those
// with this name.
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
  // What the other side records into, or null.
  const Except* shared_errors() const { return options_.errors ? &*options_.errors : nullptr; }

  // What it has returned, packed; null until then.
  std::shared_ptr<const std::string> Result();
  // The next value that it has yielded, packed; waits for it. Empty at the end. Throws what it
  // threw, or ProcessDied.
  std::optional<std::string> NextYield();
  // Nobody wants further yields: it is told to stop if it is still at it.
  void EndYields();

  bool Join(absl::Duration timeout);
  // Joins, and returns the result, packed. Throws what the function threw, ProcessDied,
  // DeadlineExceeded, StopRequested, or std::logic_error if results are not sent.
  std::shared_ptr<const std::string> AwaitResult(absl::Duration timeout);
  // Throws DeadlineExceeded.
  [[noreturn]] void ThrowNotEnded(absl::Duration timeout) const;
  const Except& errors();
  // From now on what it yields waits for no reader.
  void StopWaitingForReaders();
  void RequestStop();
  void Throw(const ErrorInfo& error);

  // What the destructor of a handle does. `unwinding`: an exception is on its way through it.
  void JoinBeforeRelease(bool unwinding) noexcept;
  // Of the process; the calling one's for a thread.
  virtual pid_t pid() const = 0;
  virtual bool alive() const = 0;
  virtual std::optional<int> exit_code() = 0;
  virtual void Terminate() = 0;
  virtual void Kill() = 0;
  // Waits at most so long; whether it has ended.
  virtual bool WaitForEnd(absl::Duration timeout) const = 0;
  // Ends it, politely first. Only for processes.
  virtual void End(absl::Duration grace) = 0;

 protected:
  Control& control() { return ControlOf(log_); }
  // How it ended is known to the user, or is what was asked for.
  void SetTaken() { taken_.store(true, std::memory_order_relaxed); }
  void Interrupt();

 private:
  virtual bool mine() const = 0;   // Started by this process.
  virtual int end_fd() const = 0;  // Readable when it has ended; -1 if it says so itself.
  virtual void Ended() {}          // Called when it has; maybe several times.
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
  SharedLog log_{{.can_wait = true}};
  // Relaxed: they publish nothing.
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

  absl::Mutex tell_mutex_;  // For those who interrupt.
  absl::Mutex errors_mutex_;
  std::optional<Except> errors_ ABSL_GUARDED_BY(errors_mutex_);
  bool error_recorded_ ABSL_GUARDED_BY(errors_mutex_) = false;
};

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_TASK_H_
