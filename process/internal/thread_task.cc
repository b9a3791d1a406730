// SPDX-License-Identifier: MIT
#include "remoteobj/process/internal/thread_task.h"

#include <sys/prctl.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/process/crash_stack.h"
#include "remoteobj/process/internal/confine.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/log_line.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::process_internal {

ThreadTask::ThreadTask(ProcessOptions options, std::string name)
    : Task(std::move(options), std::move(name)) {}

std::shared_ptr<ThreadTask> ThreadTask::Begin(ProcessOptions options, std::string name,
                                              std::function<void(Body&)> call) {
  if (IsConfined(options)) {
    throw std::invalid_argument(absl::StrCat(
        "remoteobj: thread ", name,
        " can't have limits or a sandbox (ProcessOptions::limits, sandbox): only a process can"));
  }
  std::shared_ptr<ThreadTask> task(new ThreadTask(std::move(options), std::move(name)));
  // Not shared with the thread: the destructor waits for it.
  task->thread_ = std::thread([&task = *task, call = std::move(call)]() mutable {
    prctl(PR_SET_NAME, task.name().c_str());
    const CrashStack stack;
    // Also runs if the function calls pthread_exit().
    const absl::Cleanup notify = [&task] {
      task.ended_.store(1, std::memory_order_release);
      transport_internal::FutexWakeAll(task.ended_);
    };
    {
      Body body(task.log(), task.shared_errors(), task.options().max_backlog, task.process_);
      task.good_ = body.Run(call);
      call = nullptr;
    }
  });
  return task;
}

ThreadTask::~ThreadTask() {
  if (!thread_.joinable()) return;
  if (mine()) {
    thread_.join();
  } else {
    // A fork has the object, but not the thread. Its std::thread can only be leaked.
    new std::thread(std::move(thread_));
  }
}

std::optional<int> ThreadTask::exit_code() {
  if (alive()) return std::nullopt;
  return good_ ? EXIT_SUCCESS : EXIT_FAILURE;
}

void ThreadTask::Terminate() {
  throw std::logic_error(absl::StrCat(
      "thread ", name(), " can't be killed: ask it to end, with RequestStop() or Throw()"));
}

void ThreadTask::Kill() { Terminate(); }

void ThreadTask::End(absl::Duration grace) {
  RequestStop();
  if (WaitForEnd(grace)) return;
  transport_internal::LogLine(
      transport_internal::LogSeverity::kWarning,
      absl::StrCat("thread ", name(), " was asked to stop ", absl::FormatDuration(grace),
                   " ago, and has reached no interruption point since; still waiting"));
  WaitForEnd(absl::InfiniteDuration());
}

bool ThreadTask::WaitForEnd(absl::Duration timeout) const {
  const Deadline deadline = Deadline::After(timeout);
  const transport_internal::Uninterrupted uninterrupted;  // So is the wait for a process.
  while (alive() && !deadline.expired()) {
    transport_internal::FutexWait(ended_, 0, deadline.left());
  }
  return !alive();
}

// The function failed to record its end, for lack of memory.
ProcessDied ThreadTask::Died(ProcessDied::Traces traces) {
  return ProcessDied(name(), {.pid = pid()}, std::move(traces));
}

}  // namespace remoteobj::process_internal
