// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/codec_containers.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace remoteobj::transport_internal {

void ExpectToFill(void* memory, std::size_t bytes) {
  constexpr std::size_t kWorthIt = 4 << 20;
  constexpr std::uintptr_t kPage = 4096;
  if (bytes < kWorthIt) return;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t begin = (address + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (address + bytes) / kPage * kPage;
  // A hint: if it fails nothing is lost.
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace remoteobj::transport_internal
