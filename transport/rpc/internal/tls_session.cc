// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/tls_session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/fork_safe_mutex.h"
#include "remoteobj/transport/rpc/internal/crypto.h"

namespace remoteobj::transport_internal {
namespace {

// Handshakes, and the creation and destruction of objects, take locks of OpenSSL's, which a child
// of another thread's fork() would find taken. So they are done with this mutex held, for which
// fork() waits. So does reading with TLS 1.3; the encryption of messages takes no lock otherwise.
struct OpenSsl;
using OpenSslLock = std::scoped_lock<std::mutex>;

// OpenSSL registers each thread at its first use and removes it at its end, with a lock held.
class ThreadOfOpenSsl {
 public:
  ThreadOfOpenSsl() {
    const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
    ERR_clear_error();
  }
  ~ThreadOfOpenSsl() {
#ifndef OPENSSL_IS_BORINGSSL
    const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
    OPENSSL_thread_stop();
#endif
  }
  ThreadOfOpenSsl(const ThreadOfOpenSsl&) = delete;
  ThreadOfOpenSsl& operator=(const ThreadOfOpenSsl&) = delete;
};
// Called before each use. Errors of earlier calls would be taken for those of the next.
void Begin() {
  [[maybe_unused]] thread_local const ThreadOfOpenSsl thread;
  ERR_clear_error();
}

struct Free {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

std::string ReasonOf(unsigned long error) {
  const char* const reason = ERR_reason_error_string(error);
  return reason == nullptr ? absl::StrCat("error ", error) : reason;
}

void Require(bool done, const std::string& what) {
  if (done) return;
  throw std::invalid_argument(absl::StrCat("TLS: ", what, ": ", ReasonOf(ERR_get_error())));
}

std::span<const std::byte> AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

bool IsIpAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// Keys by their identities.
using Secrets = std::map<std::string, Mac>;

struct Psk {
  std::string identity;
  Mac secret;
};
Psk PskOf(const std::string& key) {
  constexpr std::size_t kIdentityBytes = 16;
  Psk psk;
  psk.secret = HmacSha256(AsBytes("remoteobj tls-psk v1 key"), {AsBytes(key)});
  const Mac identity = HmacSha256(psk.secret, {AsBytes("remoteobj tls-psk v1 identity")});
  psk.identity = absl::BytesToHexString(
      std::string(reinterpret_cast<const char*>(identity.data()), kIdentityBytes));
  return psk;
}

const Secrets& SecretsOf(const SSL* ssl) {
  return *static_cast<const Secrets*>(SSL_get_app_data(ssl));
}

unsigned Put(const Mac& secret, unsigned char* psk, unsigned room) {
  if (room < secret.size()) return 0;
  std::memcpy(psk, secret.data(), secret.size());
  return static_cast<unsigned>(secret.size());
}

unsigned ClientPsk(SSL* ssl, const char*, char* identity, unsigned identity_room,
                   unsigned char* psk, unsigned room) {
  const auto& [name, secret] = *SecretsOf(ssl).begin();
  if (identity_room < name.size() + 1) return 0;
  std::memcpy(identity, name.c_str(), name.size() + 1);
  return Put(secret, psk, room);
}

unsigned ServerPsk(SSL* ssl, const char* identity, unsigned char* psk, unsigned room) {
  const Secrets& secrets = SecretsOf(ssl);
  const auto at = secrets.find(identity == nullptr ? "" : identity);
  return at == secrets.end() ? 0 : Put(at->second, psk, room);
}

Owned<BIO> Memory(const std::string& text) {
  Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Require(bio != nullptr, "no memory");
  return bio;
}

// A key that is encrypted with a password is refused, instead of a question at the terminal.
int NoPassword(char*, int, int, void*) { return 0; }

// Each certificate of several in one text.
std::vector<Owned<X509>> Certificates(const std::string& pem, const std::string& what) {
  const Owned<BIO> bio = Memory(pem);
  std::vector<Owned<X509>> certificates;
  while (X509* const one = PEM_read_bio_X509(bio.get(), nullptr, &NoPassword, nullptr)) {
    certificates.emplace_back(one);
  }
  Require(!certificates.empty(), what);
  ERR_clear_error();  // The end of the text is an error.
  return certificates;
}

void UseCertificate(SSL_CTX* context, const TlsOptions& options) {
  std::vector<Owned<X509>> chain = Certificates(options.certificate, "TlsOptions::certificate");
  Require(SSL_CTX_use_certificate(context, chain.front().get()) == 1, "TlsOptions::certificate");
  for (std::size_t i = 1; i < chain.size(); ++i) {
    // It takes the certificate.
    Require(SSL_CTX_add_extra_chain_cert(context, chain[i].release()) == 1,
            "TlsOptions::certificate");
  }
  const Owned<BIO> bio = Memory(options.private_key);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassword, nullptr));
  Require(key != nullptr, "TlsOptions::private_key");
  Require(
      SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1,
      "TlsOptions::private_key");
}

void UseAuthorities(SSL_CTX* context, const TlsOptions& options) {
  if (options.authorities.empty()) {
    Require(SSL_CTX_set_default_verify_paths(context) == 1, "the authorities of this system");
    return;
  }
  for (const Owned<X509>& one : Certificates(options.authorities, "TlsOptions::authorities")) {
    Require(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) == 1,
            "TlsOptions::authorities");
  }
}

