// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace remoteobj::transport_internal {

void FillRandom(std::span<std::byte> bytes) {
  // Of so few the kernel gives all or none.
  while (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
  }
}

Mac HmacSha256(std::span<const std::byte> key,
               std::initializer_list<std::span<const std::byte>> parts) {
  std::vector<std::byte> input;
  for (const auto part : parts) input.insert(input.end(), part.begin(), part.end());
  Mac mac;
  unsigned size = 0;
  const auto* const result = HMAC(
      EVP_sha256(), key.data(), key.size(), reinterpret_cast<const unsigned char*>(input.data()),
      input.size(), reinterpret_cast<unsigned char*>(mac.data()), &size);
  OPENSSL_cleanse(input.data(), input.size());
  if (result == nullptr || size != mac.size()) {
    throw std::runtime_error("HMAC-SHA256 is not to be had from the OpenSSL of this process");
  }
  return mac;
}

bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace remoteobj::transport_internal
