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

namespace remoteobj {

class Tls {
 public:
  virtual ~Tls() noexcept(false) {}  // KJ's streams may throw when destroyed.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> Serve(kj::Own<kj::AsyncIoStream> stream) = 0;
  // `host` is the host that the client has connected to.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> Connect(kj::Own<kj::AsyncIoStream> stream,
                                                          const std::string& host) = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_
