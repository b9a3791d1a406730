// SPDX-License-Identifier: MIT
//
// The framing is that of capnp/serialize.h: the number of segments less one and the size of each
// segment in words, as 32-bit numbers, padded to a word; then the segments.
#include "remoteobj/transport/rpc/internal/streams/bounded_message_stream.h"

#include <endian.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "capnp/any.h"
#include "capnp/message.h"
#include "capnp/rpc.capnp.h"
#include "kj/array.h"
#include "kj/debug.h"
#include "kj/exception.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {
namespace {

using Maybe = kj::Maybe<capnp::MessageReaderAndFds>;

constexpr std::uint32_t kMaxSegments = 512;  // The limit of Cap'n Proto's own reader.
// The memory that Cap'n Proto takes for a message or a call that it holds, beside the content.
constexpr std::size_t kOverhead = 2048;

// Calls `take`, whose QuotaExceeded ends the connection.
template <typename Take>
void OrOverloaded(Take take) {
  try {
    take();
  } catch (const QuotaExceeded& e) {
    kj::throwFatalException(kj::Exception(kj::Exception::Type::OVERLOADED, __FILE__, __LINE__,
                                          kj::heapString(e.what())));
  }
}

}  // namespace

// A message that is being received, and then read.
struct BoundedMessageStream::Incoming {
  explicit Incoming(std::shared_ptr<MessageMemory> memory) : memory_(std::move(memory)) {}
  ~Incoming() {
    if (memory_ != nullptr) memory_->Return(taken_);
    std::free(words);
  }
  KJ_DISALLOW_COPY(Incoming);

  std::uint32_t count() const { return le32toh(first[0]) + 1; }
  std::size_t size(std::uint32_t i) const { return le32toh(i == 0 ? first[1] : sizes[i - 1]); }

  // Makes room for that many words in all.
  void Reserve(std::size_t wanted) {
    Take((wanted - reserved) * sizeof(capnp::word) + (reserved == 0 ? kOverhead : 0));
    // realloc() of a large block moves its pages and copies nothing.
    void* const larger = std::realloc(words, wanted * sizeof(capnp::word));
    if (larger == nullptr) throw std::bad_alloc();
    words = static_cast<capnp::word*>(larger);
    reserved = wanted;
  }

  // Little-endian. The number of segments less one, and the size of the first segment.
  std::array<std::uint32_t, 2> first = {};
  kj::Array<std::uint32_t> sizes;  // The other segments', with the padding.
  // The content: how many words it has, for how many there is room, and how many are here.
  std::size_t total = 0;
  std::size_t reserved = 0;
  std::size_t received = 0;
  capnp::word* words = nullptr;  // From malloc().
  kj::Array<kj::ArrayPtr<const capnp::word>> segments;

 private:
  void Take(std::size_t bytes) {
    if (memory_ == nullptr) return;
    OrOverloaded([&] { memory_->Take(bytes); });
    taken_ += bytes;
  }

  const std::shared_ptr<MessageMemory> memory_;
  std::size_t taken_ = 0;
};

void BoundedMessageStream::Answers::Called(std::uint32_t call) {
  if (answers_.contains(call)) return;  // Cap'n Proto refuses it.
  memory_->Take(kOverhead);
  answers_.emplace(call, Answer());
}

void BoundedMessageStream::Answers::Finished(std::uint32_t call) {
  const auto at = answers_.find(call);
  if (at == answers_.end()) return;
  at->second.finished = true;
  if (at->second.written) End(at);
}

void BoundedMessageStream::Answers::Written(std::size_t bytes, std::optional<std::uint32_t> call,
                                            bool kept) {
  const std::size_t charged = memory_->Written(bytes);
  const auto at = call ? answers_.find(*call) : answers_.end();
  if (at == answers_.end() || !kept) memory_->Return(charged);
  if (at == answers_.end()) return;
  at->second.written = true;
  at->second.bytes = kept ? charged : 0;
  if (at->second.finished) End(at);
}

void BoundedMessageStream::Answers::End(Answered::iterator at) {
  memory_->Return(at->second.bytes + kOverhead);
  answers_.erase(at);
}

kj::Promise<void> BoundedMessageStream::Note(kj::ArrayPtr<const Segments> messages,
                                             kj::Promise<void> written) {
  if (answers_ == nullptr) return written;
  for (const Segments& segments : messages) {
    std::size_t bytes = 0;
    for (const auto& segment : segments) bytes += segment.size() * sizeof(capnp::word);
    std::optional<std::uint32_t> call;
    bool kept = false;
    capnp::SegmentArrayMessageReader reader(segments);
    if (reader.getRoot<capnp::AnyPointer>().isStruct()) {
      const auto message = reader.getRoot<capnp::rpc::Message>();
      if (message.isReturn()) {
        const auto answer = message.getReturn();
        call = answer.getAnswerId();
        kept = answer.isResults() && answer.getResults().getCapTable().size() != 0;
      }
    }
    written = written.attach(kj::defer(
        [answers = answers_, bytes, call, kept] { answers->Written(bytes, call, kept); }));
  }
  return written;
}

