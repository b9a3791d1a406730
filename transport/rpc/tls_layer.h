// SPDX-License-Identifier: MIT
//
// TLS as an option of servers and clients: see remoteobj/transport/rpc/tls.h, which makes one.
// Apart from it, so that a program without TLS links no TLS library.
//
// Threads: immutable once made.
#ifndef REMOTEOBJ_TRANSPORT_RPC_TLS_LAYER_H_
#define REMOTEOBJ_TRANSPORT_RPC_TLS_LAYER_H_

namespace remoteobj {

// Certificates and keys, ready for use. Made by NewTls() only.
class Tls {
 public:
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  virtual ~Tls() noexcept(false) {}  // A TLS library's contexts may throw when destroyed.

 protected:
  Tls() = default;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_TLS_LAYER_H_
