// SPDX-License-Identifier: MIT
//
// TLS as a map from bytes to bytes: the owner of a connection's socket moves them.
//
//   std::shared_ptr<TlsContext> tls = NewPskTls(keys);    // at both ends
//   std::unique_ptr<TlsSession> session = tls->Connect("");     // at the other end: tls->Accept()
//   while (!session->Handshake()) {
//     send(session->TakeOutput());
//     session->Receive(received);
//   }
//   session->Write(plain);                   // then send(session->TakeOutput())
//   session->Receive(received);              // then session->Read(plain)
//
// NewPskTls() needs no certificates: both ends prove within the TLS handshake that they have the
// same key (RFC 5489: ECDHE_PSK). An eavesdropper who learns the key later can't decrypt what was
// recorded, since the keys of a connection come from an ephemeral Diffie-Hellman exchange besides.
// It is TLS 1.2 with one cipher suite, which OpenSSL and BoringSSL have in common;
// `extended_master_secret` (RFC 7627) is required.
//
// The key itself is no key of TLS: that is derived from it, as is the identity by which a server
// with several keys knows which one a client has.
//
// Threads:  a TlsContext is immutable; a TlsSession is for one thread at a time.
// Lifetime: a session may outlive its context. A forked child may use a context, but no session of
//           its parent. No fork happens while a handshake computes, since OpenSSL holds locks then
//           that the child would find taken for ever.
// Errors:   std::invalid_argument for a malformed certificate or key. AuthenticationError and
//           ConnectionRefused from sessions, as they concern a client; a server logs their text.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_SESSION_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_SESSION_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/tls.h"
#include "remoteobj/transport/rpc/tls_layer.h"

namespace remoteobj::transport_internal {

class TlsSession {
 public:
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  // Returns true once the handshake is done; false if more bytes must be received. In either case,
  // and if it throws, there may be output to send.
  bool Handshake();

  // Takes bytes that have come from the peer.
  void Receive(std::span<const std::byte> bytes);
  // Decrypts. Returns 0 if more bytes must be received first, or the peer has ended().
  // REQUIRES: `out` is not empty.
  std::size_t Read(std::span<std::byte> out);
  bool ended() const;

  // Encrypts.
  void Write(std::span<const std::byte> bytes);
  // Returns bytes to send to the peer, of which there are pending().
  std::vector<std::byte> TakeOutput();
  std::size_t pending() const;

  // A value that both ends of this connection have, and no other connection (RFC 5705).
  std::string Channel() const;
  std::string CipherSuite() const;
  // The names in the peer's certificate that this side has verified, in lower case, each after its
  // kind: "dns:", "uri:", "email:", and "cn:" for the common name. Empty if the peer was not asked
  // for a certificate. Throws AuthenticationError for a name that is no text.
  std::vector<std::string> PeerNames() const;

 private:
  friend class TlsContext;
  struct State;
  explicit TlsSession(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

class TlsContext final : public Tls {
 public:
  ~TlsContext() override;

  std::unique_ptr<TlsSession> Accept() const;
  // Returns true if its clients must have a certificate.
  bool verifies_clients() const;
  // `host` is the host that the client has connected to; without PSK, the server's certificate must
  // name it, unless TlsOptions::server_name is set.
  std::unique_ptr<TlsSession> Connect(const std::string& host) const;

 private:
  friend class TlsSession;
  friend std::shared_ptr<TlsContext> NewPskTls(std::span<const NamedKey> keys);
  friend std::shared_ptr<TlsContext> NewCertificateTls(const TlsOptions& options);
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// Every Tls is a TlsContext.
inline const TlsContext& ContextOf(const Tls& tls) { return static_cast<const TlsContext&>(tls); }

// A server accepts each of the keys; a client has one. REQUIRES: keys, none of them empty.
std::shared_ptr<TlsContext> NewPskTls(std::span<const NamedKey> keys);
std::shared_ptr<TlsContext> NewCertificateTls(const TlsOptions& options);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_TLS_SESSION_H_
