// SPDX-License-Identifier: MIT
//
// The memory is a memfd: a page of words that are mapped, and lanes of records far apart in the
// same sparse file, which are written and read as a file is. So no mapping has to grow, no reader
// can meet a page that is not there, and a lack of memory is an error instead of a signal.
//
// Why a record is complete or not there. A writer takes a lane for itself (Lane::owner, by
// compare-exchange), writes behind the lane's tail, where no reader looks, and then moves the tail
// by one release store, which is the moment of publication. Killed before it, it leaves bytes
// behind the tail, which the lane's next owner overwrites; killed after it, a whole record. The
// lane of a dead owner is taken over by a writer that finds no other; a new owner needs nothing but
// the tail. So writers wait for one another only if all lanes are in the hands of live ones, and
// never for a reader.
//
// Why the order holds. Sequences are handed out by one counter before anything is written. If
// Append A returned before Append B began, then A has the lower sequence, and A's tail was moved
// before B's. A reader that has found B looks at all lanes again after that, and so finds A: Next()
// repeats its round until a round finds nothing new, and then takes the lowest.
//
// The file has its size from the beginning, so a part of it can always be mapped. Two kinds of
// process map a part for a moment instead of using the file: one that has closed the descriptor,
// for example a daemon that closes all but the standard streams (it still has a mapping, from which
// it makes others), and one whose limit of file sizes does not let it write there. If there is such
// a limit when the log is made, the log has few lanes, and each has its share of the allowed size.
#include "remoteobj/transport/shared_memory/shared_log.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/internal/file_memory.h"
#include "remoteobj/transport/shared_memory/internal/shared_log_layout.h"

