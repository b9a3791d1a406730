// SPDX-License-Identifier: MIT
//
// The codecs of std::chrono's durations, and of its system_clock's points in time.
//
// Threads:  no state.
// Errors:   as codec.h.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_CODEC_CHRONO_H_
#define REMOTEOBJ_TRANSPORT_WIRE_CODEC_CHRONO_H_

#include <chrono>

#include "remoteobj/transport/wire/codec_base.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

template <typename Rep, typename Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static void Encode(Duration value, ValueWriter out) {
    remoteobj::Encode<Rep>(value.count(), out);
  }
  static Duration Decode(const ValueReader& in) { return Duration(remoteobj::Decode<Rep>(in)); }
};

template <typename Duration>
struct Codec<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;
  static void Encode(Time value, ValueWriter out) {
    Codec<Duration>::Encode(value.time_since_epoch(), out);
  }
  static Time Decode(const ValueReader& in) { return Time(Codec<Duration>::Decode(in)); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_CODEC_CHRONO_H_
