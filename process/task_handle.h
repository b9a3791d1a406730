// SPDX-License-Identifier: MIT
//
// The common interface of Process, Thread and Job: result, end, and ways to end them.
//
//   remoteobj::Process sum(Add, 5, 6);
//   int eleven = sum.Get();                                // waits; throws what Add threw
//
// Threads:  thread-safe, but for moving and destroying.
// Lifetime: see the destructor, which does nothing in a process that did not start the function.
// Errors:   the exception of the function, as its own type; ProcessDied; DeadlineExceeded. Every
//           operation that waits for the end or the result throws std::logic_error in any process
//           but the one that started the function. The Try… functions return a status instead of
//           throwing; the codes are those of CurrentExceptionToStatus()
//           (remoteobj/except/remote_error.h).
#ifndef REMOTEOBJ_PROCESS_TASK_HANDLE_H_
#define REMOTEOBJ_PROCESS_TASK_HANDLE_H_

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/except/internal/try.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/process/internal/task.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {

// The result of a function, empty before it has returned: a std::optional that throws
// std::logic_error where that has undefined behaviour.
template <typename R>
class TaskResult {
 public:
  TaskResult() = default;
  explicit TaskResult(R value) : value_(std::move(value)) {}

  bool has_value() const { return value_.has_value(); }
  explicit operator bool() const { return has_value(); }
  // Throw std::logic_error if the function has not returned.
  const R& value() const& { return Checked(); }
  R value() && { return (Checked(), *std::move(value_)); }
  const R& operator*() const& { return Checked(); }
  R operator*() && { return std::move(*this).value(); }
  const R* operator->() const { return &Checked(); }

  template <typename U>
  R value_or(U&& other) const {
    return value_.value_or(std::forward<U>(other));
  }
  operator std::optional<R>() const& { return value_; }         // NOLINT: as a std::optional
  operator std::optional<R>() && { return std::move(value_); }  // NOLINT

  friend bool operator==(const TaskResult& a, const TaskResult& b) { return a.value_ == b.value_; }
  friend bool operator==(const TaskResult& a, const std::optional<R>& b) { return a.value_ == b; }
  friend bool operator==(const TaskResult& a, std::nullopt_t) { return !a.has_value(); }
  template <typename U>
  friend bool operator==(const TaskResult& a, const U& b) {
    return a.value_ == b;
  }

 private:
  const R& Checked() const {
    if (!value_) {
      throw std::logic_error(
          "result() is empty: the function has not returned (Get() waits for it)");
    }
    return *value_;
  }

  std::optional<R> value_;
};

// R is what the function returns; Generator<T> if it yields.
template <typename R>
class TaskHandle {
  static constexpr bool kYields = except_internal::kIsGenerator<R>;

 public:
  // One that is moved from has nothing: it may be destroyed or assigned to, and its pid is 0.
  TaskHandle(TaskHandle&& other) noexcept = default;
  // Waits for the one that it had, as the destructor does.
  TaskHandle& operator=(TaskHandle&& other) noexcept {
    if (this != &other) {
      Release();
      task_ = std::move(other.task_);
    }
    return *this;
  }
  // Joins, and never throws: an error that no caller has seen is logged. After `timeout` of the
  // options, or during the stack unwinding of an exception, it ends the function: RequestStop(),
  // Terminate(), Kill(), with `grace` between them.
  ~TaskHandle() { Release(); }

  const std::string& name() const { return task_->name(); }
  // Returns true while it runs. Does not wait.
  bool alive() const { return task_->alive(); }
  // Empty while it runs; then its exit code, or minus the signal that ended it.
  std::optional<int> exit_code() const { return task_->exit_code(); }

  // Waits for the end, for at most `timeout` of the options, or this one. Returns false if it still
  // runs. Throws what the function threw, or ProcessDied, each time it is called; unless the
  // options say `raises = false`.
  bool Join() { return Join(task_->options().timeout); }
  bool Join(absl::Duration timeout) { return task_->Join(timeout); }
  // The same; DeadlineExceeded if it still runs.
  absl::Status TryJoin() { return TryJoin(task_->options().timeout); }
  absl::Status TryJoin(absl::Duration timeout) {
    return except_internal::Try<void>([&] {
      if (!Join(timeout)) task_->ThrowNotEnded(timeout);
    });
  }

  // Waits for the end, as Join(), and returns what the function returned; each time it is called.
  // Throws, whatever `raises` says: what the function threw; ProcessDied; DeadlineExceeded if it
  // still runs; StopRequested if it was stopped; std::logic_error if its results are not sent back.
  // Not for functions that yield.
  R Get() { return Get(task_->options().timeout); }
  R Get(absl::Duration timeout) {
    static_assert(!kYields,
                  "remoteobj: a function that yields has no single value to Get(): loop over its "
                  "result()");
    const std::shared_ptr<const std::string> packed = task_->AwaitResult(timeout);
    if constexpr (!std::is_void_v<R>) return Unpack<R>(*packed);
  }
  // The same, with a status.
  auto TryGet() { return TryGet(task_->options().timeout); }
  auto TryGet(absl::Duration timeout) {
    return except_internal::Try<R>([&] { return Get(timeout); });
  }

  // Returns the result; empty before the function has returned, or if it threw. Does not wait.
  TaskResult<R> result() const
    requires(!std::is_void_v<R> && !kYields)
  {
    const auto packed = task_->Result();
    return packed == nullptr ? TaskResult<R>() : TaskResult<R>(Unpack<R>(*packed));
  }
  // Returns a Generator of the values that the function yields, while it runs; it ends by throwing
  // what the function threw, or ProcessDied. Each value is seen once, however often this is called.
  // A loop that is left early asks the function to stop.
  R result() const
    requires(kYields)
  {
    return Yields<typename R::value_type>(task_);
  }

  // The Except that the function records into. Its errors count as seen from then on: the
  // destructor does not log them.
  const Except& errors() const { return task_->errors(); }

  // Asks the function to end, at its next interruption point (remoteobj/process/interruption.h).
  void RequestStop() { task_->RequestStop(); }
  // Makes the function's next interruption point throw this: as its own type, with a RemoteError of
  // this process.
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
  explicit TaskHandle(std::shared_ptr<process_internal::Task> task) : task_(std::move(task)) {}
  process_internal::Task& task() const { return *task_; }
  bool empty() const { return task_ == nullptr; }

 private:
  template <typename T>
  static Generator<T> Yields(std::shared_ptr<process_internal::Task> task) {
    struct Ending {
      ~Ending() {
        if (task != nullptr) task->EndYields();
      }
      process_internal::Task* task;
    };
    Ending ending{task.get()};
    while (const auto packed = task->NextYield()) co_yield Unpack<T>(*packed);
    ending.task = nullptr;
  }

  void Release() noexcept {
    if (task_ != nullptr) {
      task_->JoinBeforeRelease(std::uncaught_exceptions() > exceptions_);
      task_.reset();
    }
  }

  std::shared_ptr<process_internal::Task> task_;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_TASK_HANDLE_H_
