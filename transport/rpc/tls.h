// SPDX-License-Identifier: MIT
//
// TLS for connections beyond this machine: what travels can't be read or changed on its way, and
// the server is the one that its certificate names.
//
//   auto tls = remoteobj::NewTls({.certificate = pem, .private_key = key_pem});
//   remoteobj::Manager("tcp:0.0.0.0:7000", {.authkey = key, .tls = tls}).ServeForever();
//
//   auto trusting = remoteobj::NewTls({.authorities = ca_pem, .server_name = "jobs.example"});
//   auto there = remoteobj::Manager::Connect("tcp:10.0.0.7:7000", {.authkey = key, .tls =
//   trusting});
//
// A library of its own (//transport/rpc:tls), for it links OpenSSL's or BoringSSL's TLS.
//
// Threads:  immutable once made.
// Errors:   std::invalid_argument for what is no certificate or key.
#ifndef REMOTEOBJ_TRANSPORT_RPC_TLS_H_
#define REMOTEOBJ_TRANSPORT_RPC_TLS_H_

#include <memory>
#include <string>

namespace remoteobj {

class Tls;

// All in PEM.
struct TlsOptions {
  // What this side shows: a certificate, with those between it and its authority after it, and its
  // private key. A server needs them; a client, where the server asks for them.
  std::string certificate = {};
  std::string private_key = {};
  // Whose certificates are trusted; empty: those that this system trusts.
  std::string authorities = {};
  // The name that the server's certificate must have; empty: the host that is connected to.
  std::string server_name = {};
  // Whether a server lets in only clients that show a certificate of the authorities.
  bool verify_clients = false;
};

std::shared_ptr<Tls> NewTls(TlsOptions options);

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_TLS_H_
