// SPDX-License-Identifier: MIT
//
// The time-outs of operations that wait in the manager: parameters of acquire(), get(), wait(), ...
//
//   lock->acquire();                                     // without limit
//   lock->acquire(absl::Seconds(1));                     // converts from an absl::Duration
//   lock->acquire(absl::ZeroDuration());                 // tries once
//
// The manager measures the time, from the arrival of the call. Waiting costs it no thread.
//
// Threads:  values.
// Errors:   a call that the manager has not answered in time throws DeadlineExceeded: see below.
// Not here: a limit of any call, by the client's clock: lock->acquire.Timeout(limit)(), or
//           lock.Timeout(limit) for all calls by that proxy.
#ifndef REMOTEOBJ_MANAGER_WAIT_TIME_H_
#define REMOTEOBJ_MANAGER_WAIT_TIME_H_

#include <algorithm>
#include <concepts>

#include "absl/time/time.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// How long a call may wait in the manager; without limit by default. If the manager has not
// answered two seconds later, the call throws DeadlineExceeded: a failed network would otherwise be
// noticed only after a minute.
class WaitTime {
 public:
  // Without limit.
  WaitTime() = default;
  WaitTime(absl::Duration duration) : duration_(duration) {}  // NOLINT: converts.
  operator absl::Duration() const { return duration_; }       // NOLINT: converts.

  // For the client (proxy/methods.h): how long the whole call may take, and whether it may take
  // longer while the manager answers pings.
  absl::Duration CallLimit() const {
    return std::max(duration_, absl::ZeroDuration()) + absl::Seconds(2);
  }
  static constexpr bool kWhileListening = false;

 private:
  absl::Duration duration_ = absl::InfiniteDuration();
};

// The same for a call that may have to wait again after that time: a condition's for its lock, a
// barrier's for the action of the round before. Two seconds after the time the client begins to
// ping the manager, every two seconds; the call throws DeadlineExceeded if a ping is not answered.
class WaitTimeThenOthers : public WaitTime {
 public:
  using WaitTime::WaitTime;

  static constexpr bool kWhileListening = true;
};

template <std::derived_from<WaitTime> T>
struct Codec<T> {
  static void Encode(const T& time, ValueWriter out) { Codec<absl::Duration>::Encode(time, out); }
  static T Decode(const ValueReader& in) { return T(Codec<absl::Duration>::Decode(in)); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_WAIT_TIME_H_
