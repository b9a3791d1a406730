// SPDX-License-Identifier: MIT
//
// What a Process, a Thread and a Job of the same function have in common.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_HANDLE_H_
#define REMOTEOBJ_PROCESS_INTERNAL_HANDLE_H_

#include <sys/types.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/process/internal/task.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::process_internal {

// The values that it yields, as they come. To end early tells it to stop.
template <typename T>
Generator<T> YieldsOf(std::shared_ptr<Task> task) {
  struct Ending {
    ~Ending() {
      if (task != nullptr) task->EndYields();
    }
    Task* task;
  };
  Ending ending{task.get()};
  while (const auto packed = task->NextYield()) co_yield Unpack<T>(*packed);
  ending.task = nullptr;
}

// R is what the function returns; Generator<T> if it yields.
template <typename R>
class Handle {
 public:
  // One that is moved from has nothing: it may be destroyed or assigned to, and its pid is 0.
  Handle(Handle&& other) noexcept = default;
  // Waits for the one that it had, as the destructor does.
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      Forget();
      task_ = std::move(other.task_);
    }
    return *this;
  }
  // Joins, and never throws: an error that nobody took is logged. After `timeout`, or while an
  // exception is passing by, it ends what it waits for: RequestStop(), Terminate(), Kill(), with
  // `grace` between them.
  ~Handle() { Forget(); }

  const std::string& name() const { return task_->name(); }
  bool alive() const { return task_->alive(); }
  // Empty while it runs; then its exit code, or minus the signal that ended it.
  std::optional<int> exit_code() const { return task_->exit_code(); }

  // Waits for its end, for at most `timeout` of the options, or this one. Returns false if it runs
  // on. Throws what the function threw, as its own type; or ProcessDied. Each time it is called.
  // Throws std::logic_error in any process but the one that started it, as result() does.
  bool Join() { return Join(task_->options().timeout); }
  bool Join(absl::Duration timeout) { return task_->Join(timeout); }

  // What the function has returned; empty until then, or if it did not return. Does not wait.
  std::optional<R> result() const
    requires(!std::is_void_v<R> && !except_internal::kIsGenerator<R>)
  {
    const auto packed = task_->Result();
    if (packed == nullptr) return std::nullopt;
    return Unpack<R>(*packed);
  }
  // What it yields, while it runs: a Generator, which ends by throwing what the function threw, or
  // ProcessDied. Each value is seen once, however often this is called. A loop that is left early
  // tells the function to stop.
  R result() const
    requires(except_internal::kIsGenerator<R>)
  {
    return YieldsOf<typename R::value_type>(task_);
  }

  // The Except that it records into. Who has asked for it has taken the error.
  const Except& errors() const { return task_->errors(); }

  // Asks it to end, at its next interruption point (remoteobj/process/interruption.h).
  void RequestStop() { task_->RequestStop(); }
  // Makes its next interruption point throw this: as its own type, as if it came from here.
  template <typename E>
  void Throw(const E& error) {
    Throw(std::make_exception_ptr(error));
  }
  void Throw(const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (...) {
      task_->Throw(CaptureCurrentException());
    }
  }

 protected:
  explicit Handle(std::shared_ptr<Task> task) : task_(std::move(task)) {}
  Task& task() const { return *task_; }
  bool empty() const { return task_ == nullptr; }

 private:
  void Forget() noexcept {
    if (task_ != nullptr) {
      task_->JoinBeforeForgetting(std::uncaught_exceptions() > exceptions_);
      task_.reset();
    }
  }

  std::shared_ptr<Task> task_;
  int exceptions_ = std::uncaught_exceptions();
};

// For the name of a function that was given none.
template <typename F>
const void* AddressOf(const F& function) {
  if constexpr (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>) {
    return reinterpret_cast<const void*>(function);
  } else {
    return nullptr;
  }
}

template <typename F>
std::string NameOf(const RunOptions& options, const F& function, const char* fallback) {
  return options.name.empty() ? NameFor(AddressOf(function), fallback) : options.name;
}

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_HANDLE_H_
