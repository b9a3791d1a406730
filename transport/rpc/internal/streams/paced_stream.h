// SPDX-License-Identifier: MIT
//
// A stream that reads nothing while earlier writes are in progress: back-pressure against a client
// that sends calls and does not read their outcomes, which would pile up without limit.
//
// Threads: used in the loop only.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_PACED_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_PACED_STREAM_H_

#include <cstddef>

#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/common.h"
#include "remoteobj/transport/rpc/internal/streams/kj_stream.h"

namespace remoteobj::transport_internal {

class PacedStream final : public KjStream {
 public:
  explicit PacedStream(kj::Own<kj::AsyncIoStream> stream) : stream_(kj::mv(stream)) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override;
  using KjStream::write;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override { return stream_->whenWriteDisconnected(); }
  void shutdownWrite() override { stream_->shutdownWrite(); }
  void abortRead() override { stream_->abortRead(); }

 private:
  kj::Promise<void> WriteBytes(kj::ArrayPtr<const kj::byte> bytes) override;

  kj::Own<kj::AsyncIoStream> stream_;
  kj::ArrayPtr<const kj::byte> piece_;
  int writes_ = 0;
  kj::Own<kj::PromiseFulfiller<void>> written_;  // For a read that waits for the writes.
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_PACED_STREAM_H_
