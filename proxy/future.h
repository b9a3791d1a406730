// SPDX-License-Identifier: MIT
//
// What an asynchronous call will come to.
//
//   remoteobj::Future<int> future = remote->Inc.Async();
//   …                                                      // evaluated there, meanwhile
//   int x = future.Get();
//
// Threads:  thread-compatible; it may be finished in another thread than the one that began it.
// Lifetime: destroying it gives the outcome up; the call may still be evaluated.
// Errors:   what the call itself would have thrown. std::logic_error for a second Get.
#ifndef REMOTEOBJ_PROXY_FUTURE_H_
#define REMOTEOBJ_PROXY_FUTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/transport/channel.h"

namespace remoteobj {

template <typename R>
class Future {
 public:
  // Made by the Async methods of views. `receive` turns a way of reading an outcome into an R.
  using Receive = std::function<R(absl::FunctionRef<void(ReadOutcome)>)>;
  Future(std::shared_ptr<proxy_internal::Session> session, std::unique_ptr<PendingCall> call,
         Receive receive, std::string view)
      : session_(std::move(session)),
        call_(std::move(call)),
        receive_(std::move(receive)),
        view_(std::move(view)) {}

  // Whether Get would return at once.
  bool ready() { return call_->ready(); }

  // Waits for the outcome: the value, or the error, thrown as its own type. After DeadlineExceeded
  // it can be called again.
  R Get(absl::Duration timeout = absl::InfiniteDuration()) {
    const absl::Time deadline =
        timeout == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + timeout;
    return receive_([&](ReadOutcome read) {
      try {
        call_->Finish(read, deadline);
      } catch (const std::runtime_error&) {
        proxy_internal::RethrowNaming([&] { return view_; });
      }
    });
  }

 private:
  std::shared_ptr<proxy_internal::Session> session_;  // Outlives the call.
  std::unique_ptr<PendingCall> call_;
  Receive receive_;
  std::string view_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_FUTURE_H_
