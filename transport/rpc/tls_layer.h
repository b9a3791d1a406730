// SPDX-License-Identifier: MIT
//
// TLS as an option of servers and clients: see remoteobj/transport/rpc/tls.h, which makes one.
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
  virtual ~Tls() = default;

 protected:
  Tls() = default;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_TLS_LAYER_H_
