// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/semaphore_object.h"

#include <limits>
#include <stdexcept>

namespace remoteobj::manager_internal {

void Holders::Add(ClientId client) {
  const std::uint64_t number = next_++;
  by_client_[client].insert(number);
  all_.emplace(number, client);
}

bool Holders::RemoveOf(ClientId client) {
  const auto own = by_client_.find(client);
  if (own == by_client_.end()) return false;
  all_.erase(*own->second.begin());
  own->second.erase(own->second.begin());
  if (own->second.empty()) by_client_.erase(own);
  return true;
}

bool Holders::RemoveOldest() { return !all_.empty() && RemoveOf(all_.begin()->second); }

std::size_t Holders::RemoveAllOf(ClientId client) {
  const auto own = by_client_.find(client);
  if (own == by_client_.end()) return 0;
  const std::size_t units = own->second.size();
  for (const std::uint64_t number : own->second) all_.erase(number);
  by_client_.erase(own);
  return units;
}

SemaphoreObject::SemaphoreObject(std::int64_t value, bool bounded)
    : first_value_(value), bounded_(bounded), value_(value) {
  if (value < 0) throw std::invalid_argument("the value of a semaphore can't be negative");
}

bool SemaphoreObject::acquire(WaitTime timeout) {
  CurrentCall call;
  if (value_ == 0) {
    if (call.timed_out() || timeout <= absl::ZeroDuration()) return false;
    call.Wait(waiters_, timeout);
  }
  --value_;
  if (value_ >= first_value_) {
    call.IfNotReceived([this] { PutBack(1); });
    return true;
  }
  const ClientId client = call.client();
  holders_.Add(client);
  call.LeavesSomething();
  // When this is called, the client may be gone, or others may have released its units.
  call.IfNotReceived([this, client] {
    if (holders_.RemoveOf(client)) PutBack(1);
  });
  return true;
}

void SemaphoreObject::release(std::int64_t units) {
  if (units < 1) throw std::invalid_argument("release of less than one unit");
  const std::int64_t most = bounded_ ? first_value_ : std::numeric_limits<std::int64_t>::max();
  if (units > most - value_) {
    throw std::invalid_argument("release of more units than there may be");
  }
  // The caller's own first, then the oldest.
  const ClientId client = CurrentCall().client();
  for (std::int64_t i = units; i > 0; --i) {
    if (!holders_.RemoveOf(client) && !holders_.RemoveOldest()) break;
  }
  PutBack(units);
}

void SemaphoreObject::PutBack(std::int64_t units) {
  value_ += units;
  for (; units > 0 && !waiters_.empty(); --units) waiters_.WakeOne();
}

void SemaphoreObject::ClientGone(ClientId client) {
  PutBack(static_cast<std::int64_t>(holders_.RemoveAllOf(client)));
}

}  // namespace remoteobj::manager_internal