// In UTF-8 and in lower case: the case of a host name says nothing. Throws AuthenticationError for
// one that is no text, or has a NUL: an authority may have signed "client\0.other".
std::string NameIn(const ASN1_STRING* text) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, text);
  std::string name;
  if (size > 0) name.assign(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  if (size >= 0) OPENSSL_free(utf8);
  if (size < 0 || name.find('\0') != std::string::npos) {
    throw AuthenticationError("the peer's certificate has a name that is no text");
  }
  return absl::AsciiStrToLower(name);
}

// Each after its kind: an authority that lets its clients choose a common name says nothing of who
// has the host of that name.
std::vector<std::string> NamesOf(X509* certificate) {
  std::vector<std::string> names;
  const auto add = [&](const char* kind, const ASN1_STRING* text) {
    std::string name = absl::StrCat(kind, NameIn(text));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  };
  const Owned<GENERAL_NAMES> others(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; others != nullptr && i < static_cast<int>(sk_GENERAL_NAME_num(others.get()));
       ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(others.get(), i);
    if (name->type == GEN_DNS) add("dns:", name->d.ia5);
    if (name->type == GEN_URI) add("uri:", name->d.ia5);
    if (name->type == GEN_EMAIL) add("email:", name->d.ia5);
  }
  const auto* const subject = X509_get_subject_name(certificate);
  for (int place = -1; (place = X509_NAME_get_index_by_NID(subject, NID_commonName, place)) >= 0;) {
    add("cn:", X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
  }
  return names;
}

Owned<SSL_CTX> NewContext() {
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  Require(context != nullptr, "no context");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                         SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
#ifndef OPENSSL_IS_BORINGSSL
  SSL_CTX_set_num_tickets(context.get(), 0);  // Tickets of TLS 1.3.
#endif
  // An idle connection then costs no buffers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  Require(SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1, "TLS 1.2");
  // The other groups would let a client make a server compute for long.
  Require(SSL_CTX_set1_curves_list(context.get(), "X25519:P-256") == 1, "X25519");
  return context;
}

// Bytes of TLS begin with the type of a record: an alert or a part of a handshake.
bool IsTls(std::byte first) { return first == std::byte{21} || first == std::byte{22}; }

}  // namespace

struct TlsContext::State {
  Owned<SSL_CTX> context;
  std::shared_ptr<const Secrets> secrets;  // Null with certificates.
  std::string server_name;
  bool verify_clients = false;
};

struct TlsSession::State {
  State(const TlsContext::State& context, bool is_client)
      : client(is_client), secrets(context.secrets), ssl(SSL_new(context.context.get())) {
    Require(ssl != nullptr, "no session");
    in = BIO_new(BIO_s_mem());
    out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), in, out);  // It takes both.
    Require(in != nullptr && out != nullptr, "no memory");
    SSL_set_app_data(ssl.get(), const_cast<Secrets*>(secrets.get()));
    if (client) {
      SSL_set_connect_state(ssl.get());
      if (secrets == nullptr) SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
    } else {
      SSL_set_accept_state(ssl.get());
      if (context.verify_clients) {
        SSL_set_verify(ssl.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      }
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[noreturn]] void ThrowFailure(unsigned long error) const;
  [[noreturn]] void ThrowFailureOfClient(int reason, int alert, const std::string& why) const;
  [[noreturn]] void ThrowFailureOfServer(int reason, int alert, const std::string& why) const;

  const bool client;
  const std::shared_ptr<const Secrets> secrets;
  Owned<SSL> ssl;
  BIO* in = nullptr;  // `ssl` owns it, and `out`.
  BIO* out = nullptr;
  std::string beginning;  // The first bytes that came, if they are not TLS.
  bool received = false;
  bool established = false;
  bool ended = false;
};

