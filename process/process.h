// SPDX-License-Identifier: MIT
//
// A function in a process of its own, whose result, yields and errors come back.
//
//   int Add(int x, int y) { return x + y; }
//   remoteobj::Process sum(Add, 5, 6);                     // starts; its name is "Add-1"
//   int eleven = sum.Get();                                // waits; throws what Add threw
//
//   remoteobj::Generator<int> Range(int n) { for (int i = 0; i < n; ++i) co_yield i; }
//   remoteobj::Process range({.name = "range"}, Range, 4);
//   for (int i : range.result()) std::cout << i;           // as they come
//
// By default the process is a fork of this one: it has a copy of all memory, whose changes are its
// own. It ends with its function, by _exit(): without destructors of static variables and atexit
// handlers, but its output is flushed.
//
// A result or a yielded value is of any type with a Codec. An exception that leaves the function
// arrives here as its own type with a RemoteError; the exit code is 1 then. If the process ends by
// a signal, std::terminate or _exit, that is a ProcessDied, which says where it crashed. The values
// that it yielded and the errors that it recorded before are preserved: they lie in shared memory,
// and are written without waiting for a reader.
//
// Threads:  thread-safe, but for moving and destroying. A fork has a copy only of the thread that
//           started it, which may end before the process does.
// Signals:  a fork has the handlers of this program, except for SIGTERM, which ends it, and blocks
//           no signal. A spawned process starts with no handler and no signal blocked, and ignores
//           the signals that this program ignored when it was started.
// Lifetime: the destructor waits for the process, see TaskHandle. In a process that did not start
//           it, such as a fork, it does nothing.
// Errors:   std::system_error if no process can be created, or no memory to share with it.
// Not here: functions on threads (thread.h), stopping from inside (interruption.h), processes that
//           are no forks (spawn.h).
#ifndef REMOTEOBJ_PROCESS_PROCESS_H_
#define REMOTEOBJ_PROCESS_PROCESS_H_

#include <concepts>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "remoteobj/except/internal/try.h"
#include "remoteobj/process/internal/body.h"
#include "remoteobj/process/internal/naming.h"
#include "remoteobj/process/internal/process_task.h"
#include "remoteobj/process/internal/spawned.h"
#include "remoteobj/process/interruption.h"
#include "remoteobj/process/options.h"
#include "remoteobj/process/process_died.h"
#include "remoteobj/process/spawn.h"
#include "remoteobj/process/task_handle.h"
#include "remoteobj/transport/wire/packed.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

namespace process_internal {

template <typename F, typename... A>
std::shared_ptr<Task> StartProcess(ProcessOptions options, F&& function, A&&... arguments) {
  using Function = std::decay_t<F>;
  std::string name = NameOf<Function>(options, function, "process");
  if (options.start == Start::kFork) {
    std::tuple<Function, std::decay_t<A>...> call(std::forward<F>(function),
                                                  std::forward<A>(arguments)...);
    return ProcessTask::Fork(std::move(options), std::move(name),
                             [&](Body& body) { CallIn(body, call); });
  }
  if constexpr (Spawnable<Function>) {
    ProcessAttachments attachments;
    std::string packed = Pack(ParametersOf<Function>(std::forward<A>(arguments)...), attachments);
    return ProcessTask::Spawn(std::move(options), std::move(name), AddressOf<Function>(function),
                              std::move(packed), attachments.descriptors());
  } else {
    throw std::invalid_argument(
        "remoteobj: process " + name +
        " can't be spawned: that takes a function, not a lambda or an object, and "
        "parameters that have a Codec");
  }
}

}  // namespace process_internal

// Join(), Get(), result(), errors(), RequestStop(), Throw() and the other operations that a Thread
// has, too, are those of a TaskHandle (remoteobj/process/task_handle.h).
template <typename R = void>
class Process : public TaskHandle<R> {
 public:
  // Calls `function` with copies of `arguments`, as std::thread does, in a new process; with a
  // std::stop_token before them, if it takes one. Flushes stdout and stderr first, so that buffered
  // output does not appear twice.
  template <typename F, typename... A>
    requires process_internal::Callable<F, A...>
  explicit Process(F&& function, A&&... arguments)
      : Process(ProcessOptions{}, std::forward<F>(function), std::forward<A>(arguments)...) {}

  template <typename F, typename... A>
    requires process_internal::Callable<F, A...>
  Process(ProcessOptions options, F&& function, A&&... arguments)
      : TaskHandle<R>(process_internal::StartProcess(std::move(options), std::forward<F>(function),
                                                     std::forward<A>(arguments)...)) {}

  pid_t pid() const { return this->empty() ? 0 : this->task().pid(); }

  // Send SIGTERM, SIGKILL; nothing if the process has ended. The destructor does not log its end
  // then. Throw std::system_error if the signal can't be sent.
  void Terminate() { this->task().Terminate(); }
  void Kill() { this->task().Kill(); }
  // Sends SIGTERM, and SIGKILL if it still runs after `grace`. Returns when it has ended.
  void Terminate(absl::Duration grace) { process_task().Terminate(grace); }
  // The same, with a status.
  absl::Status TryTerminate() {
    return except_internal::Try<void>([&] { Terminate(); });
  }
  absl::Status TryTerminate(absl::Duration grace) {
    return except_internal::Try<void>([&] { Terminate(grace); });
  }
  absl::Status TryKill() {
    return except_internal::Try<void>([&] { Kill(); });
  }

  // The output so far, with Output::kCapture.
  std::string output() const { return process_task().output().Out(); }
  std::string error_output() const { return process_task().output().Err(); }

 private:
  process_internal::ProcessTask& process_task() const {
    return static_cast<process_internal::ProcessTask&>(this->task());
  }
};

template <typename F, typename... A>
  requires process_internal::Callable<F, A...>
Process(F&&, A&&...) -> Process<process_internal::ResultOf<F, A...>>;
template <typename F, typename... A>
  requires process_internal::Callable<F, A...>
Process(ProcessOptions, F&&, A&&...) -> Process<process_internal::ResultOf<F, A...>>;

// Calls `use` with a Process, Thread or Job, then joins that, and throws what it threw. If `use`
// throws, it is asked to stop. Returns what `use` returns.
//
//   remoteobj::With(remoteobj::Process(Count, 4), [&](auto& process) { … });
template <typename P, std::invocable<P&> F>
std::invoke_result_t<F, P&> With(P running, F&& use) {
  if constexpr (std::is_void_v<std::invoke_result_t<F, P&>>) {
    std::forward<F>(use)(running);
    running.Join();
  } else {
    std::invoke_result_t<F, P&> result = std::forward<F>(use)(running);
    running.Join();
    return result;
  }
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_PROCESS_H_
