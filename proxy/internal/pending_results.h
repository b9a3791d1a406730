// SPDX-License-Identifier: MIT
//
// Calls in flight and their results, to which futures refer.
//
// All outcomes of a message are decoded as soon as it arrives: a reference to an object can be read
// only then, and the channel's memory becomes free for the next call.
#ifndef REMOTEOBJ_PROXY_INTERNAL_PENDING_RESULTS_H_
#define REMOTEOBJ_PROXY_INTERNAL_PENDING_RESULTS_H_

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/internal/receive.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/cond_var.h"
#include "remoteobj/transport/internal/identity.h"

namespace remoteobj::proxy_internal {

// The exception being handled, with what was called in front of its message: see RethrowNaming.
std::exception_ptr CurrentExceptionNaming(absl::FunctionRef<std::string()> print);

// The result of one call, once it is there: a value or an error.
class AnyResult {
 public:
  AnyResult() = default;
  virtual ~AnyResult() = default;
  AnyResult(const AnyResult&) = delete;
  AnyResult& operator=(const AnyResult&) = delete;

  // An outcome that can't be decoded is an error, in whose message `print` names the call.
  void Receive(const OutcomeReader& outcome, absl::FunctionRef<std::string()> print);

  void Fail(std::exception_ptr error) { error_ = std::move(error); }
  const std::exception_ptr& error() const { return error_; }

 private:
  virtual void Read(const OutcomeReader& outcome) = 0;

  std::exception_ptr error_;
};

template <typename R>
class Result final : public AnyResult {
 public:
  // REQUIRES: it is there, and was not taken before.
  R Take() {
    if (error() != nullptr) std::rethrow_exception(error());
    if constexpr (!std::is_void_v<R>) return *std::move(value_);
  }

 private:
  void Read(const OutcomeReader& outcome) override {
    if constexpr (std::is_void_v<R>) {
      ReadAs<R>(outcome);
    } else {
      value_.emplace(ReadAs<R>(outcome));
    }
  }

  std::conditional_t<std::is_void_v<R>, std::nullptr_t,
                     std::optional<std::conditional_t<std::is_void_v<R>, int, R>>>
      value_{};
};

// One message that is under way. Thread-safe, once it has begun; it belongs to the process that has
// begun it.
class PendingResults {
 public:
  virtual ~PendingResults() = default;
  PendingResults(const PendingResults&) = delete;
  PendingResults& operator=(const PendingResults&) = delete;

  bool ready();
  // Returns when the results are there. Throws DeadlineExceeded, what this thread was interrupted
  // with, and std::logic_error if it has not begun, or in another process.
  void Await(Deadline deadline) {
    if (!done_.load(std::memory_order_acquire)) AwaitCall(deadline);
  }

 protected:
  PendingResults() = default;

  // Sends it. The session outlives it.
  void Begin(std::shared_ptr<Session> session, const CallSpec& call);
  void BeginWithNothing() { done_.store(true, std::memory_order_release); }

  // Neither throws. REQUIRES of Fail: an exception is being handled.
  virtual void Receive(const OutcomeReader& outcome) = 0;
  virtual void Fail() = 0;
  // The call, as a view prints it.
  virtual std::string PrintCall() const = 0;
  // The same for errors, with the type of the object.
  std::string Print() const;

 private:
  class UsingCall;

  void AwaitCall(Deadline deadline);
  void CheckProcess() const;

  std::shared_ptr<Session> session_;
  std::unique_ptr<PendingCall> call_;  // Null before it begins. Used by one thread at a time.
  absl::Mutex mutex_;
  transport_internal::CondVar call_freed_;
  bool call_in_use_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> done_ = false;
  transport_internal::Identity process_ = 0;  // The process that has begun it.
};

// One call.
template <typename R>
class PendingResult final : public PendingResults {
 public:
  // `view` is what is called.
  PendingResult(std::shared_ptr<Session> session, const CallSpec& call, View view)
      : view_(std::move(view)) {
    Begin(std::move(session), call);
  }

  Result<R>& result() { return result_; }

 private:
  void Receive(const OutcomeReader& outcome) override {
    result_.Receive(outcome, [this] { return Print(); });
  }
  void Fail() override {
    result_.Fail(CurrentExceptionNaming([this] { return Print(); }));
  }
  std::string PrintCall() const override { return view_.ToString(); }

  const View view_;
  Result<R> result_;
};

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_PENDING_RESULTS_H_
