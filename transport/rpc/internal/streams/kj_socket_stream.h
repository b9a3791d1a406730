// SPDX-License-Identifier: MIT
//
// A socket as a stream of KJ's that needs no event port of KJ's: the owner of the event loop polls
// the socket and reports what is ready.
//
//   SocketStream stream(fd);                            // does not own `fd`
//   pollfd wait{fd, stream.events(), 0};
//   if (poll(&wait, 1, timeout) > 0) stream.Ready(wait.revents);
//
// Threads: used in the loop only.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_KJ_SOCKET_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_KJ_SOCKET_STREAM_H_

#include <cstddef>
#include <span>

#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/common.h"
#include "remoteobj/transport/rpc/internal/streams/kj_stream.h"

namespace remoteobj::transport_internal {

class SocketStream final : public KjStream {
 public:
  explicit SocketStream(int fd) : fd_(fd) {}

  // The events of poll() that pending reads and writes wait for.
  short events() const;
  void Ready(short events);

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t least, std::size_t most) override;
  using KjStream::write;
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override;
  kj::Promise<void> whenWriteDisconnected() override;
  void shutdownWrite() override;
  void abortRead() override;

 private:
  using Fulfiller = kj::Own<kj::PromiseFulfiller<void>>;

  kj::Promise<void> WriteBytes(kj::ArrayPtr<const kj::byte> bytes) override;
  // Reads on, after `had` bytes.
  kj::Promise<std::size_t> ReadOn(char* buffer, std::size_t least, std::size_t most,
                                  std::size_t had);
  // Writes in as few system calls as possible, so that the peer wakes once.
  kj::Promise<void> WriteOn(std::span<const char> now,
                            kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> later);

  const int fd_;
  Fulfiller readable_;
  Fulfiller writable_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_KJ_SOCKET_STREAM_H_
