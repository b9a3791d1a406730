// SPDX-License-Identifier: MIT
//
// The framing is that of capnp/serialize.h: the number of segments less one and the size of each
// segment in words, as 32-bit numbers, padded to a word; then the segments.
#include "remoteobj/transport/rpc/internal/bounded_message_stream.h"

#include <endian.h>

#include <utility>

#include "capnp/message.h"
#include "kj/array.h"
#include "kj/debug.h"
#include "kj/exception.h"

namespace remoteobj::transport_internal {
namespace {

using Maybe = kj::Maybe<capnp::MessageReaderAndFds>;

constexpr std::uint32_t kMaxSegments = 512;  // As Cap'n Proto's own reader.

}  // namespace

// A message that is being received.
struct BoundedMessageStream::Incoming {
  // Little-endian. The number of segments less one, and the size of the first segment.
  std::array<std::uint32_t, 2> first = {};
  kj::Array<std::uint32_t> sizes;  // Of the others, with the padding.
  kj::Array<capnp::word> words;
  kj::Array<kj::ArrayPtr<const capnp::word>> segments;

  std::uint32_t count() const { return le32toh(first[0]) + 1; }
  std::size_t size(std::uint32_t i) const { return le32toh(i == 0 ? first[1] : sizes[i - 1]); }
};

kj::Promise<Maybe> BoundedMessageStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>,
                                                        capnp::ReaderOptions options,
                                                        kj::ArrayPtr<capnp::word>) {
  if (next_turn_ == nullptr || (messages_ < kMessagesPerTurn && bytes_ < kBytesPerTurn)) {
    return Read(options);
  }
  messages_ = 0;
  bytes_ = 0;
  return next_turn_().then([this, options] { return Read(options); });
}

kj::Promise<Maybe> BoundedMessageStream::Read(capnp::ReaderOptions options) {
  auto incoming = kj::heap<Incoming>();
  Incoming& in = *incoming;
  return stream_.tryRead(in.first.data(), sizeof in.first, sizeof in.first)
      .then([this, &in](std::size_t received) -> kj::Promise<bool> {
        if (received == 0) return false;
        if (received < sizeof in.first) {
          kj::throwFatalException(
              KJ_EXCEPTION(DISCONNECTED, "the end of the connection came early"));
        }
        KJ_REQUIRE(le32toh(in.first[0]) < kMaxSegments, "a message of too many segments");
        const std::uint32_t others = in.count() - 1;
        if (others == 0) return true;
        in.sizes = kj::heapArray<std::uint32_t>(others + others % 2);
        return stream_.read(in.sizes.begin(), in.sizes.size() * sizeof(std::uint32_t)).then([] {
          return true;
        });
      })
      .then([this, &in, options](bool more) -> kj::Promise<bool> {
        if (!more) return false;
        std::uint64_t words = 0;
        for (std::uint32_t i = 0; i < in.count(); ++i) words += in.size(i);
        KJ_REQUIRE(words != 0, "a message without content");
        KJ_REQUIRE(words <= options.traversalLimitInWords, "a message that is too large");
        in.words = kj::heapArray<capnp::word>(words);
        ++messages_;
        bytes_ += words * sizeof(capnp::word);
        return stream_.read(in.words.begin(), words * sizeof(capnp::word)).then([] {
          return true;
        });
      })
      .then([incoming = kj::mv(incoming), options](bool more) mutable -> Maybe {
        if (!more) return nullptr;
        Incoming& in = *incoming;
        in.segments = kj::heapArray<kj::ArrayPtr<const capnp::word>>(in.count());
        std::size_t at = 0;
        for (std::uint32_t i = 0; i < in.count(); ++i) {
          in.segments[i] = in.words.slice(at, at + in.size(i));
          at += in.size(i);
        }
        capnp::ReaderOptions limits = options;
        limits.traversalLimitInWords = TraversalLimit(in.words.size());
        auto reader = kj::heap<capnp::SegmentArrayMessageReader>(in.segments.asPtr(), limits);
        return capnp::MessageReaderAndFds{reader.attach(kj::mv(incoming)), nullptr};
      });
}

}  // namespace remoteobj::transport_internal
