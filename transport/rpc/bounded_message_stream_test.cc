// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/streams/bounded_message_stream.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capnp/any.h"
#include "capnp/message.h"
#include "capnp/rpc.capnp.h"
#include "gtest/gtest.h"
#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/exception.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"

namespace remoteobj::transport_internal {
namespace {

// The largest message of a connection.
capnp::ReaderOptions Limits() { return ReaderLimits(std::uint64_t{128} << 20); }

// Memory that is charged up to `limit`.
struct Memory final : MessageMemory {
  void Take(std::size_t bytes) override {
    if (taken + bytes > limit) throw QuotaExceeded::Of("message_bytes", limit);
    taken += bytes;
  }
  void Return(std::size_t bytes) override { taken -= bytes; }
  std::size_t Written(std::size_t bytes) override {
    written += bytes;
    return std::exchange(outcome, 0);
  }
  std::size_t limit = std::size_t{1} << 30;
  std::size_t taken = 0;
  std::size_t written = 0;
  std::size_t outcome = 0;  // The part of `taken` that is for an outcome that is written next.
};

class BoundedMessageStreamTest : public testing::Test {
 protected:
  // KJ's destructors may throw.
  ~BoundedMessageStreamTest() noexcept override {}

  // Sends the words as one segment, and receives them.
  kj::Own<capnp::MessageReader> Receive(const std::vector<std::uint64_t>& words) {
    std::vector<std::uint64_t> framed = {std::uint64_t{words.size()} << 32};
    framed.insert(framed.end(), words.begin(), words.end());
    written_ = pipe_.ends[0]->write(framed.data(), framed.size() * sizeof framed[0]);
    auto reader = stream_.readMessage(Limits()).wait(io_.waitScope);
    written_.wait(io_.waitScope);
    return reader;
  }