// Alerts are in RFC 8446, 6.2. Both libraries have them as reasons from this number on.
void TlsSession::State::ThrowFailure(unsigned long error) const {
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  const bool is_alert = reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + UCHAR_MAX;
  const int alert = is_alert ? reason - SSL_AD_REASON_OFFSET : 0;
  const std::string why = ReasonOf(error);
  if (established && alert == 0) {
    throw AuthenticationError(
        absl::StrCat("data of the peer was changed on its way, or is no TLS: ", why));
  }
  if (alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_PROTOCOL_VERSION ||
      reason == SSL_R_NO_SHARED_CIPHER || reason == SSL_R_UNSUPPORTED_PROTOCOL) {
    throw AuthenticationError(
        absl::StrCat("the two sides have no way of encryption in common, as if ",
                     "the option tls were set on one of them only (", why, ")"));
  }
  if (client) ThrowFailureOfClient(reason, alert, why);
  ThrowFailureOfServer(reason, alert, why);
}

void TlsSession::State::ThrowFailureOfClient(int reason, int alert, const std::string& why) const {
  const bool mac = reason == SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC;
  if (secrets != nullptr && (alert == SSL_AD_UNKNOWN_PSK_IDENTITY ||
                             alert == SSL_AD_BAD_RECORD_MAC || alert == SSL_AD_DECRYPT_ERROR)) {
    throw AuthenticationError("this side failed to prove its key: the server says it has another");
  }
  if (secrets != nullptr && alert == 0 && mac) {
    throw AuthenticationError("the server failed to prove that it has this side's key");
  }
  if (secrets == nullptr && SSL_get_verify_result(ssl.get()) != X509_V_OK) {
    throw AuthenticationError(
        absl::StrCat("the server's certificate is refused: ",
                     X509_verify_cert_error_string(SSL_get_verify_result(ssl.get()))));
  }
  throw AuthenticationError(absl::StrCat("no secure connection: ", why));
}

void TlsSession::State::ThrowFailureOfServer(int reason, int alert, const std::string& why) const {
  if (secrets != nullptr && alert == 0 &&
      (reason == SSL_R_PSK_IDENTITY_NOT_FOUND ||
       reason == SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC)) {
    throw AuthenticationError("the client failed to prove its key: it has another");
  }
  throw AuthenticationError(absl::StrCat("no secure connection: ", why));
}

