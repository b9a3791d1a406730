// SPDX-License-Identifier: MIT
// OpenSSL 3 calls its plain hashes deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "remoteobj/transport/rpc/internal/crypto.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace remoteobj::transport_internal {

void FillRandom(std::span<std::byte> bytes) {
  // The kernel returns all of so few bytes, or none.
  while (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
  }
}

// FIPS 198-1, on OpenSSL's plain SHA-256. Its HMAC() looks the algorithm up under locks, which a
// process finds held for ever that was forked while another thread used OpenSSL.
Mac HmacSha256(std::span<const std::byte> key,
               std::initializer_list<std::span<const std::byte>> parts) {
  std::array<std::byte, SHA256_CBLOCK> block = {};
  Mac mac;
  SHA256_CTX hash;
  const auto begin = [&](std::byte pad) {
    SHA256_Init(&hash);
    std::array<std::byte, SHA256_CBLOCK> padded = block;
    for (std::byte& one : padded) one ^= pad;
    SHA256_Update(&hash, padded.data(), padded.size());
    OPENSSL_cleanse(padded.data(), padded.size());
  };
  const auto end = [&] { SHA256_Final(reinterpret_cast<unsigned char*>(mac.data()), &hash); };
  if (key.size() > block.size()) {
    SHA256_Init(&hash);
    SHA256_Update(&hash, key.data(), key.size());
    end();
    std::copy(mac.begin(), mac.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  begin(std::byte{0x36});
  for (const auto part : parts) SHA256_Update(&hash, part.data(), part.size());
  end();
  const Mac inner = mac;
  begin(std::byte{0x5c});
  SHA256_Update(&hash, inner.data(), inner.size());
  end();
  OPENSSL_cleanse(block.data(), block.size());
  OPENSSL_cleanse(&hash, sizeof hash);
  return mac;
}

bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace remoteobj::transport_internal
