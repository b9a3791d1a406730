// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/waiting_calls.h"

#include <algorithm>
#include <list>

namespace remoteobj::manager_internal {

void WaitingCalls::Add(Call& call) {
  std::list<Call*>& calls = call.list_->calls_;
  auto at = calls.end();
  if (std::exchange(call.last_list_, call.list_) != call.list_) {
    call.number_ = ++last_number_;
  } else {
    // It was woken and waits again. It was the first, or nearly.
    at = std::ranges::find_if(calls,
                              [&](const Call* other) { return other->number_ > call.number_; });
  }
  call.in_list_ = calls.insert(at, &call);
  call.waited_ = true;
  if (call.until_ != Deadline::Never()) {
    timeouts_.emplace(call.until_, &call);
    NoteNextTimeout();
  }
}

void WaitingCalls::Remove(Call& call) {
  std::exchange(call.list_, nullptr)->calls_.erase(call.in_list_);
  if (call.until_ != Deadline::Never()) {
    timeouts_.erase({call.until_, &call});
    NoteNextTimeout();
  }
}

void WaitingCalls::Wake(Call& call) {
  Remove(call);
  woken_.push_back(&call);
}

Call* WaitingCalls::NextWoken() {
  if (woken_.empty()) return nullptr;
  Call* const call = woken_.front();
  woken_.pop_front();
  return call;
}

Call* WaitingCalls::NextTimedOut(Deadline now) {
  if (timeouts_.empty() || timeouts_.begin()->first > now) return nullptr;
  Call* const call = timeouts_.begin()->second;
  Remove(*call);
  return call;
}

void WaitingCalls::NoteNextTimeout() {
  next_timeout_.store(timeouts_.empty() ? Deadline::Never() : timeouts_.begin()->first);
}

}  // namespace remoteobj::manager_internal
