// SPDX-License-Identifier: MIT
//
// Values beyond what one list of Cap'n Proto holds. Needs 2 GiB of memory.
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {
namespace {

constexpr std::size_t kLarge = std::size_t{600} << 20;
// The sizes around the one from which a text or data goes in pieces.
constexpr std::size_t kLimit = (std::size_t{1} << 29) - 1;

// Bytes that tell a piece in the wrong place, or one that is missing.
template <typename Bytes>
void Fill(Bytes& bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 4093) {
    bytes[i] = static_cast<typename Bytes::value_type>(i * 2654435761u >> 24);
  }
  bytes.back() = static_cast<typename Bytes::value_type>('!');
}

// EXPECT_EQ would print them.
template <typename T>
void ExpectRoundTrip(const T& value) {
  const std::string packed = Pack(value);
  EXPECT_TRUE(Unpack<T>(packed) == value) << value.size();
}

TEST(LargeTest, Text) {
  for (const std::size_t size : {kLimit - 1, kLarge}) {
    std::string text(size, 'x');
    Fill(text);
    ExpectRoundTrip(text);
  }
}

TEST(LargeTest, Data) {
  for (const std::size_t size : {kLimit, kLarge}) {
    std::vector<std::byte> data(size);
    Fill(data);
    ExpectRoundTrip(data);
  }
}

TEST(LargeTest, TextInPiecesIsNotShort) {
  const std::string packed = Pack(std::string(kLimit, 'x'));
  UnpackValue(packed, [](const ValueReader& in) {
    EXPECT_FALSE(in.IsShortText());
    EXPECT_EQ(in.DebugString(), "text of 536870911 bytes");
  });
}

TEST(LargeTest, Numbers) {
  std::vector<double> numbers(kLarge / sizeof(double));
  for (std::size_t i = 0; i < numbers.size(); i += 511) numbers[i] = static_cast<double>(i);
  const std::string packed = Pack(std::span<const double>(numbers));
  EXPECT_TRUE(Unpack<std::vector<double>>(packed) == numbers);
}

}  // namespace
}  // namespace remoteobj
