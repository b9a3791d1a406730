// SPDX-License-Identifier: MIT
//
// How a stream becomes one that nobody else can read, for who need not know by what.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_

#include <string>

#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/memory.h"

namespace remoteobj {

class Tls {
 public:
  virtual ~Tls() noexcept(false) {}  // As KJ has it.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> Serve(kj::Own<kj::AsyncIoStream> stream) = 0;
  // `host` is where the client has connected to.
  virtual kj::Promise<kj::Own<kj::AsyncIoStream>> Connect(kj::Own<kj::AsyncIoStream> stream,
                                                          const std::string& host) = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_STREAM_H_
