// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/queue_object.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

#include "remoteobj/manager/errors.h"

namespace remoteobj::manager_internal {
namespace {

void CheckTimeout(absl::Duration timeout) {
  if (timeout < absl::ZeroDuration()) {
    throw std::invalid_argument("the timeout of a queue can't be negative");
  }
}

bool TimeIsOver(const CurrentCall& call, absl::Duration timeout) {
  return call.timed_out() || timeout == absl::ZeroDuration();
}

}  // namespace

// A call that makes room wakes a waiting put(), and a put() wakes a waiting get(); the woken call
// goes on before any other call is evaluated. So an item and a get() never wait at the same time,
// nor do room and a put().

void QueueObject::put(const AnyValue& item, WaitTime timeout) {
  CheckTimeout(timeout);
  CurrentCall call;
  if (!MayPut()) {
    if (TimeIsOver(call, timeout)) throw QueueFull("the queue is full");
    call.Wait(putters_, timeout);
  }
  Put(item);
}

bool QueueObject::try_put(const AnyValue& item) {
  if (!MayPut()) return false;
  Put(item);
  return true;
}

bool QueueObject::MayPut() const {
  if (shut_down_) throw QueueShutDown("the queue is shut down: nothing is put any more");
  return !full();
}

void QueueObject::Put(const AnyValue& item) {
  items_.emplace(++last_put_, std::make_shared<const AnyValue>(item));
  getters_.WakeOne();
}

QueueItem QueueObject::get(WaitTime timeout) {
  CheckTimeout(timeout);
  CurrentCall call;
  if (!MayGet()) {
    if (TimeIsOver(call, timeout)) throw QueueEmpty("the queue is empty");
    call.Wait(getters_, timeout);
  }
  return TakeFirst(call);
}

Maybe<QueueItem> QueueObject::try_get() {
  if (!MayGet()) return std::nullopt;
  CurrentCall call;
  return TakeFirst(call);
}

bool QueueObject::MayGet() const {
  if (shut_down_ && items_.empty()) throw QueueShutDown("the queue is shut down, and empty");
  return !items_.empty();
}

QueueItem QueueObject::TakeFirst(CurrentCall& call) {
  Items::node_type item = items_.extract(items_.begin());
  MaybeWakePutter();
  const QueueItem result{item.mapped()};
  if (kind_ == Kind::kQueue) {
    call.IfNotReceived([this, put = item.key(), value = item.mapped()] {
      Items one;
      one.emplace(put, value);
      PutBack(one.extract(put));
    });
    return result;
  }
  const std::uint64_t number = ++last_got_;
  got_.emplace(number, Got{call.client(), call.thread(), std::move(item)});
  call.LeavesSomething();
  // When this is called, the client may be gone.
  call.IfNotReceived([this, number] {
    if (auto got = got_.extract(number)) PutBack(std::move(got.mapped().item));
  });
  return result;
}

// The queue may have more than maxsize items for a while.
void QueueObject::PutBack(Items::node_type item) {
  if (closed_at_once_) return MaybeWakeJoiners();
  items_.insert(std::move(item));
  getters_.WakeOne();
}

void QueueObject::MaybeWakePutter() {
  if (!full()) putters_.WakeOne();
}

void QueueObject::MaybeWakeJoiners() {
  if (items_.empty() && got_.empty()) joiners_.WakeAll();
}

void QueueObject::shutdown(bool immediate) {
  shut_down_ = true;
  if (immediate) {
    closed_at_once_ = true;
    items_.clear();
    MaybeWakeJoiners();
  }
  getters_.WakeAll();
  putters_.WakeAll();
}

void QueueObject::task_done() {
  const CurrentCall call;
  const ClientId client = call.client();
  const std::uint32_t thread = call.thread();
  const auto find = [&](auto is) { return std::find_if(got_.begin(), got_.end(), is); };
  auto at = find(
      [&](const auto& got) { return got.second.client == client && got.second.thread == thread; });
  if (at == got_.end()) at = find([&](const auto& got) { return got.second.client == client; });
  if (at == got_.end()) at = got_.begin();
  if (at == got_.end())
    throw std::invalid_argument("task_done() was called more often than items were got");
  got_.erase(at);
  MaybeWakeJoiners();
}

bool QueueObject::join(WaitTime timeout) {
  CurrentCall call;
  if (items_.empty() && got_.empty()) return true;
  if (call.timed_out() || timeout <= absl::ZeroDuration()) return false;
  call.Wait(joiners_, timeout);
}

void QueueObject::ClientGone(ClientId client) {
  for (auto at = got_.begin(); at != got_.end();) {
    const auto next = std::next(at);
    if (at->second.client == client) PutBack(std::move(got_.extract(at).mapped().item));
    at = next;
  }
}

void QueueObject::Scan(ReferenceScan& scan) const {
  auto at = items_.upper_bound(scan.last_number);
  scan.Look(at, items_.end(), [&](const auto& item) {
    // One that an outcome has as well is not the queue's alone.
    if (item.second.use_count() == 1) scan.Add(*item.second);
  });
  if (!scan.done) scan.last_number = std::prev(at)->first;
  scan.may_store = true;  // An item may return.
}

}  // namespace remoteobj::manager_internal
