// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/internal/pending_results.h"

#include <stdexcept>

#include "remoteobj/transport/errors.h"

namespace remoteobj::proxy_internal {

std::exception_ptr CurrentExceptionNaming(absl::FunctionRef<std::string()> print) {
  try {
    try {
      throw;
    } catch (const std::runtime_error&) {
      RethrowNaming(print);
    }
  } catch (...) {
    return std::current_exception();
  }
}

void PendingResults::Begin(std::shared_ptr<Session> session, const CallSpec& call) {
  call_ = session->Start(call);
  session_ = std::move(session);
}

bool PendingResults::ready() {
  if (done_.load(std::memory_order_acquire)) return true;
  // Somebody waits for it: it is not there.
  const std::unique_lock lock(using_call_, std::try_to_lock);
  if (!lock.owns_lock()) return done_.load(std::memory_order_acquire);
  return call_ != nullptr && call_->ready();
}

void PendingResults::AwaitCall(absl::Time deadline) {
  std::unique_lock lock(using_call_, std::defer_lock);
  if (deadline == absl::InfiniteFuture()) {
    lock.lock();
  } else if (!lock.try_lock_until(absl::ToChronoTime(deadline))) {
    throw DeadlineExceeded(Print() + ": the outcome did not come in time");
  }
  if (done_.load(std::memory_order_relaxed)) return;
  if (call_ == nullptr) throw std::logic_error(Print() + " was not sent");
  try {
    call_->Finish([this](const OutcomeReader& outcome) { Receive(outcome); }, deadline);
  } catch (const DeadlineExceeded&) {
    RethrowNaming([this] { return Print(); });  // It can still come.
  } catch (...) {
    Fail();
  }
  done_.store(true, std::memory_order_release);
}

}  // namespace remoteobj::proxy_internal
