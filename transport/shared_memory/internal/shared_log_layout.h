// SPDX-License-Identifier: MIT
//
// The words and the records of a SharedLog's memory, for the sources of that class.
//
// The memory is a memfd of fixed size. Its first page is mapped: a Header, and at its end the
// owner's words (SharedLog::extra). Behind it lie the lanes, and one more of the owner's.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SHARED_LOG_LAYOUT_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SHARED_LOG_LAYOUT_H_

#include <atomic>
#include <cstdint>

#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj {
namespace transport_internal {

inline constexpr unsigned kLogLanes = 32;
inline constexpr std::uint64_t kLogPage = 4096;
// The bytes that pass through a lane in the log's life, at most: 4 PiB, days at the speed of
// memory.
inline constexpr std::uint64_t kLogLaneBytes = std::uint64_t{1} << 52;

constexpr std::uint64_t AlignedTo8(std::uint64_t n) { return (n + 7) & ~std::uint64_t{7}; }

[[noreturn]] void ThrowLogError(int error, const char* what);
// For an error of SharedLog::WriteAt() or SharedLog::Write().
[[noreturn]] void ThrowLogWriteError(int error);

// Returns the memory of a part of the file to the kernel.
void PunchHole(const OwnDescriptor& file, std::uint64_t from, std::uint64_t to);

}  // namespace transport_internal

// Positions are in bytes from the lane's beginning, and only grow.
struct alignas(64) SharedLog::Lane {
  std::atomic<transport_internal::Identity> owner;  // 0: none. Acquired and released with the lane.
  std::atomic<std::uint64_t> tail;   // Released by the owner after the record's bytes.
  std::atomic<std::uint64_t> begin;  // Begin of the part that is not cleared. Acquire and release,
                                     // since it is moved before the bytes below it are given back.
};

struct SharedLog::Header {
  std::atomic<std::uint64_t> sequence;  // The next record's. Relaxed: the lanes' words order.
  std::atomic<std::uint64_t> cleared;   // Records below it are skipped.
  std::atomic<std::uint64_t> consumed;  // Bytes, of all lanes.
  // How many readers sleep. Written before the reader's last look at the lanes, read after a tail
  // was moved, with a fence on each side: one of them sees the other.
  std::atomic<std::uint32_t> waiting;
  std::atomic<std::uint32_t> room;     // Changes when `consumed` does; writers sleep on it.
  std::atomic<std::uint32_t> blocked;  // How many do.
  // A writer has closed its descriptors, and can't wake readers that wait.
  std::atomic<std::uint32_t> silent;
  // Written when the log is made. The memory beside the log is one lane more.
  std::uint32_t lane_count;
  std::uint64_t lane_bytes;
  Lane lanes[transport_internal::kLogLanes];
};

struct SharedLog::RecordHeader {
  static constexpr std::uint64_t kMark = 0x6f6c6a626f74726d;

  std::uint64_t sequence = 0;
  std::uint64_t size = 0;
  std::uint32_t kind = 0;
  std::uint32_t unused = 0;
  std::uint64_t check = 0;

  // Returns true if a record of that size has room in `room` bytes from its header to the lane's
  // tail. Both may be anything.
  static bool Fits(std::uint64_t size, std::uint64_t room) {
    return room >= sizeof(RecordHeader) && size <= room - sizeof(RecordHeader);
  }

  std::uint64_t Check() const {
    return kMark ^ (sequence * 0x9e3779b97f4a7c15u) ^ (size << 17) ^ kind;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_SHARED_LOG_LAYOUT_H_
