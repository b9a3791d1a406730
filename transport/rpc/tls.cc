// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/tls.h"

#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "kj/compat/tls.h"
#include "kj/exception.h"
#include "kj/string.h"
#include "remoteobj/transport/rpc/internal/tls_stream.h"

namespace remoteobj {
namespace {

// Each certificate of several in one text.
std::vector<kj::TlsCertificate> Certificates(const std::string& pem) {
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::vector<kj::TlsCertificate> certificates;
  for (std::size_t at = 0;;) {
    const std::size_t end = pem.find(kEnd, at);
    if (end == std::string::npos) break;
    const std::string one = pem.substr(at, end + kEnd.size() - at) + "\n";
    certificates.emplace_back(kj::StringPtr(one.c_str(), one.size()));
    at = end + kEnd.size();
  }
  if (certificates.empty()) throw std::invalid_argument("TLS: the authorities are no certificates");
  return certificates;
}

class KjTls final : public transport_internal::TlsStreams {
 public:
  explicit KjTls(const TlsOptions& options)
      : server_name_(options.server_name), context_(Context(options)) {}

  kj::Promise<kj::Own<kj::AsyncIoStream>> Serve(kj::Own<kj::AsyncIoStream> stream) override {
    return context_.wrapServer(kj::mv(stream));
  }
  kj::Promise<kj::Own<kj::AsyncIoStream>> Connect(kj::Own<kj::AsyncIoStream> stream,
                                                  const std::string& host) override {
    const std::string& name = server_name_.empty() ? host : server_name_;
    return context_.wrapClient(kj::mv(stream), kj::StringPtr(name.c_str(), name.size()));
  }

 private:
  static kj::TlsContext Context(const TlsOptions& options) {
    kj::TlsContext::Options context;
    std::vector<kj::TlsCertificate> authorities;
    if (!options.authorities.empty()) {
      authorities = Certificates(options.authorities);
      context.useSystemTrustStore = false;
      context.trustedCertificates = kj::arrayPtr(authorities.data(), authorities.size());
    }
    std::optional<kj::TlsKeypair> own;
    if (!options.certificate.empty()) {
      own.emplace(kj::TlsKeypair{
          kj::TlsPrivateKey(kj::StringPtr(options.private_key.c_str(), options.private_key.size())),
          kj::TlsCertificate(
              kj::StringPtr(options.certificate.c_str(), options.certificate.size()))});
      context.defaultKeypair = *own;
    }
    context.verifyClients = options.verify_clients;
    return kj::TlsContext(context);
  }

  const std::string server_name_;
  kj::TlsContext context_;
};

}  // namespace

std::shared_ptr<Tls> NewTls(TlsOptions options) {
  try {
    return std::make_shared<KjTls>(options);
  } catch (const kj::Exception& e) {
    throw std::invalid_argument(std::string("TLS: ") + e.getDescription().cStr());
  }
}

}  // namespace remoteobj
