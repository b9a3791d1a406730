// SPDX-License-Identifier: MIT
//
// How a C++ type travels: Codec<T> writes it into a Value and reads it back.
//
//   template <>
//   struct remoteobj::Codec<Vec3> {
//     static void Encode(const Vec3& v, ValueWriter out) {
//       remoteobj::Encode(std::array{v.x, v.y, v.z}, out);
//     }
//     static Vec3 Decode(const ValueReader& in) {
//       auto [x, y, z] = remoteobj::Decode<std::array<double, 3>>(in);
//       return {x, y, z};
//     }
//   };
//
// There already: bool, integers, enums, float, double, strings; optional, variant, pair, tuple,
// unique_ptr; every container with the interface of a standard sequence, set or map (so
// absl::flat_hash_map, too); absl::Time, Duration, Status, StatusOr; std::chrono durations and
// system_clock time points. A described class travels as its described data members (see
// remoteobj/proxy/describe.h).
//
// Numbers in a vector or array travel contiguously, everything else element by element. A vector or
// array of numbers can be read from a list of numbers that fit, too.
//
// Threads:  no state.
// Errors:   Decode throws BadValue, which names what was expected, what came, and where. Numbers
//           that do not fit are refused, never wrapped or rounded.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_CODEC_H_
#define REMOTEOBJ_TRANSPORT_WIRE_CODEC_H_

// IWYU pragma: begin_exports
#include "remoteobj/transport/wire/codec_absl.h"
#include "remoteobj/transport/wire/codec_base.h"
#include "remoteobj/transport/wire/codec_chrono.h"
#include "remoteobj/transport/wire/codec_containers.h"
// IWYU pragma: end_exports

#endif  // REMOTEOBJ_TRANSPORT_WIRE_CODEC_H_
