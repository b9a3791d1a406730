// SPDX-License-Identifier: MIT
//
// The owner's side of a function on a thread.
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_THREAD_TASK_H_
#define REMOTEOBJ_PROCESS_INTERNAL_THREAD_TASK_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "remoteobj/process/internal/body.h"
#include "remoteobj/process/internal/task.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj::process_internal {

class ThreadTask final : public Task {
 public:
  static std::shared_ptr<ThreadTask> Begin(ProcessOptions options, std::string name,
                                           std::function<void(Body&)> call);
  ~ThreadTask() override;

  pid_t pid() const override { return transport_internal::PidOf(process_); }
  bool alive() const override { return ended_.load(std::memory_order_acquire) == 0; }
  std::optional<int> exit_code() override;
  // Throw std::logic_error: a thread can only be asked to stop.
  void Terminate() override;
  void Kill() override;
  void End(absl::Duration grace) override;
  bool WaitForEnd(absl::Duration timeout) const override;

 private:
  ThreadTask(ProcessOptions options, std::string name);

  bool mine() const override { return process_ == transport_internal::Self(); }
  int end_fd() const override { return -1; }
  ProcessDied Died(ProcessDied::Traces traces) override;

  const transport_internal::Identity process_ = transport_internal::Self();
  bool good_ = false;  // The function did not throw. Written before ended_.
  mutable std::atomic<std::uint32_t> ended_{0};  // A futex; 1 after the end.
  std::thread thread_;
};

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_THREAD_TASK_H_
