// SPDX-License-Identifier: MIT
//
// The owner's side of a function in a process: starts it, waits for it, signals and reaps it.
//
// Threads:  thread-safe.
// Lifetime: shared; the destructor reaps the process if that has ended.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_PROCESS_TASK_H_
#define REMOTEOBJ_PROCESS_INTERNAL_PROCESS_TASK_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "remoteobj/process/internal/body.h"
#include "remoteobj/process/internal/lifeline.h"
#include "remoteobj/process/internal/output.h"
#include "remoteobj/process/internal/task.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj::process_internal {

class ProcessTask final : public Task, public std::enable_shared_from_this<ProcessTask> {
 public:
  // Forks this process; the child runs `call` and ends.
  static std::shared_ptr<ProcessTask> Fork(ProcessOptions options, std::string name,
                                           absl::FunctionRef<void(Body&)> call);
  // Executes this program again, with a Dispatch; by the fork server, if the options say so.
  static std::shared_ptr<ProcessTask> Spawn(ProcessOptions options, std::string name,
                                            const void* function, std::string arguments,
                                            const std::vector<int>& descriptors);
  ~ProcessTask() override;

  pid_t pid() const override { return pid_; }
  bool alive() const override { return !WaitForEnd(absl::ZeroDuration()); }
  std::optional<int> exit_code() override;
  void Terminate() override;
  // Sends SIGTERM, and SIGKILL after `grace`. Returns when the process has ended.
  void Terminate(absl::Duration grace);
  void Kill() override;
  void End(absl::Duration grace) override;
  bool WaitForEnd(absl::Duration timeout) const override;

  const OutputOf& output() const { return output_; }

 private:
  ProcessTask(ProcessOptions options, std::string name);

  bool mine() const override { return parent_ == transport_internal::Self(); }
  int end_fd() const override { return fd_.IsOurs() ? fd_.get() : -1; }
  bool HasEnded() const;
  void Ended() override { Reap(); }
  ProcessDied Died(ProcessDied::Traces traces) override;
  ProcessEnd Reap() ABSL_LOCKS_EXCLUDED(reap_mutex_);
  void Started(pid_t pid, int fd);
  void AwaitConfined();
  void Signal(int signal);

  const transport_internal::Identity parent_ = transport_internal::Self();
  OutputOf output_;
  std::optional<Lifeline> lifeline_;  // For a daemon, until it is reaped.
  pid_t pid_ = 0;
  // A pidfd: readable once the process has ended, and safe against reuse of the pid. Empty before
  // Linux 5.3 and in some sandboxes: then HasEnded() is polled.
  transport_internal::OwnDescriptor fd_;
  // For processes that are not its parent, if there is no pidfd.
  transport_internal::Identity identity_ = 0;
  transport_internal::Identity server_ = 0;  // The fork server, if that is its parent and reaps it.
  // Relaxed: they publish nothing.
  std::atomic<bool> reaped_{false};
  std::atomic<bool> killed_{false};  // By this process.
  absl::Mutex reap_mutex_;
  std::optional<ProcessEnd> end_ ABSL_GUARDED_BY(reap_mutex_);
  absl::Duration cpu_time_ ABSL_GUARDED_BY(reap_mutex_) = absl::ZeroDuration();
};

// The main function of a new process, however it was started. `owner` has the ProcessTask;
// `lifeline` is that of a daemon, or -1.
[[noreturn]] void RunAsProcess(SharedLog& log, const ProcessOptions& options,
                               const std::string& name, int lifeline,
                               transport_internal::Identity owner, const Except* errors,
                               absl::FunctionRef<void(Body&)> call);

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_PROCESS_TASK_H_
