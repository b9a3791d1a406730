// SPDX-License-Identifier: MIT
//
// The base of this library's KJ streams: one function that writes bytes, whichever form of write()
// this version of KJ declares.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_KJ_STREAM_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_KJ_STREAM_H_

#include <cstddef>
#include <functional>

#include "kj/async-io.h"
#include "kj/async.h"
#include "kj/common.h"

namespace remoteobj::transport_internal {

// Returns a promise that is fulfilled after the loop has polled all sockets: a connection that has
// been served for a while gives up its turn. Null where a connection has the loop for itself.
using NextTurn = std::function<kj::Promise<void>()>;

class KjStream : public kj::AsyncIoStream {
 public:
  // Each version of KJ declares one of these two, so that neither can be marked as an override.
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winconsistent-missing-override"
#endif
  kj::Promise<void> write(const void* buffer, std::size_t size) {
    return WriteBytes(kj::arrayPtr(static_cast<const kj::byte*>(buffer), size));
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::byte> bytes) { return WriteBytes(bytes); }
#if defined(__clang__)
#pragma clang diagnostic pop
#endif
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override = 0;

 private:
  virtual kj::Promise<void> WriteBytes(kj::ArrayPtr<const kj::byte> bytes) = 0;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_STREAMS_KJ_STREAM_H_