void BoundedMessageStream::Look(capnp::MessageReader& reader) {
  if (!reader.getRoot<capnp::AnyPointer>().isStruct()) return;  // Cap'n Proto refuses it.
  using capnp::rpc::Message;
  const auto message = reader.getRoot<Message>();
  switch (message.which()) {
    case Message::BOOTSTRAP:
    case Message::CALL: {
      const std::uint32_t call = message.isCall() ? message.getCall().getQuestionId()
                                                  : message.getBootstrap().getQuestionId();
      if (answers_ != nullptr) OrOverloaded([&] { answers_->Called(call); });
      return;
    }
    case Message::FINISH:
      if (answers_ != nullptr) answers_->Finished(message.getFinish().getQuestionId());
      return;
    case Message::UNIMPLEMENTED:
    case Message::ABORT:
    case Message::RETURN:
    case Message::RESOLVE:
    case Message::RELEASE:
    case Message::DISEMBARGO:
      return;
    default:
      KJ_FAIL_REQUIRE("a message of an unknown kind");
  }
}

kj::Promise<void> BoundedMessageStream::GiveUpTurn() {
  messages_ = 0;
  bytes_ = 0;
  return next_turn_();
}

kj::Promise<Maybe> BoundedMessageStream::tryReadMessage(kj::ArrayPtr<kj::AutoCloseFd>,
                                                        capnp::ReaderOptions options,
                                                        kj::ArrayPtr<capnp::word>) {
  if (next_turn_ == nullptr || (messages_ < kMessagesPerTurn && bytes_ < kBytesPerTurn)) {
    return Read(options);
  }
  return GiveUpTurn().then([this, options] { return Read(options); });
}

kj::Promise<void> BoundedMessageStream::ReadOn(Incoming& in) {
  // A message of this size is received in one piece. A larger one has room for a multiple of what
  // has arrived.
  constexpr std::size_t kLeast = (std::size_t{64} << 10) / sizeof(capnp::word);
  constexpr std::size_t kGrowth = 4;
  constexpr std::size_t kPiece = kBytesPerPiece / sizeof(capnp::word);
  if (in.received == in.total) return kj::READY_NOW;
  if (in.received == in.reserved) {
    in.Reserve(std::min(in.total, std::max(kLeast, kGrowth * in.received)));
  }
  const std::size_t words = std::min(in.reserved - in.received, kPiece);
  const std::size_t bytes = words * sizeof(capnp::word);
  return stream_.read(in.words + in.received, bytes)
      .then([this, &in, words, bytes]() -> kj::Promise<void> {
        in.received += words;
        bytes_ += bytes;
        if (in.received == in.total) return kj::READY_NOW;
        if (next_turn_ == nullptr || bytes_ < kBytesPerPiece) return ReadOn(in);
        return GiveUpTurn().then([this, &in] { return ReadOn(in); });
      });
}

kj::Promise<Maybe> BoundedMessageStream::Read(capnp::ReaderOptions options) {
  auto incoming = kj::heap<Incoming>(memory_);
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
        for (std::uint32_t i = 0; i < in.count(); ++i) in.total += in.size(i);
        KJ_REQUIRE(in.total != 0, "a message without content");
        KJ_REQUIRE(in.total <= options.traversalLimitInWords, "a message that is too large");
        ++messages_;
        return ReadOn(in).then([] { return true; });
      })
      .then([this, incoming = kj::mv(incoming), options](bool more) mutable -> Maybe {
        if (!more) return nullptr;
        Incoming& in = *incoming;
        in.segments = kj::heapArray<kj::ArrayPtr<const capnp::word>>(in.count());
        const capnp::word* at = in.words;
        for (std::uint32_t i = 0; i < in.count(); ++i) {
          in.segments[i] = kj::arrayPtr(at, in.size(i));
          at += in.size(i);
        }
        capnp::ReaderOptions limits = options;
        limits.traversalLimitInWords = TraversalLimit(in.total);
        auto reader = kj::heap<capnp::SegmentArrayMessageReader>(in.segments.asPtr(), limits);
        Look(*reader);
        return capnp::MessageReaderAndFds{reader.attach(kj::mv(incoming)), nullptr};
      });
}

}  // namespace remoteobj::transport_internal
