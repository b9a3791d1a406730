// SPDX-License-Identifier: MIT
//
// The messages of one connection, with limits that follow the size of each message, and in turns
// with the messages of other connections.
//
// Cap'n Proto's limit of what is read from a message (the traversal limit) is one for all messages
// of a connection. It has to allow the largest message, and so allows a small one whose pointers
// all point to the same list to be read, and copied, as if it were the largest. Here a message may
// be read about twice: the server measures it and copies it.
//
// KJ reads from a socket that has data without a look at other sockets. Here a connection that has
// received `kMessagesPerTurn` messages, or `kBytesPerTurn`, gives up its turn.
//
// Threads: used in the loop only.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_BOUNDED_MESSAGE_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_BOUNDED_MESSAGE_STREAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "capnp/serialize-async.h"
#include "kj/async-io.h"
#include "kj/async.h"
#include "remoteobj/transport/rpc/internal/kj_stream.h"

namespace remoteobj::transport_internal {

class BoundedMessageStream final : public capnp::MessageStream {
 public:
  static constexpr int kMessagesPerTurn = 32;
  static constexpr std::size_t kBytesPerTurn = std::size_t{1} << 20;
  // What of a message of that many words can be read.
  static constexpr std::uint64_t TraversalLimit(std::uint64_t words) { return 2 * words + 4096; }

  // `stream` outlives it.
  explicit BoundedMessageStream(kj::AsyncIoStream& stream, NextTurn next_turn = nullptr)
      : stream_(stream), writer_(stream), next_turn_(std::move(next_turn)) {}

  using capnp::MessageStream::tryReadMessage;
  using capnp::MessageStream::writeMessage;
  using capnp::MessageStream::writeMessages;

  // The traversal limit of `options` bounds the size of the message; descriptors are not received.
  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> tryReadMessage(
      kj::ArrayPtr<kj::AutoCloseFd> descriptors, capnp::ReaderOptions options,
      kj::ArrayPtr<capnp::word> scratch) override;
  kj::Promise<void> writeMessage(
      kj::ArrayPtr<const int> descriptors,
      kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) override {
    return writer_.writeMessage(descriptors, segments);
  }
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
    return writer_.writeMessages(messages);
  }
  kj::Maybe<int> getSendBufferSize() override { return writer_.getSendBufferSize(); }
  kj::Promise<void> end() override { return writer_.end(); }

 private:
  struct Incoming;

  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> Read(capnp::ReaderOptions options);

  kj::AsyncIoStream& stream_;
  capnp::AsyncIoMessageStream writer_;
  const NextTurn next_turn_;
  int messages_ = 0;  // In this turn, as the bytes.
  std::size_t bytes_ = 0;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_BOUNDED_MESSAGE_STREAM_H_