namespace remoteobj {
namespace {

using transport_internal::AlignedTo8;
using transport_internal::kLogLaneBytes;
using transport_internal::kLogLanes;
using transport_internal::kLogPage;
using transport_internal::OwnDescriptor;
using transport_internal::ThrowLogError;

constexpr unsigned kFewLanes = 4;  // Under a limit of file sizes.
constexpr std::uint64_t kExtraOffset = kLogPage - SharedLog::kExtraBytes;

// Raises `word` to `value` if it is lower.
void RaiseTo(std::atomic<std::uint64_t>& word, std::uint64_t value) {
  std::uint64_t old = word.load(std::memory_order_relaxed);
  while (old < value && !word.compare_exchange_weak(old, value, std::memory_order_acq_rel)) {
  }
}

}  // namespace

SharedLog::SharedLog(Options options) {
  memory_fd_ =
      transport_internal::NewMemoryFile("remoteobj-log", transport_internal::Sealing::kAllowed);
  // All that there may ever be; it takes memory only where something is written.
  const auto limit = static_cast<std::uint64_t>(transport_internal::FileSizeLimit());
  const bool bounded = options.max_record < kLogLaneBytes - kLogPage;
  const bool few = bounded || limit < kLogPage + (kLogLanes + 1) * kLogLaneBytes;
  const unsigned lanes = few ? kFewLanes : kLogLanes;
  const std::uint64_t allowed =
      few ? (std::max(limit, kLogPage) - kLogPage) / (lanes + 1) / kLogPage * kLogPage
          : kLogLaneBytes;
  const std::uint64_t wanted =
      bounded ? (options.max_record + sizeof(RecordHeader) + kLogPage) / kLogPage * kLogPage
              : kLogLaneBytes;
  const std::uint64_t lane_bytes = std::min(allowed, wanted);
  transport_internal::ResizeMemoryFile(
      memory_fd_.get(), static_cast<off_t>(kLogPage + (lanes + 1) * lane_bytes), "a log");
  // No process can cut it short: an access to what is mapped would be a SIGBUS.
  fcntl(memory_fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  // A page that can't be had is an error now, and not a SIGBUS later.
  if (fallocate(memory_fd_.get(), 0, 0, kLogPage) != 0)
    ThrowLogError(errno, "remoteobj: memory of a log");
  if (options.can_wait) {
    wake_fd_ = OwnDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (wake_fd_.get() < 0) ThrowLogError(errno, "remoteobj: eventfd");
  }
  Map();
  lane_count_ = header_->lane_count = lanes;
  lane_bytes_ = header_->lane_bytes = lane_bytes;
}

SharedLog::SharedLog(int memory_fd, int wake_fd) : memory_fd_(memory_fd), wake_fd_(wake_fd) {
  Map();
  lane_count_ = header_->lane_count;
  lane_bytes_ = header_->lane_bytes;
  if (lane_count_ == 0 || lane_count_ > kLogLanes || lane_bytes_ > kLogLaneBytes) {
    munmap(header_, kLogPage);
    ThrowLogError(EINVAL, "remoteobj: the received descriptor is not the memory of a log");
  }
}

void SharedLog::Map() {
  void* memory = mmap(nullptr, kLogPage, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_.get(), 0);
  if (memory == MAP_FAILED) ThrowLogError(errno, "remoteobj: mmap of a log");
  static_assert(kLogPage + (kLogLanes + 1) * kLogLaneBytes < std::uint64_t{1} << 62);
  static_assert(sizeof(Header) <= kExtraOffset && std::atomic<std::uint64_t>::is_always_lock_free);
  // Cleared memory is a Header as it begins.
  header_ = static_cast<Header*>(memory);
}

SharedLog::~SharedLog() { munmap(header_, kLogPage); }

// Other processes may write a position beyond the lane.
std::uint64_t SharedLog::TailOf(unsigned lane) const {
  return std::min(header_->lanes[lane].tail.load(std::memory_order_acquire), lane_bytes_);
}

std::optional<std::uint64_t> SharedLog::MemoryBytes() const {
  return memory_fd_.IsOurs() ? transport_internal::FileMemory(memory_fd_.get()) : std::nullopt;
}

void* SharedLog::extra() const { return reinterpret_cast<char*>(header_) + kExtraOffset; }

std::uint64_t SharedLog::OffsetOf(unsigned lane) const { return kLogPage + lane * lane_bytes_; }

void SharedLog::Clear() {
  const std::uint64_t until = header_->sequence.load(std::memory_order_relaxed);
  RaiseTo(header_->cleared, until);
  for (unsigned i = 0; i < lane_count_; ++i) {
    Lane& lane = header_->lanes[i];
    const std::uint64_t begin = lane.begin.load(std::memory_order_acquire);
    const std::uint64_t tail = TailOf(i);
    std::uint64_t at = begin;
    for (RecordHeader record; at < tail; at += sizeof record + AlignedTo8(record.size)) {
      // A consuming reader may have given it back already; then nothing before the tail is needed.
      const bool whole = Read(OffsetOf(i) + at, reinterpret_cast<char*>(&record), sizeof record) &&
                         record.check == record.Check() &&
                         RecordHeader::Fits(record.size, tail - at);
      if (!whole) {
        at = tail;
        break;
      }
      if (record.sequence >= until) break;
    }
    RaiseTo(lane.begin, at);
    transport_internal::PunchHole(memory_fd_, OffsetOf(i) + begin / kLogPage * kLogPage,
                                  OffsetOf(i) + at / kLogPage * kLogPage);
  }
}

bool SharedLog::ReadOwners(std::uint64_t offset, char* data, std::size_t size) const {
  return offset + size <= lane_bytes_ && Read(OffsetOf(lane_count_) + offset, data, size);
}

void SharedLog::WriteOwners(std::uint64_t offset, std::string_view data) {
  const iovec part{const_cast<char*>(data.data()), data.size()};
  const int error = offset + data.size() > lane_bytes_
                        ? EFBIG
                        : WriteAt(OffsetOf(lane_count_) + offset, &part, 1);
  if (error != 0) transport_internal::ThrowLogWriteError(error);
}

std::uint64_t SharedLog::cleared() const {
  return header_->cleared.load(std::memory_order_acquire);
}

std::uint64_t SharedLog::Backlog() const {
  // First what was consumed, so that it is never more than what was appended.
  const std::uint64_t consumed = header_->consumed.load(std::memory_order_acquire);
  std::uint64_t appended = 0;
  for (const Lane& lane : header_->lanes) appended += lane.tail.load(std::memory_order_acquire);
  return appended - consumed;
}

bool SharedLog::WaitForRoom(std::uint64_t bytes, absl::Duration timeout) {
  if (Backlog() <= bytes) return true;
  header_->blocked.fetch_add(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const std::uint32_t seen = header_->room.load(std::memory_order_acquire);
  if (Backlog() > bytes) transport_internal::FutexWait(header_->room, seen, timeout);
  header_->blocked.fetch_sub(1, std::memory_order_relaxed);
  return Backlog() <= bytes;
}

}  // namespace remoteobj
