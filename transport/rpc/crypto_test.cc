// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/crypto.h"

#include <span>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace remoteobj::transport_internal {
namespace {

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Hmac(const std::string& key, std::string_view first, std::string_view second) {
  const Mac mac = HmacSha256(BytesOf(key), {BytesOf(first), BytesOf(second)});
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(mac.data()), mac.size()));
}

// RFC 4231, cases 1, 2 and 6, of which the last has a key that is longer than a block.
TEST(CryptoTest, HmacIsThatOfTheStandard) {
  EXPECT_EQ(Hmac(std::string(20, '\x0b'), "Hi ", "There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(Hmac("Jefe", "what do ya want ", "for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      Hmac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key", " - Hash Key First"),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace remoteobj::transport_internal
