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
// The memory of a message follows what has arrived of it, not the size that it announces, and is
// charged to a MessageMemory until the message is destroyed.
//
// Cap'n Proto keeps an entry for each call until the peer has sent its Finish, and the outcome with
// it if that has capabilities. Both are charged until then. It sends messages of an unknown kind
// back; here they end the connection, since a peer that does not read could have any number of them
// sent.
//
// KJ reads from a socket that has data without a look at other sockets. Here a connection that has
// received `kMessagesPerTurn` messages, or `kBytesPerTurn`, gives up its turn; within a message,
// every `kBytesPerPiece`.
//
// Threads: used in the loop only.
// Errors:  a QuotaExceeded of the MessageMemory becomes a kj::Exception with its text, which Cap'n
//          Proto sends to the peer before it ends the connection.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_BOUNDED_MESSAGE_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_BOUNDED_MESSAGE_STREAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "capnp/message.h"
#include "capnp/serialize-async.h"
#include "kj/async-io.h"
#include "kj/async.h"
#include "remoteobj/transport/rpc/internal/streams/kj_stream.h"

namespace remoteobj::transport_internal {

// Charges the memory of a connection's messages to its client.
class MessageMemory {
 public:
  // Throws QuotaExceeded.
  virtual void Take(std::size_t bytes) = 0;
  virtual void Return(std::size_t bytes) = 0;
  // Called when an outgoing message of that size was written, or never will be. Returns what of it
  // had been charged, for which Return() is called when its memory is free.
  virtual std::size_t Written(std::size_t bytes) = 0;

 protected:
  ~MessageMemory() = default;
};

class BoundedMessageStream final : public capnp::MessageStream {
 public:
  static constexpr int kMessagesPerTurn = 32;
  static constexpr std::size_t kBytesPerTurn = std::size_t{1} << 20;
  static constexpr std::size_t kBytesPerPiece = 8 * kBytesPerTurn;
  // The number of words that may be read of a message of that size.
  static constexpr std::uint64_t TraversalLimit(std::uint64_t words) { return 2 * words + 4096; }

  // `stream` outlives it. Nothing is charged to a null `memory`.
  explicit BoundedMessageStream(kj::AsyncIoStream& stream, NextTurn next_turn = nullptr,
                                std::shared_ptr<MessageMemory> memory = nullptr)
      : stream_(stream),
        writer_(stream),
        next_turn_(std::move(next_turn)),
        memory_(std::move(memory)),
        answers_(memory_ == nullptr ? nullptr : std::make_shared<Answers>(memory_)) {}

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
    return Note(kj::arrayPtr(&segments, 1), writer_.writeMessage(descriptors, segments));
  }
  kj::Promise<void> writeMessages(
      kj::ArrayPtr<kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>> messages) override {
    return Note(messages, writer_.writeMessages(messages));
  }
  kj::Maybe<int> getSendBufferSize() override { return writer_.getSendBufferSize(); }
  kj::Promise<void> end() override { return writer_.end(); }

 private:
  using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;
  struct Incoming;

  // The calls whose Finish has not come, and what is charged for them.
  class Answers {
   public:
    explicit Answers(std::shared_ptr<MessageMemory> memory) : memory_(std::move(memory)) {}
    // Throws QuotaExceeded.
    void Called(std::uint32_t call);
    void Finished(std::uint32_t call);
    // `kept`: until the call is finished.
    void Written(std::size_t bytes, std::optional<std::uint32_t> call, bool kept);

   private:
    struct Answer {
      bool finished = false;
      bool written = false;
      std::size_t bytes = 0;
    };
    // By a number that the peer chooses, and so ordered.
    using Answered = std::map<std::uint32_t, Answer>;

    void End(Answered::iterator at);

    const std::shared_ptr<MessageMemory> memory_;
    Answered answers_;
  };

  // Tells the memory when the messages are written.
  kj::Promise<void> Note(kj::ArrayPtr<const Segments> messages, kj::Promise<void> written);
  void Look(capnp::MessageReader& message);
  kj::Promise<void> GiveUpTurn();
  kj::Promise<kj::Maybe<capnp::MessageReaderAndFds>> Read(capnp::ReaderOptions options);
  // Reads the rest of the content.
  kj::Promise<void> ReadOn(Incoming& incoming);

  kj::AsyncIoStream& stream_;
  capnp::AsyncIoMessageStream writer_;
  const NextTurn next_turn_;
  const std::shared_ptr<MessageMemory> memory_;
  const std::shared_ptr<Answers> answers_;  // Null if nothing is charged.
  int messages_ = 0;                        // In this turn, as the bytes.
  std::size_t bytes_ = 0;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_BOUNDED_MESSAGE_STREAM_H_
