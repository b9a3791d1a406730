// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/internal/pending_results.h"

#include <algorithm>
#include <exception>
#include <stdexcept>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj::proxy_internal {

std::exception_ptr CurrentExceptionNaming(absl::FunctionRef<std::string()> print) {
  try {
    try {
      throw;
    } catch (const CallError&) {
      RethrowNaming(print);
    }
  } catch (...) {
    return std::current_exception();
  }
}

void AnyResult::Receive(const OutcomeReader& outcome, absl::FunctionRef<std::string()> print) {
  try {
    Read(outcome);
  } catch (...) {
    Fail(CurrentExceptionNaming(print));
  }
}

void PendingResults::Begin(std::shared_ptr<Session> session, const CallSpec& call) {
  call_ = session->Start(call);
  session_ = std::move(session);
  process_ = transport_internal::Self();
}

std::string PendingResults::Print() const {
  return session_ == nullptr ? PrintCall() : session_->Named(PrintCall());
}

// A fork copies the lock as it is.
void PendingResults::CheckProcess() const {
  const auto print = [this] { return Print(); };
  if (call_ == nullptr) throw std::logic_error(PrintedOrUnknown(print) + " was not sent");
  if (process_ != transport_internal::Self()) {
    throw std::logic_error(PrintedOrUnknown(print) +
                           " was sent by another process, which has its outcome");
  }
}

// The right to use the call. Another thread that has it waits for the outcome.
class PendingResults::UsingCall {
 public:
  explicit UsingCall(PendingResults& results) : results_(results) {
    const absl::MutexLock lock(&results_.mutex_);
    TryTake();
  }
  UsingCall(const UsingCall&) = delete;
  UsingCall& operator=(const UsingCall&) = delete;
  ~UsingCall() {
    if (!taken_) return;
    const absl::MutexLock lock(&results_.mutex_);
    results_.call_in_use_ = false;
    results_.call_freed_.NotifyAll();
  }

  bool taken() const { return taken_; }

  // Returns false at the deadline, and at any time before it.
  bool AwaitFor(Deadline deadline) {
    const absl::MutexLock lock(&results_.mutex_);
    if (results_.call_in_use_) results_.call_freed_.Wait(results_.mutex_, deadline);
    TryTake();
    return taken_;
  }

 private:
  void TryTake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(results_.mutex_) {
    taken_ = !results_.call_in_use_;
    results_.call_in_use_ = true;
  }

  PendingResults& results_;
  bool taken_ = false;
};

bool PendingResults::ready() {
  if (done_.load(std::memory_order_acquire)) return true;
  if (call_ == nullptr || process_ != transport_internal::Self()) return false;
  // While another thread waits for the outcome, it is not there.
  const UsingCall use(*this);
  return done_.load(std::memory_order_acquire) || (use.taken() && call_->ready());
}

void PendingResults::AwaitCall(Deadline deadline) {
  CheckProcess();
  const Deadline begin = Deadline::Now();
  const auto waited = [&] { return -begin.left(); };
  UsingCall use(*this);
  while (!use.taken() && !use.AwaitFor(deadline)) {
    InterruptionPoint();
    if (deadline.expired()) {
      throw DeadlineExceeded::After(waited(), PrintedOrUnknown([this] { return Print(); }) +
                                                  ": the outcome did not come in time");
    }
  }
  if (done_.load(std::memory_order_relaxed)) return;
  try {
    call_->Finish([this](const OutcomeReader& outcome) { Receive(outcome); }, deadline);
  } catch (const CallError& e) {
    if (RemoteErrorOf(e) != nullptr)
      throw;  // Not the call's own: another process sent it to this thread.
    // Another wait may succeed, unless it is the call's own deadline that has passed.
    if (e.kind() == CallError::Kind::kDeadlineExceeded && deadline.expired()) {
      RethrowNaming([this] { return Print(); }, waited());
    }
    Fail();
  }
  done_.store(true, std::memory_order_release);
}

}  // namespace remoteobj::proxy_internal
