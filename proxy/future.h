// SPDX-License-Identifier: MIT
//
// The future result of an asynchronous call, or of an operation of a batch
// (remoteobj/proxy/batch.h).
//
//   remoteobj::Future<int> future = remote->Inc.Async();
//   …                                                      // evaluated there, meanwhile
//   int x = future.Get();
//
// Threads:  thread-compatible. It may be got in another thread than the one that made it, and the
//           futures of one batch in several threads.
// Lifetime: destroying it abandons the result; the call may still be evaluated.
// Errors:   what the call itself would have thrown. std::logic_error for a second Get.
#ifndef REMOTEOBJ_PROXY_FUTURE_H_
#define REMOTEOBJ_PROXY_FUTURE_H_

#include <memory>
#include <stdexcept>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/internal/pending_results.h"
#include "remoteobj/proxy/internal/resolve.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj {

template <typename R>
class Future {
 public:
  // Made by the Async methods of views, and by batches. `result` is one of `pending`'s.
  Future(std::shared_ptr<proxy_internal::PendingResults> pending, proxy_internal::Result<R>* result)
      : pending_(std::move(pending)), result_(result) {}
  Future(Future&&) noexcept = default;
  Future& operator=(Future&&) noexcept = default;

  // Returns true if Get() would not wait.
  bool ready() const { return pending_ == nullptr || pending_->ready(); }

  // Waits for the outcome: the value, or the error, thrown as its own type. After DeadlineExceeded
  // it can be called again.
  R Get(absl::Duration timeout = absl::InfiniteDuration()) {
    if (pending_ == nullptr) throw std::logic_error("this call was finished already");
    pending_->Await(Deadline::After(timeout));
    const auto pending = std::exchange(pending_, nullptr);
    return result_->Take();
  }
  // The same, with a status. Never throws.
  auto TryGet(absl::Duration timeout = absl::InfiniteDuration()) {
    return proxy_internal::Try<R>([&] { return Get(timeout); });
  }

 private:
  std::shared_ptr<proxy_internal::PendingResults> pending_;  // Null when it was finished.
  proxy_internal::Result<R>* result_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_FUTURE_H_
