// SPDX-License-Identifier: MIT
//
// Values as bytes, in terms of Cap'n Proto's types. Included by .cc files of this module only.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_

#include <cstring>
#include <string>
#include <string_view>

#include "capnp/message.h"
#include "capnp/serialize.h"
#include "remoteobj/transport/internal/access.h"
#include "remoteobj/transport/internal/messages.h"

namespace remoteobj::transport_internal {

// The bytes of a finished message.
inline std::string Flatten(capnp::MessageBuilder& message) {
  auto words = capnp::messageToFlatArray(message);
  auto bytes = words.asBytes();
  return std::string(bytes.asChars().begin(), bytes.size());
}

inline std::string PackedCopy(schema::Value::Reader value) {
  capnp::MallocMessageBuilder message;
  message.setRoot(value);
  return Flatten(message);
}

// Calls f(schema::Value::Reader).
template <typename F>
void WithPackedValue(std::string_view packed, F&& f) {
  Guarded([&] {
    auto words = kj::heapArray<capnp::word>(packed.size() / sizeof(capnp::word));
    if (words.size() != 0) {
      std::memcpy(words.asBytes().begin(), packed.data(), words.asBytes().size());
    }
    capnp::FlatArrayMessageReader message(words, LimitsFor(words.size()));
    f(message.getRoot<schema::Value>());
  });
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_
