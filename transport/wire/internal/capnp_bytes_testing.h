// SPDX-License-Identifier: MIT
//
// For tests: a message that Cap'n Proto's own code has built, as bytes.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_CAPNP_BYTES_TESTING_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_CAPNP_BYTES_TESTING_H_

#include <string>

#include "capnp/message.h"
#include "capnp/serialize.h"
#include "kj/array.h"

namespace remoteobj::transport_internal {

inline std::string Flatten(capnp::MessageBuilder& message) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return std::string(bytes.asChars().begin(), bytes.size());
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_CAPNP_BYTES_TESTING_H_
