// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/internal/flat.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <cstring>
#include <string>

#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {

void ThrowTooLarge(std::uint64_t words, std::uint64_t most) {
  throw BadValue("a message of " + std::to_string(words * sizeof(Word)) +
                 " bytes or more, which is too large to send: at most " +
                 std::to_string(most * sizeof(Word)) + " are possible here; send it in parts");
}

void ThrowMalformed(const char* what) { throw BadValue(std::string("malformed message: ") + what); }

void CopyLarge(Word* to, std::span<const std::byte> from) {
  auto* at = reinterpret_cast<std::byte*>(to);
#if defined(__SSE2__)
  // Line by line, from where the first one begins.
  constexpr std::size_t kLine = 64;
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(at) % kLine;
  if (before <= from.size()) {
    std::memcpy(at, from.data(), before);
    at += before;
    from = from.subspan(before);
    for (; from.size() >= kLine; from = from.subspan(kLine), at += kLine) {
      const auto* source = reinterpret_cast<const __m128i*>(from.data());
      auto* target = reinterpret_cast<__m128i*>(at);
      const __m128i a = _mm_loadu_si128(source);
      const __m128i b = _mm_loadu_si128(source + 1);
      const __m128i c = _mm_loadu_si128(source + 2);
      const __m128i d = _mm_loadu_si128(source + 3);
      _mm_stream_si128(target, a);
      _mm_stream_si128(target + 1, b);
      _mm_stream_si128(target + 2, c);
      _mm_stream_si128(target + 3, d);
    }
    // Their order is not that of other writes, like those that publish the message.
    _mm_sfence();
  }
#endif
  if (!from.empty()) std::memcpy(at, from.data(), from.size());
}

}  // namespace remoteobj::transport_internal
