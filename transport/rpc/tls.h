// SPDX-License-Identifier: MIT
//
// TLS by certificates, instead of that by the shared key which connections by TCP have otherwise: a
// client also checks that the server is the one that its certificate names, and not merely one that
// has the key.
//
//   // The options of a server:
//   options.tls = remoteobj::NewTls({.certificate = pem, .private_key = key_pem});
//   // The options of a client:
//   options.tls = remoteobj::NewTls({.authorities = ca_pem, .server_name = "jobs.example"});
//
// Threads:  immutable once made.
// Errors:   std::invalid_argument for a malformed certificate or key.
#ifndef REMOTEOBJ_TRANSPORT_RPC_TLS_H_
#define REMOTEOBJ_TRANSPORT_RPC_TLS_H_

#include <memory>
#include <string>

#include "remoteobj/transport/rpc/tls_layer.h"

namespace remoteobj {

// Certificates and keys are in PEM.
struct TlsOptions {
  // The certificate of this side, followed by the intermediate certificates, and its private key. A
  // server needs them; a client needs them if the server verifies clients.
  std::string certificate = {};
  std::string private_key = {};
  // The authorities that are trusted; empty: those that this system trusts.
  std::string authorities = {};
  // The host name or IP address that the server's certificate must have; empty: the host that is
  // connected to.
  std::string server_name = {};
  // True: a server refuses clients that have no certificate of the authorities.
  bool verify_clients = false;
};

std::shared_ptr<Tls> NewTls(TlsOptions options);

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_TLS_H_
