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
  void Written(std::size_t bytes) override { written += bytes; }
  std::size_t limit = std::size_t{1} << 30;
  std::size_t taken = 0;
  std::size_t written = 0;
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
