// SPDX-License-Identifier: MIT
//
// The memory that a file in memory takes, as the kernel counts it: processes that share the file
// can write what they like into it, but raise this only by memory that they take.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_FILE_MEMORY_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_FILE_MEMORY_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>

namespace remoteobj::transport_internal {

// In bytes. Empty for a descriptor that is closed.
inline std::optional<std::uint64_t> FileMemory(int fd) noexcept {
  constexpr std::uint64_t kBlock = 512;  // The unit of st_blocks.
  struct stat file = {};
  if (fstat(fd, &file) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(file.st_blocks) * kBlock;
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_FILE_MEMORY_H_
