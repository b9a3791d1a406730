// SPDX-License-Identifier: MIT
//
// Messages of one piece, as parts of Cap'n Proto's own messages, and back.
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

// Nested as deep as a chain of operations may be, and no deeper.
inline capnp::ReaderOptions ReaderLimits(std::uint64_t max_words) {
  capnp::ReaderOptions limits;
  limits.traversalLimitInWords = max_words;
  limits.nestingLimit = 1024;
  return limits;
}

// A message of our own making, for Cap'n Proto to read. It refers to `words`.
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

// Copies what another has sent, all of it checked on the way. Throws kj::Exception if it is
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
