// SPDX-License-Identifier: MIT
//
// For tests of codecs: a value that has travelled is the same.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_ROUND_TRIP_TESTING_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_ROUND_TRIP_TESTING_H_

#include "gtest/gtest.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::transport_internal {

template <typename T>
void ExpectRoundTrip(const T& value) {
  EXPECT_EQ(Unpack<T>(Pack(value)), value);
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_ROUND_TRIP_TESTING_H_
