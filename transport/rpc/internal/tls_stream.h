// SPDX-License-Identifier: MIT
//
// An interface that wraps a stream in TLS; hides the TLS library from its users.
//
// Threads: used in the loop of the stream.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_

#include <string>

#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/memory.h"
#include "remoteobj/transport/rpc/tls_layer.h"

namespace remoteobj::transport_internal {

// Every Tls is one.
class TlsStreams : public Tls {
 public:
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> Serve(kj::Own<kj::AsyncIoStream> stream) = 0;
  // `host` is the host that the client has connected to.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> Connect(kj::Own<kj::AsyncIoStream> stream,
                                                          const std::string& host) = 0;
};

inline TlsStreams& StreamsOf(Tls& tls) { return static_cast<TlsStreams&>(tls); }

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_
