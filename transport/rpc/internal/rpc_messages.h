// SPDX-License-Identifier: MIT
//
// Conversion between messages of one segment (flat.h) and parts of Cap'n Proto's messages.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_MESSAGES_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_MESSAGES_H_

#include <cstdint>
#include <limits>
#include <span>

#include "capnp/message.h"
#include "kj/common.h"
#include "remoteobj/transport/wire/internal/flat.h"
#include "remoteobj/transport/wire/internal/heap_message.h"

namespace remoteobj::transport_internal {

// The nesting limit is that of chains of operations.
inline capnp::ReaderOptions ReaderLimits(std::uint64_t max_words) {
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = max_words;
  limits.nestingLimit = 1024;
  return limits;
}

// A message that this process has written, as Cap'n Proto reads it. Refers to `words`.
class OwnMessage {
 public:
  explicit OwnMessage(std::span<const Word> words)
      : segment_(kj::arrayPtr(reinterpret_cast<const capnp::word*>(words.data()), words.size())),
        reader_(kj::arrayPtr(&segment_, 1),
                ReaderLimits(std::numeric_limits<std::uint64_t>::max())) {}

  template <typename Struct>
  typename Struct::Reader Root() {
    return reader_.getRoot<Struct>();
  }

 private:
  const kj::ArrayPtr<const capnp::word> segment_;
  capnp::SegmentArrayMessageReader reader_;
};

// Copies a message of another process and checks all of it. Throws kj::Exception if it is
// malformed.
template <typename Reader>
void CopyTo(HeapMessage& out, const Reader& from) {
  const std::span<Word> words = out.Prepare(from.totalSize().wordCount + 1);
  capnp::FlatMessageBuilder builder(
      kj::arrayPtr(reinterpret_cast<capnp::word*>(words.data()), words.size()));
  builder.setRoot(from);
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_RPC_MESSAGES_H_