  template <typename Fill>
  void Exchange(Fill fill, bool from_peer);

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::TwoWayPipe pipe_ = io_.provider->newTwoWayPipe();
  const std::shared_ptr<Memory> memory_ = std::make_shared<Memory>();
  int turns_ = 0;
  BoundedMessageStream stream_{*pipe_.ends[1],
                               [this] {
                                 ++turns_;
                                 return kj::Promise<void>(kj::READY_NOW);
                               },
                               memory_};
  kj::Promise<void> written_ = nullptr;
};

// A list of pointers that all point to one list, which is such a list, and so on: 500 words that
// Cap'n Proto would read, and copy, as 5^9 lists.
TEST_F(BoundedMessageStreamTest, AMessageOfSharedPointersIsNotReadAsIfItWereLarge) {
  constexpr std::uint64_t kWidth = 5;
  constexpr std::uint64_t kDepth = 9;
  const auto list = [](std::uint64_t offset, std::uint64_t kind, std::uint64_t size) {
    return offset << 2 | 1 | kind << 32 | size << 35;
  };
  constexpr std::uint64_t kPointers = 6;
  constexpr std::uint64_t kWords = 5;
  std::vector<std::uint64_t> words = {list(0, kPointers, kWidth)};
  for (std::uint64_t level = 0; level < kDepth; ++level) {
    for (std::uint64_t i = 0; i < kWidth; ++i) {
      const std::uint64_t offset = kWidth - 1 - i;
      words.push_back(level + 1 < kDepth ? list(offset, kPointers, kWidth)
                                         : list(offset, kWords, 100));
    }
  }
  words.resize(words.size() + 100);
  auto reader = Receive(words);
  EXPECT_THROW(reader->getRoot<capnp::AnyPointer>().targetSize(), kj::Exception);
}

TEST_F(BoundedMessageStreamTest, AMessageIsReadTwice) {
  capnp::MallocMessageBuilder message;
  constexpr unsigned kWords = 100'000;
  auto list = message.initRoot<capnp::AnyPointer>().initAs<capnp::List<std::uint64_t>>(kWords);
  list.set(kWords - 1, 7);
  auto written = stream_.writeMessage(message);
  BoundedMessageStream other(*pipe_.ends[0]);
  auto reader = other.readMessage(Limits()).wait(io_.waitScope);
  written.wait(io_.waitScope);
  const auto root = reader->getRoot<capnp::AnyPointer>();
  EXPECT_GE(root.targetSize().wordCount, kWords);
  capnp::MallocMessageBuilder copy;
  copy.setRoot(root);
  EXPECT_EQ(copy.getRoot<capnp::AnyPointer>().getAs<capnp::List<std::uint64_t>>()[kWords - 1], 7u);
}

TEST_F(BoundedMessageStreamTest, SegmentsAreReceivedAsTheyWereSent) {
  for (const unsigned segments : {1u, 2u, 3u, 4u}) {
    capnp::MallocMessageBuilder message(1, capnp::AllocationStrategy::FIXED_SIZE);
    auto list = message.initRoot<capnp::AnyPointer>().initAs<capnp::List<capnp::Data>>(segments);
    for (unsigned i = 0; i < segments; ++i) list.init(i, 8 * (i + 1));
    auto written = stream_.writeMessage(message);
    BoundedMessageStream other(*pipe_.ends[0]);
    auto reader = other.readMessage(Limits()).wait(io_.waitScope);
    written.wait(io_.waitScope);
    const auto read = reader->getRoot<capnp::AnyPointer>().getAs<capnp::List<capnp::Data>>();
    ASSERT_EQ(read.size(), segments);
    EXPECT_EQ(read[segments - 1].size(), 8 * segments);
  }
}

// Eight bytes had the receiver reserve up to 1 GiB.
TEST_F(BoundedMessageStreamTest, AMessageThatDoesNotComeTakesNoMemory) {
  constexpr std::size_t kMiB = 1 << 20;
  const std::uint64_t header = std::uint64_t{kMiB * 512 / 8} << 32;
  auto message = stream_.tryReadMessage(Limits(), nullptr).eagerlyEvaluate(nullptr);
  pipe_.ends[0]->write(&header, sizeof header).wait(io_.waitScope);
  EXPECT_FALSE(message.poll(io_.waitScope));
  EXPECT_GT(memory_->taken, 0u);
  EXPECT_LT(memory_->taken, kMiB / 8);
  const std::string content(3 * kMiB, '\0');
  pipe_.ends[0]->write(content.data(), content.size()).wait(io_.waitScope);
  EXPECT_FALSE(message.poll(io_.waitScope));
  EXPECT_GE(memory_->taken, 3 * kMiB);
  EXPECT_LT(memory_->taken, 16 * kMiB);
  message = nullptr;
  EXPECT_EQ(memory_->taken, 0u);
}

TEST_F(BoundedMessageStreamTest, AMessageIsChargedAsLongAsItExists) {
  std::vector<std::uint64_t> words(3'000'000, 0);
  words[0] = std::uint64_t{1} << 32 | words.size() << 35;  // A list of bytes.
  auto reader = Receive(words);
  EXPECT_GE(memory_->taken, words.size() * 8);
  EXPECT_GE(turns_, 1);
  reader = nullptr;
  EXPECT_EQ(memory_->taken, 0u);
}

TEST_F(BoundedMessageStreamTest, AMessageThatExceedsItsQuotaEndsTheConnectionWithTheReason) {
  memory_->limit = 100'000;
  const std::vector<std::uint64_t> words(100'000, 0);
  std::string reason;
  try {
    Receive(words);
  } catch (const kj::Exception& e) {
    EXPECT_EQ(e.getType(), kj::Exception::Type::OVERLOADED);
    reason = e.getDescription().cStr();
  }
  EXPECT_EQ(reason, QuotaExceeded::Of("message_bytes", 100'000).what());
  EXPECT_EQ(memory_->taken, 0u);
}

TEST_F(BoundedMessageStreamTest, TellsWhatIsWritten) {
  capnp::MallocMessageBuilder message;
  message.initRoot<capnp::AnyPointer>().initAs<capnp::List<std::uint64_t>>(100);
  auto written = stream_.writeMessage(message).eagerlyEvaluate(nullptr);
  EXPECT_EQ(memory_->written, 0u);
  BoundedMessageStream other(*pipe_.ends[0]);
  other.readMessage(Limits()).wait(io_.waitScope);
  written.wait(io_.waitScope);
  EXPECT_GE(memory_->written, 800u);
}

// Sends what `fill` makes of a message of the protocol, and receives it.
template <typename Fill>
void BoundedMessageStreamTest::Exchange(Fill fill, bool from_peer) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<capnp::rpc::Message>());
  BoundedMessageStream peer(*pipe_.ends[0]);
  BoundedMessageStream& from = from_peer ? peer : stream_;
  BoundedMessageStream& to = from_peer ? stream_ : peer;
  auto written = from.writeMessage(message).eagerlyEvaluate(nullptr);
  to.readMessage(Limits()).wait(io_.waitScope);
  written.wait(io_.waitScope);
}

// The outcome stayed in memory, and was charged to nobody, from when it was read.
TEST_F(BoundedMessageStreamTest, AnOutcomeWithCapabilitiesIsChargedUntilItsCallIsFinished) {
  using Message = capnp::rpc::Message::Builder;
  const auto call = [](Message message) { message.initCall().setQuestionId(7); };
  const auto finish = [](Message message) { message.initFinish().setQuestionId(7); };
  const auto answer_with = [](unsigned capabilities) {
    return [capabilities](Message message) {
      auto answer = message.initReturn();
      answer.setAnswerId(7);
      answer.initResults().initCapTable(capabilities);
    };
  };
  for (int i = 0; i < 2; ++i) {
    for (const bool finished_first : {false, true}) {
      Exchange(call, /*from_peer=*/true);
      const std::size_t of_call = memory_->taken;
      EXPECT_GT(of_call, 0u);
      if (finished_first) Exchange(finish, /*from_peer=*/true);
      memory_->Take(memory_->outcome = 5000);
      Exchange(answer_with(1), /*from_peer=*/false);
      EXPECT_EQ(memory_->taken, finished_first ? 0 : of_call + 5000);
      if (!finished_first) Exchange(finish, /*from_peer=*/true);
      EXPECT_EQ(memory_->taken, 0u);
    }
    // One without capabilities is freed as it is written.
    Exchange(call, /*from_peer=*/true);
    const std::size_t of_call = memory_->taken;
    memory_->Take(memory_->outcome = 5000);
    Exchange(answer_with(0), /*from_peer=*/false);
    EXPECT_EQ(memory_->taken, of_call);
    Exchange(finish, /*from_peer=*/true);
    EXPECT_EQ(memory_->taken, 0u);
  }
}

// Cap'n Proto keeps an entry for each.
TEST_F(BoundedMessageStreamTest, CallsThatAreNeverFinishedExceedTheQuota) {
  memory_->limit = 1'000'000;
  EXPECT_THROW(
      for (std::uint32_t i = 0; i < 100'000; ++i) {
        Exchange([i](capnp::rpc::Message::Builder message) { message.initCall().setQuestionId(i); },
                 /*from_peer=*/true);
      },
      kj::Exception);
}

// It was sent back, however large it was, and charged to nobody.
TEST_F(BoundedMessageStreamTest, AMessageOfAnUnknownKindIsNotSentBack) {
  EXPECT_THROW(Exchange([](capnp::rpc::Message::Builder message) { message.initJoin(); },
                        /*from_peer=*/true),
               kj::Exception);
}

TEST_F(BoundedMessageStreamTest, TheEndOfTheConnectionIsNoMessage) {
  pipe_.ends[0]->shutdownWrite();
  EXPECT_TRUE(stream_.tryReadMessage(Limits(), nullptr).wait(io_.waitScope) == nullptr);
}

TEST_F(BoundedMessageStreamTest, AHeaderThatClaimsTooMuchOrNothingIsRefused) {
  for (const std::uint64_t header : {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{0}}) {
    auto pipe = io_.provider->newTwoWayPipe();
    BoundedMessageStream stream(*pipe.ends[1]);
    auto written = pipe.ends[0]->write(&header, sizeof header);
    EXPECT_THROW(stream.readMessage(Limits()).wait(io_.waitScope), kj::Exception);
  }
}

}  // namespace
}  // namespace remoteobj::transport_internal
