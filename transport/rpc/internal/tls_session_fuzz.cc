// SPDX-License-Identifier: MIT
//
// Two ends of TLS, and an attacker between them who changes, drops, repeats and adds bytes. Each
// end goes on or fails with the errors that it may; what one reads is what the other has written.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "remoteobj/testing/fuzz_input.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"

namespace remoteobj::transport_internal {
namespace {

using remoteobj_testing::FuzzInput;
using Bytes = std::vector<std::byte>;

TlsContext& ByKey() {
  static const auto* const context = new std::shared_ptr<TlsContext>(
      NewPskTls(std::array{NamedKey{.name = "", .key = "a key of the fuzz target"}}));
  return **context;
}

TlsContext& ByCertificates() {
  static const auto* const context = new std::shared_ptr<TlsContext>(NewCertificateTls({}));
  return **context;
}

class End {
 public:
  explicit End(std::unique_ptr<TlsSession> session) : session_(std::move(session)) { Advance(); }

  bool failed() const { return failed_; }
  bool established() const { return established_; }
  const std::string& read() const { return read_; }
  Bytes TakeOutput() { return session_->TakeOutput(); }

  void Receive(const Bytes& bytes) {
    Try([&] { session_->Receive(bytes); });
    Advance();
  }
  void Write(const std::string& text) {
    Try([&] { session_->Write(std::as_bytes(std::span(text))); });
  }

 private:
  template <typename Action>
  void Try(Action action) {
    if (failed_) return;
    try {
      action();
    } catch (const AuthenticationError&) {
      failed_ = true;
    } catch (const ConnectionRefused&) {
      failed_ = true;
    }
  }
  void Advance() {
    Try([this] {
      if (!established_ && !(established_ = session_->Handshake())) return;
      std::array<char, 64> some;
      while (const std::size_t got = session_->Read(std::as_writable_bytes(std::span(some)))) {
        read_.append(some.data(), got);
      }
    });
  }

  const std::unique_ptr<TlsSession> session_;
  bool failed_ = false;
  bool established_ = false;
  std::string read_;
};

// The attacker's version of what an end has sent.
Bytes Changed(Bytes bytes, Bytes& last, FuzzInput& input) {
  const Bytes sent = bytes;
  switch (input.Below(8)) {
    case 0: {
      for (int i = 0; i < 3 && !bytes.empty(); ++i) {
        bytes[input.Word() % bytes.size()] ^= std::byte{input.Byte()};
      }
      break;
    }
    case 1:
      if (!bytes.empty()) bytes.resize(input.Word() % bytes.size());
      break;
    case 2:
      bytes = last;
      break;
    case 3:
      bytes.insert(bytes.end(), last.begin(), last.end());
      break;
    case 4: {
      const std::span<const std::byte> some = std::as_bytes(input.Some());
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(input.Word() % (bytes.size() + 1)),
                   some.begin(), some.end());
      break;
    }
    default:
      break;
  }
  last = sent;
  return bytes;
}

void RequireBegins(const std::string& whole, const std::string& part) {
  if (!whole.starts_with(part)) std::abort();
}

}  // namespace
}  // namespace remoteobj::transport_internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace remoteobj::transport_internal;
  FuzzInput input({data, size});
  const bool by_certificates = input.Byte() % 4 == 0;  // This server has none: it fails.
  End client((by_certificates ? ByCertificates() : ByKey()).Connect("host.test"));
  End server(ByKey().Accept());
  std::string from_client, from_server;
  Bytes last;
  for (int step = 0; step < 30 && !(client.failed() && server.failed()); ++step) {
    if (step > 6 && input.over()) break;
    const bool to_server = step % 2 == 0;
    End& from = to_server ? client : server;
    End& to = to_server ? server : client;
    if (from.established() && !from.failed()) {
      const std::string text(input.Byte(), 'x');
      if (!text.empty()) from.Write(text);
      (to_server ? from_client : from_server) += text;
    }
    to.Receive(Changed(from.TakeOutput(), last, input));
    RequireBegins(from_client, server.read());
    RequireBegins(from_server, client.read());
  }
  return 0;
}
