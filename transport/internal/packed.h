// SPDX-License-Identifier: MIT
//
// Values as bytes, in terms of Cap'n Proto's types. Included by .cc files of this module only.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "capnp/message.h"
#include "capnp/serialize.h"
#include "kj/io.h"
#include "remoteobj/transport/internal/access.h"
#include "remoteobj/transport/internal/messages.h"

namespace remoteobj::transport_internal {

// The bytes of a finished message.
inline std::string Flatten(capnp::MessageBuilder& message) {
  std::string bytes(capnp::computeSerializedSizeInWords(message) * sizeof(capnp::word), '\0');
  kj::ArrayOutputStream stream(
      kj::arrayPtr(reinterpret_cast<kj::byte*>(bytes.data()), bytes.size()));
  capnp::writeMessage(stream, message);
  return bytes;
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
  Guarded([&] {
    const std::size_t size = packed.size() / sizeof(capnp::word);
    // Cap'n Proto would take it for a message with nothing in it.
    if (size == 0) throw BadValue("malformed message: it is empty");
    kj::Array<capnp::word> aligned;
    const auto* words = reinterpret_cast<const capnp::word*>(packed.data());
    if (reinterpret_cast<std::uintptr_t>(words) % alignof(capnp::word) != 0) {
      aligned = kj::heapArray<capnp::word>(size);
      std::memcpy(aligned.begin(), packed.data(), size * sizeof(capnp::word));
      words = aligned.begin();
    }
    capnp::FlatArrayMessageReader message(kj::arrayPtr(words, size), LimitsFor(size));
    f(message);
  });
}

// Calls f(schema::Value::Reader).
template <typename F>
void WithPackedValue(std::string_view packed, F&& f) {
  WithPacked(packed, [&](capnp::MessageReader& message) { f(message.getRoot<schema::Value>()); });
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_PACKED_H_
