// SPDX-License-Identifier: MIT
//
// A KJ stream that encrypts what is written to another stream, and decrypts what is read from it,
// by a TLS session whose handshake is done.
//
// The end of the other stream is the end of this one: a message says how long it is, so that a
// connection which is cut short is noticed without TLS's own message of the end.
//
// Threads: used in the loop of the stream.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_TLS_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_TLS_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/common.h"
#include "kj/memory.h"
#include "remoteobj/transport/rpc/internal/streams/kj_stream.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"

namespace remoteobj::transport_internal {

class TlsStream final : public KjStream {
 public:
  TlsStream(kj::Own<kj::AsyncIoStream> stream, std::unique_ptr<TlsSession> session,
            NextTurn next_turn = nullptr)
      : stream_(kj::mv(stream)), session_(std::move(session)), next_turn_(std::move(next_turn)) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override;
  using KjStream::write;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override { return stream_->whenWriteDisconnected(); }
  void shutdownWrite() override { stream_->shutdownWrite(); }
  void abortRead() override { stream_->abortRead(); }

 private:
  using Pieces = kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>>;

  kj::Promise<void> WriteBytes(kj::ArrayPtr<const kj::byte> bytes) override;
  // Reads on, after `had` bytes.
  kj::Promise<std::size_t> ReadOn(std::byte* buffer, std::size_t least, std::size_t most,
                                  std::size_t had);
  kj::Promise<void> WriteOn(std::span<const std::byte> now, Pieces later);

  kj::Own<kj::AsyncIoStream> stream_;
  const std::unique_ptr<TlsSession> session_;
  const NextTurn next_turn_;
  std::vector<std::byte> received_;
  // Bytes that were received: in this turn, and since the last byte of a message among them.
  std::size_t in_turn_ = 0;
  std::size_t without_data_ = 0;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_TLS_STREAM_H_
