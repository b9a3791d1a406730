// SPDX-License-Identifier: MIT
//
// A function on a thread of its own, with the interface of a Process.
//
//   remoteobj::Thread sum(Add, 5, 6);
//   int eleven = sum.Get();                // waits; throws what Add threw
//
// Results, yields and exceptions are encoded as those of a process are, so that one can replace the
// other (job.h). Arguments are copied, and need no Codec.
//
// Threads:  thread-safe, but for moving and destroying.
// Lifetime: the destructor waits for the thread, which can be asked to stop, but not be killed.
// Errors:   as of a Process, without ProcessDied: a thread that crashes takes the program with it.
#ifndef REMOTEOBJ_PROCESS_THREAD_H_
#define REMOTEOBJ_PROCESS_THREAD_H_

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "remoteobj/process/internal/body.h"
#include "remoteobj/process/internal/naming.h"
#include "remoteobj/process/internal/thread_task.h"
#include "remoteobj/process/interruption.h"
#include "remoteobj/process/options.h"
#include "remoteobj/process/task_handle.h"

namespace remoteobj {

namespace process_internal {

template <typename F, typename... A>
std::shared_ptr<Task> StartThread(ProcessOptions options, F&& function, A&&... arguments) {
  std::string name = NameOf<std::decay_t<F>>(options, function, "thread");
  // Shared, since a std::function must be copyable, and arguments need not be.
  auto call = std::make_shared<std::tuple<std::decay_t<F>, std::decay_t<A>...>>(
      std::forward<F>(function), std::forward<A>(arguments)...);
  return ThreadTask::Begin(std::move(options), std::move(name),
                           [call](Body& body) { CallIn(body, *call); });
}

}  // namespace process_internal

// Its operations are those of a TaskHandle (remoteobj/process/task_handle.h).
template <typename R = void>
class Thread : public TaskHandle<R> {
 public:
  // Calls `function` with copies of `arguments` on a new thread; with a std::stop_token before
  // them, if it takes one.
  template <typename F, typename... A>
    requires process_internal::Callable<F, A...>
  explicit Thread(F&& function, A&&... arguments)
      : Thread(ThreadOptions{}, std::forward<F>(function), std::forward<A>(arguments)...) {}

  template <typename F, typename... A>
    requires process_internal::Callable<F, A...>
  Thread(ThreadOptions options, F&& function, A&&... arguments)
      : TaskHandle<R>(process_internal::StartThread(
            process_internal::AsProcessOptions(std::move(options)), std::forward<F>(function),
            std::forward<A>(arguments)...)) {}
};

template <typename F, typename... A>
  requires process_internal::Callable<F, A...>
Thread(F&&, A&&...) -> Thread<process_internal::ResultOf<F, A...>>;
template <typename F, typename... A>
  requires process_internal::Callable<F, A...>
Thread(ThreadOptions, F&&, A&&...) -> Thread<process_internal::ResultOf<F, A...>>;

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_THREAD_H_
