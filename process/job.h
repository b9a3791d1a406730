// SPDX-License-Identifier: MIT
//
// A function in a process or on a thread, chosen at run time.
//
//   auto job = remoteobj::Job({.threaded = absl::GetFlag(FLAGS_threads)}, Add, 5, 6);
//   int eleven = job.Get();
//
// Threads:  thread-safe, but for moving and destroying.
// Lifetime, Errors: as of a Process or a Thread.
#ifndef REMOTEOBJ_PROCESS_JOB_H_
#define REMOTEOBJ_PROCESS_JOB_H_

#include <utility>

#include "remoteobj/process/process.h"
#include "remoteobj/process/thread.h"

namespace remoteobj {

// Its other operations are those of a TaskHandle (remoteobj/process/task_handle.h).
template <typename R = void>
class Job : public TaskHandle<R> {
 public:
  template <typename F, typename... A>
    requires process_internal::Callable<F, A...>
  Job(JobOptions options, F&& function, A&&... arguments)
      : TaskHandle<R>(options.threaded
                          ? process_internal::StartThread(
                                process_internal::AsProcessOptions(std::move(options)),
                                std::forward<F>(function), std::forward<A>(arguments)...)
                          : process_internal::StartProcess(
                                process_internal::AsProcessOptions(std::move(options)),
                                std::forward<F>(function), std::forward<A>(arguments)...)) {}

  // The pid of this process for a thread.
  pid_t pid() const { return this->empty() ? 0 : this->task().pid(); }
  // The same as Process::Terminate() and Process::Kill(). They throw std::logic_error for a thread,
  // which can only be asked to end: RequestStop(), Throw().
  void Terminate() { this->task().Terminate(); }
  void Kill() { this->task().Kill(); }
};

template <typename F, typename... A>
  requires process_internal::Callable<F, A...>
Job(JobOptions, F&&, A&&...) -> Job<process_internal::ResultOf<F, A...>>;

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_JOB_H_
