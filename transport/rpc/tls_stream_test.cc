// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/streams/tls_stream.h"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/exception.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"

namespace remoteobj::transport_internal {
namespace {

std::span<const std::byte> AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// A stream of ours, and the session and the plain stream of its peer, which is hostile.
class TlsStreamTest : public testing::Test {
 protected:
  TlsStreamTest() {
    const std::array keys{NamedKey{"", "a key for this test"}};
    const std::shared_ptr<TlsContext> context = NewPskTls(keys);
    auto ours = context->Accept();
    peer_ = context->Connect("");
    for (bool done = false; !done;) {
      peer_->Handshake();
      ours->Receive(peer_->TakeOutput());
      done = ours->Handshake();
      peer_->Receive(ours->TakeOutput());
    }
    EXPECT_TRUE(peer_->Handshake());
    stream_ = std::make_unique<TlsStream>(kj::mv(pipe_.ends[0]), std::move(ours), [this] {
      ++turns_;
      return kj::Promise<void>(kj::READY_NOW);
    });
  }
  // KJ's destructors may throw.
  ~TlsStreamTest() noexcept override {}

  // Sends that much in records of that size.
  void Send(std::size_t size, std::size_t record) {
    for (std::size_t sent = 0; sent < size; sent += record) {
      peer_->Write(AsBytes(std::string(record, 'x')));
    }
    auto output = kj::heap<std::vector<std::byte>>(peer_->TakeOutput());
    written_ = pipe_.ends[1]->write(output->data(), output->size()).attach(kj::mv(output));
    written_ = written_.eagerlyEvaluate([](kj::Exception&&) {});
  }

  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::TwoWayPipe pipe_ = io_.provider->newTwoWayPipe();
  std::unique_ptr<TlsSession> peer_;
  std::unique_ptr<TlsStream> stream_;
  kj::Promise<void> written_ = nullptr;
  int turns_ = 0;
};

// Everything that came after it was received, and kept, without being read.
TEST_F(TlsStreamTest, AReadOfNothingReceivesNothing) {
  Send(1000, 1000);
  char byte = 0;
  EXPECT_EQ(stream_->tryRead(&byte, 0, 0).wait(io_.waitScope), 0u);
  EXPECT_EQ(stream_->tryRead(&byte, 1, 1).wait(io_.waitScope), 1u);
  EXPECT_EQ(byte, 'x');
}

// Other connections waited until the message was complete.
TEST_F(TlsStreamTest, AMessageInRecordsOfOneByteIsReadInTurnsWithOthers) {
  constexpr std::size_t kSize = 100'000;
  Send(kSize, 1);
  std::string received(kSize, '-');
  EXPECT_EQ(stream_->tryRead(received.data(), kSize, kSize).wait(io_.waitScope), kSize);
  EXPECT_EQ(received, std::string(kSize, 'x'));
  EXPECT_GE(turns_, 20);
}

}  // namespace
}  // namespace remoteobj::transport_internal
