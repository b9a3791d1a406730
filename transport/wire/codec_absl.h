// SPDX-License-Identifier: MIT
//
// The codecs of absl::Duration, Time, Status and StatusOr.
//
// Threads:  no state.
// Errors:   as codec.h.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_CODEC_ABSL_H_
#define REMOTEOBJ_TRANSPORT_WIRE_CODEC_ABSL_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/transport/wire/codec_base.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// Whole seconds and quarters of a nanosecond, as absl has them; infinite ones as infinite floats.
template <>
struct Codec<absl::Duration> {
  static void Encode(absl::Duration value, ValueWriter out);
  static absl::Duration Decode(const ValueReader& in);
};

// The duration since the Unix epoch.
template <>
struct Codec<absl::Time> {
  static void Encode(absl::Time value, ValueWriter out) {
    Codec<absl::Duration>::Encode(value - absl::UnixEpoch(), out);
  }
  static absl::Time Decode(const ValueReader& in) {
    return absl::UnixEpoch() + Codec<absl::Duration>::Decode(in);
  }
};

// The code, the message, and the payloads if there are any.
template <>
struct Codec<absl::Status> {
  static void Encode(const absl::Status& value, ValueWriter out);
  static absl::Status Decode(const ValueReader& in);
};

// A list: the status, and the value if it is OK.
template <typename T>
struct Codec<absl::StatusOr<T>> {
  static void Encode(const absl::StatusOr<T>& value, ValueWriter out) {
    ListWriter list = out.List(value.ok() ? 2 : 1);
    Codec<absl::Status>::Encode(value.status(), list[0]);
    if (value.ok()) remoteobj::Encode<T>(*value, list[1]);
  }
  static absl::StatusOr<T> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    constexpr std::string_view kExpected = "a list: a status, and the value if it is OK";
    if (list.size() == 0) in.Fail(kExpected);
    absl::Status status = Codec<absl::Status>::Decode(list[0]);
    if (list.size() != (status.ok() ? 2 : 1)) in.Fail(kExpected);
    if (!status.ok()) return status;
    return remoteobj::Decode<T>(list[1]);
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_CODEC_ABSL_H_
