// SPDX-License-Identifier: MIT
//
// The cryptography of the handshake, by OpenSSL and the kernel.
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CRYPTO_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CRYPTO_H_

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>

namespace remoteobj::transport_internal {

using Mac = std::array<std::byte, 32>;

// Fills at most 256 bytes from getrandom(2). Throws std::system_error.
void FillRandom(std::span<std::byte> bytes);

// HMAC of the parts, one after the other. Takes no lock.
Mac HmacSha256(std::span<const std::byte> key,
               std::initializer_list<std::span<const std::byte>> parts);

// Compares in constant time, so that it leaks no secret. REQUIRES: a.size() == b.size().
bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CRYPTO_H_
