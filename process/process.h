// SPDX-License-Identifier: MIT
//
// A function in a process of its own.
//
//   remoteobj::Process worker([&] { … });                  // starts: a fork of this program
//   remoteobj::Process camera({.name = "camera"}, Capture, device);
//   worker.Join();                                         // throws ProcessDied if it failed
//
// The process has a copy of all this one's memory, as it was at the start: what it changes there,
// nobody else sees. It ends when its function returns, by _exit(): no destructors of statics, no
// atexit handlers, but what it has printed is flushed. An exception that leaves the function is
// printed on stderr, and ends the process with 1.
//
// Threads:  thread-safe, but for moving and destroying. Of the threads of this program only the one
//           that starts a process exists in it. A daemon ends with the thread that started it (the
//           kernel's meaning of "parent"), so start it in one that lasts.
// Lifetime: the destructor waits for the process, and never throws: an error that nobody took is
//           logged. In a process that did not start it, such as a fork, it does nothing.
// Errors:   ProcessDied; std::system_error if there can be no further process.
// Not here: what the function returns, yields or throws as values; asking it to stop; programs that
//           are not forks of this one.
#ifndef REMOTEOBJ_PROCESS_PROCESS_H_
#define REMOTEOBJ_PROCESS_PROCESS_H_

#include <sys/types.h>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace remoteobj {

struct ProcessOptions {
  // Also its main thread's name, of which the kernel keeps 15 bytes. Empty: "process-1", counting.
  std::string name = {};
  // It is killed when its parent ends, by whatever cause.
  bool daemon = true;
};

// A process did not end as it should: by an exit code other than 0, or by a signal.
class ProcessDied : public std::runtime_error {
 public:
  // Neither code nor signal is known if something else in this program has waited for the process.
  struct End {
    pid_t pid = 0;
    std::optional<int> exit_code = {};
    std::optional<int> signal = {};
  };
  ProcessDied(const std::string& name, End end);

  pid_t pid() const { return end_.pid; }
  std::optional<int> exit_code() const { return end_.exit_code; }
  std::optional<int> signal() const { return end_.signal; }
  const std::string& name() const { return *name_; }

 private:
  End end_;
  std::shared_ptr<const std::string> name_;  // Shared, so that copying an exception can't fail.
};

class Process {
 public:
  // Calls `function` with copies of `arguments`, as std::thread does, in a new process. What is
  // buffered for stdout and stderr is written first, so that it does not appear twice.
  template <typename F, typename... A>
    requires std::invocable<std::decay_t<F>, std::decay_t<A>...>
  explicit Process(F&& function, A&&... arguments)
      : Process(ProcessOptions{}, std::forward<F>(function), std::forward<A>(arguments)...) {}

  template <typename F, typename... A>
    requires std::invocable<std::decay_t<F>, std::decay_t<A>...>
  Process(ProcessOptions options, F&& function, A&&... arguments) {
    std::tuple<std::decay_t<F>, std::decay_t<A>...> call(std::forward<F>(function),
                                                         std::forward<A>(arguments)...);
    Start(std::move(options),
          [&] { std::apply([](auto&... part) { std::invoke(std::move(part)...); }, call); });
  }

  ~Process();
  // One that is moved from has no process: its pid is 0, and nothing else may be asked of it.
  Process(Process&& other) noexcept;
  // Waits for the one that it had, as the destructor does.
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const;
  const std::string& name() const;
  bool alive() const;
  // Empty while it runs; then its exit code, or minus the signal that ended it.
  std::optional<int> exit_code() const;

  // Waits for its end. Throws ProcessDied if that was not by exit code 0, each time it is called.
  // Throws std::logic_error in any process but the one that started it.
  void Join();
  // The same, for at most `timeout`. Returns false if it runs on.
  bool Join(absl::Duration timeout);

  // Send SIGTERM, SIGKILL; nothing if it has ended. What they end nobody needs to be told of: the
  // destructor does not log it.
  void Terminate();
  void Kill();

 private:
  struct State;

  void Start(ProcessOptions options, absl::FunctionRef<void()> body);
  void JoinBeforeForgetting() noexcept;

  std::shared_ptr<State> state_;  // Not shared; a unique_ptr would need a complete State here.
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_PROCESS_H_