TlsSession::TlsSession(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsSession::~TlsSession() {
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  state_.reset();
}

bool TlsSession::Handshake() {
  if (!state_->beginning.empty()) {
    if (!state_->client) throw ConnectionRefused("the client does not speak TLS");
    throw ConnectionRefused(
        state_->beginning.starts_with("robj")
            ? "the server does not encrypt: its option plaintext is set, this side's is "
              "not"
            : "the peer is not a server of remoteobj (check the address): it does not speak TLS");
  }
  Begin();
  SSL* const ssl = state_->ssl.get();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  const int done = SSL_do_handshake(ssl);
  if (done != 1) {
    if (SSL_get_error(ssl, done) == SSL_ERROR_WANT_READ) return false;
    state_->ThrowFailure(ERR_get_error());
  }
  // Without it Channel() is not this connection's alone. Every version of this library has it.
  if (SSL_version(ssl) == TLS1_2_VERSION && SSL_get_extms_support(ssl) != 1) {
    throw AuthenticationError("no secure connection: the peer lacks extended_master_secret");
  }
  state_->established = true;
  return true;
}

void TlsSession::Receive(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (!std::exchange(state_->received, true) && !IsTls(bytes.front())) {
    const auto first = bytes.first(std::min<std::size_t>(bytes.size(), 8));
    state_->beginning.assign(reinterpret_cast<const char*>(first.data()), first.size());
    return;
  }
  // A memory BIO takes all that it is given.
  if (BIO_write(state_->in, bytes.data(), static_cast<int>(bytes.size())) < 0) {
    throw std::bad_alloc();
  }
}

std::size_t TlsSession::Read(std::span<std::byte> out) {
  Begin();
  SSL* const ssl = state_->ssl.get();
  // TLS 1.3 derives further keys when the peer asks for it.
  std::unique_lock<std::mutex> lock;
  if (SSL_version(ssl) > TLS1_2_VERSION) lock = std::unique_lock(ForkSafeMutex<OpenSsl>());
  const int got =
      SSL_read(ssl, out.data(), static_cast<int>(std::min<std::size_t>(out.size(), INT_MAX)));
  if (got > 0) return static_cast<std::size_t>(got);
  const int error = SSL_get_error(ssl, got);
  if (error == SSL_ERROR_WANT_READ) return 0;
  if (error != SSL_ERROR_ZERO_RETURN) state_->ThrowFailure(ERR_get_error());
  state_->ended = true;
  return 0;
}

bool TlsSession::ended() const { return state_->ended; }

void TlsSession::Write(std::span<const std::byte> bytes) {
  Begin();
  while (!bytes.empty()) {
    const int sent = SSL_write(state_->ssl.get(), bytes.data(),
                               static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX)));
    if (sent <= 0) state_->ThrowFailure(ERR_get_error());
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

std::vector<std::byte> TlsSession::TakeOutput() {
  std::vector<std::byte> output(pending());
  if (!output.empty()) BIO_read(state_->out, output.data(), static_cast<int>(output.size()));
  return output;
}

std::size_t TlsSession::pending() const { return BIO_ctrl_pending(state_->out); }

std::string TlsSession::Channel() const {
  constexpr std::string_view kLabel = "EXPORTER-remoteobj-channel";
  std::string channel(32, '\0');
  Begin();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  const int made = SSL_export_keying_material(
      state_->ssl.get(), reinterpret_cast<unsigned char*>(channel.data()), channel.size(),
      kLabel.data(), kLabel.size(), nullptr, 0, 0);
  if (made != 1) state_->ThrowFailure(ERR_get_error());
  return channel;
}

std::string TlsSession::CipherSuite() const { return SSL_get_cipher_name(state_->ssl.get()); }

std::vector<std::string> TlsSession::PeerNames() const {
  Begin();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  SSL* const ssl = state_->ssl.get();
  const Owned<X509> certificate(SSL_get_peer_certificate(ssl));
  const bool verified = certificate != nullptr && SSL_get_verify_result(ssl) == X509_V_OK;
  return verified ? NamesOf(certificate.get()) : std::vector<std::string>();
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() {
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  state_.reset();
}

bool TlsContext::verifies_clients() const { return state_->verify_clients; }

std::unique_ptr<TlsSession> TlsContext::Accept() const {
  Begin();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  return std::unique_ptr<TlsSession>(
      new TlsSession(std::make_unique<TlsSession::State>(*state_, /*is_client=*/false)));
}

std::unique_ptr<TlsSession> TlsContext::Connect(const std::string& host) const {
  const std::string& name = state_->server_name.empty() ? host : state_->server_name;
  if (state_->secrets == nullptr && name.empty()) {
    throw std::invalid_argument(
        "TLS: an address without a host takes TlsOptions::server_name, the name in the server's "
        "certificate");
  }
  Begin();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  auto state = std::make_unique<TlsSession::State>(*state_, /*is_client=*/true);
  if (state_->secrets == nullptr) {
    SSL* const ssl = state->ssl.get();
    X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl);
    if (IsIpAddress(name)) {
      Require(X509_VERIFY_PARAM_set1_ip_asc(verify, name.c_str()) == 1, name);
    } else {
      X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      Require(X509_VERIFY_PARAM_set1_host(verify, name.data(), name.size()) == 1, name);
      Require(SSL_set_tlsext_host_name(ssl, name.c_str()) == 1, name);
    }
  }
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(state)));
}

std::shared_ptr<TlsContext> NewPskTls(std::span<const NamedKey> keys) {
  auto secrets = std::make_shared<Secrets>();
  for (const NamedKey& key : keys) {
    Psk psk = PskOf(key.key);
    secrets->emplace(std::move(psk.identity), psk.secret);
  }
  Begin();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  auto state = std::make_unique<TlsContext::State>();
  state->context = NewContext();
  state->secrets = std::move(secrets);
  SSL_CTX* const context = state->context.get();
  // BoringSSL has external keys for TLS 1.2 only, and no other suite for them that is an AEAD.
  Require(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) == 1, "TLS 1.2");
  Require(SSL_CTX_set_cipher_list(context, "ECDHE-PSK-CHACHA20-POLY1305") == 1,
          "ECDHE-PSK-CHACHA20-POLY1305");
  SSL_CTX_set_psk_client_callback(context, &ClientPsk);
  SSL_CTX_set_psk_server_callback(context, &ServerPsk);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

std::shared_ptr<TlsContext> NewCertificateTls(const TlsOptions& options) {
  Begin();
  const OpenSslLock lock(ForkSafeMutex<OpenSsl>());
  auto state = std::make_unique<TlsContext::State>();
  state->context = NewContext();
  state->server_name = options.server_name;
  SSL_CTX* const context = state->context.get();
  // For TLS 1.2. The suites of TLS 1.3 are as good, and need not be named.
  Require(SSL_CTX_set_cipher_list(context,
                                  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305") == 1,
          "cipher suites");
  UseAuthorities(context, options);
  if (!options.certificate.empty()) UseCertificate(context, options);
  state->verify_clients = options.verify_clients;
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(state)));
}

}  // namespace remoteobj::transport_internal
