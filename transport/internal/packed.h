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

// The bytes of a message whose root is a copy of `root`.
template <typename Reader>
std::string PackedCopy(Reader root) {
  capnp::MallocMessageBuilder message;
  message.setRoot(root);
  return Flatten(message);
}

// Calls f(capnp::MessageReader&).
template <typename F>
void WithPacked(std::string_view packed, F&& f) {
  auto words = kj::heapArray<capnp::word>(packed.size() / sizeof(capnp::word));
  if (words.size() != 0) {
    std::memcpy(words.asBytes().begin(), packed.data(), words.asBytes().size());
  }
  capnp::FlatArrayMessageReader message(words, LimitsFor(words.size()));
  f(message);
}

// Calls f(schema::Value::Reader).
template <typename F>
void WithPackedValue(std::string_view packed, F&& f) {
  Guarded([&] {
    WithPacked(packed, [&](capnp::MessageReader& message) { f(message.getRoot<schema::Value>()); });
  });
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_
