// SPDX-License-Identifier: MIT
//
// One run of a function in a context of an Except.
//
// Threads:  belongs to the thread that it runs on.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_CONTEXT_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_CONTEXT_H_

#include <exception>
#include <functional>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "remoteobj/except/internal/error_store.h"
#include "remoteobj/except/traceback.h"

namespace remoteobj::except_internal {

// Returns true if the exception being handled is of one of the types. Null: any type.
using Matches = bool (*)();

template <typename E>
bool CurrentIsA() {
  try {
    throw;
  } catch (const E&) {
    return true;
  } catch (...) {
    return false;
  }
}

// The options of a context, with all defaults applied.
struct Settings {
  bool raises = true;
  bool catch_once = true;
  bool log = false;
  bool log_traceback = false;
  Matches matches = nullptr;
};

class Context {
 public:
  [[gnu::always_inline]] Context(ErrorStore& store, std::string_view group,
                                 const Settings& settings)
      : store_(store), group_(group), settings_(settings) {
    Enter();
  }
  ~Context() { Leave(); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Records the exception being handled, if the settings say so. Returns true if it is swallowed;
  // otherwise the caller rethrows it.
  bool Swallows();

 private:
  void Enter();
  void Leave();
  void Record(const std::exception_ptr& current);

  const TracebackScope traceback_scope_;  // Opened in the frame of the context's function.
  ErrorStore& store_;
  const std::string_view group_;
  const Settings& settings_;
  std::exception_ptr thrown_on_;  // The exception that leaves the context, if any.
};

// Returns true if a context of this thread has recorded it recently.
bool WasRecorded(const std::exception_ptr& exception);

void WriteToGlog(const RemoteError& error, bool with_traceback);

// The result type of a context whose function returns R.
template <typename R>
using Outcome = std::conditional_t<std::is_void_v<R>, void, std::optional<std::remove_cvref_t<R>>>;

template <typename F>
Outcome<std::invoke_result_t<F>> Run(ErrorStore& store, std::string_view group,
                                     const Settings& settings, F&& f) {
  using Result = Outcome<std::invoke_result_t<F>>;
  Context context(store, group, settings);
  try {
    return static_cast<Result>(std::invoke(std::forward<F>(f)));
  } catch (...) {
    if (!context.Swallows()) throw;
  }
  return Result();
}

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_CONTEXT_H_
