// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/region.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace remoteobj::transport_internal {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kBaseBytes =
    (sizeof(Header) + kSlots * sizeof(Slot) + kPage - 1) / kPage * kPage;
constexpr std::uint64_t kWindowWords = kWindowBytes / sizeof(capnp::word);

// The table of segments at the beginning of a window. Its entry 0 has the size of the message, in
// words of the window.
constexpr std::uint32_t kMaxSegments = 65535;
constexpr std::uint64_t kTableWords = (kMaxSegments + 1) * sizeof(Segment) / sizeof(capnp::word);
constexpr std::uint64_t kMinSpillWords = 8192;

// Fresh pages cost more than copying, so a window keeps some; all of them together not too many.
constexpr std::uint64_t kRetainedPerWindow = (96 << 20) / kPage;
constexpr std::int64_t kRetainedInAll = (256 << 20) / kPage;

Half& HalfOf(Slot& slot, Direction direction) {
  return direction == Direction::kRequest ? slot.request : slot.outcome;
}

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

Segment* TableOf(std::byte* window) { return reinterpret_cast<Segment*>(window); }

// How large the message is that a slot has, as far as its writer can be believed.
std::uint64_t WordsOf(Region& region, unsigned slot, Direction direction) {
  if (HalfOf(region.slot(slot), direction).segments == 0) return kSlotWords;
  return kSlotWords + std::min(TableOf(region.Window(slot, direction))[0].words, kWindowWords);
}

}  // namespace

Region::Region() {
  fd_ = memfd_create("remoteobj", MFD_CLOEXEC);
  if (fd_ < 0) ThrowErrno("remoteobj: memfd_create");
  if (ftruncate(fd_, static_cast<off_t>(kBaseBytes + 2 * kSlots * kWindowBytes)) != 0) {
    const int error = errno;
    close(fd_);
    errno = error;
    ThrowErrno("remoteobj: ftruncate of shared memory");
  }
  memory_ = mmap(nullptr, kBaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (memory_ == MAP_FAILED) {
    const int error = errno;
    close(fd_);
    errno = error;
    ThrowErrno("remoteobj: mmap of shared memory");
  }
  header_ = new (memory_) Header;
  // The memory is cleared, which is what a Slot begins as: one that is never used costs no page.
  slots_ = reinterpret_cast<Slot*>(static_cast<std::byte*>(memory_) + sizeof(Header));
}

Region::~Region() {
  for (auto& window : windows_) {
    if (std::byte* at = window.load(std::memory_order_relaxed)) munmap(at, kWindowBytes);
  }
  munmap(memory_, kBaseBytes);
  close(fd_);
}

std::uint64_t Region::OffsetOf(unsigned slot, Direction direction) const {
  return kBaseBytes + (2 * slot + static_cast<unsigned>(direction)) * kWindowBytes;
}

std::byte* Region::Window(unsigned slot, Direction direction) {
  std::byte* window = TryWindow(slot, direction);
  if (window == nullptr) {
    throw BadValue(
        absl::StrCat("no address space to send a large message: ", std::strerror(errno)));
  }
  return window;
}

std::byte* Region::TryWindow(unsigned slot, Direction direction) noexcept {
  auto& window = windows_[2 * slot + static_cast<unsigned>(direction)];
  if (std::byte* at = window.load(std::memory_order_acquire)) return at;
  void* fresh = mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_,
                     static_cast<off_t>(OffsetOf(slot, direction)));
  if (fresh == MAP_FAILED) return nullptr;
  // A core dump would otherwise fill the holes.
  madvise(fresh, kWindowBytes, MADV_DONTDUMP);
  std::byte* expected = nullptr;
  if (!window.compare_exchange_strong(expected, static_cast<std::byte*>(fresh),
                                      std::memory_order_acq_rel)) {
    munmap(fresh, kWindowBytes);
    return expected;
  }
  return static_cast<std::byte*>(fresh);
}

void Region::Trim(unsigned index, Direction direction) noexcept {
  Half& half = HalfOf(slot(index), direction);
  if (half.segments == 0) return;
  half.segments = 0;
  // One who could not look into the window takes it for full.
  std::byte* window = TryWindow(index, direction);
  const std::uint64_t words =
      window == nullptr ? kWindowWords : std::min(TableOf(window)[0].words, kWindowWords);
  const std::uint64_t used = words * sizeof(capnp::word) / kPage + 1;
  std::uint32_t& retained = slot(index).retained_pages[static_cast<unsigned>(direction)];
  const auto wanted = static_cast<std::uint32_t>(std::min(used, kRetainedPerWindow));
  if (wanted > retained) {
    const std::int64_t more = wanted - retained;
    auto& all = header().retained_pages;
    if (all.fetch_add(more, std::memory_order_relaxed) + more <= kRetainedInAll) {
      retained = wanted;
    } else {
      all.fetch_sub(more, std::memory_order_relaxed);
    }
  }
  if (used > retained) {
    const std::uint64_t kept = retained * kPage;
    fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(OffsetOf(index, direction) + kept),
              static_cast<off_t>(kWindowBytes - kept));
  }
}

SlotWriter::SlotWriter(Region& region, unsigned slot, Direction direction)
    : region_(region),
      slot_(slot),
      direction_(direction),
      half_(HalfOf(region.slot(slot), direction)),
      next_word_(kTableWords),
      builder_(*this) {
  // What a writer left that died, or that begins anew.
  region_.Trim(slot_, direction_);
}

kj::ArrayPtr<capnp::word> SlotWriter::Allocate(std::size_t words, bool bulk) {
  if (first_ && words <= kSlotWords) {
    first_ = false;
    const std::size_t dirty = std::min<std::size_t>(half_.dirty_words, kSlotWords);
    std::memset(half_.words, 0, dirty * sizeof(capnp::word));
    // Until Finish says better: whoever has the slot after our death must clear all of it.
    half_.dirty_words = kSlotWords;
    return kj::arrayPtr(half_.words, kSlotWords);
  }
  // Each is twice the last, since that is full. Not so after a bulk segment: then the builder has
  // forgotten what was free before it, and every small piece between two large ones comes here.
  const std::uint64_t size =
      bulk ? words
           : std::max<std::uint64_t>(words, last_was_bulk_
                                                ? kPage / sizeof(capnp::word)
                                                : std::max(2 * last_words_, kMinSpillWords));
  const std::uint64_t free = kWindowWords - next_word_;
  if (words > free || segments_ == kMaxSegments) {
    throw BadValue("a message of more than 4 GiB, which is too large to send");
  }
  const std::uint64_t given = std::min(size, free);
  std::byte* window = region_.Window(slot_, direction_);
  TableOf(window)[++segments_] = {next_word_, given};
  auto* area = reinterpret_cast<capnp::word*>(window) + next_word_;
  next_word_ += given;
  // Also for a message that is never finished, so that Trim knows of it.
  half_.segments = static_cast<std::uint16_t>(segments_);
  TableOf(window)[0].words = next_word_;
  last_was_bulk_ = bulk;
  if (bulk) {
    std::memset(area + given - 1, 0, sizeof(capnp::word));
  } else {
    std::memset(area, 0, given * sizeof(capnp::word));
    last_words_ = given;
  }
  return kj::arrayPtr(area, given);
}

void SlotWriter::Finish() {
  const auto built = builder_.getSegmentsForOutput();
  half_.first_words = static_cast<std::uint16_t>(built[0].size());
  half_.dirty_words = half_.first_words;
  half_.segments = static_cast<std::uint16_t>(segments_);
  if (segments_ == 0) return;
  Segment* table = TableOf(region_.Window(slot_, direction_));
  for (std::uint32_t i = 1; i <= segments_; ++i) table[i].words = built[i].size();
}

SlotReader::SlotReader(Region& region, unsigned slot, Direction direction)
    : MessageReader(LimitsFor(WordsOf(region, slot, direction))),
      region_(region),
      slot_(slot),
      direction_(direction),
      first_words_(
          std::min<std::uint64_t>(HalfOf(region.slot(slot), direction).first_words, kSlotWords)),
      segments_(HalfOf(region.slot(slot), direction).segments) {}

kj::ArrayPtr<const capnp::word> SlotReader::getSegment(capnp::uint id) {
  if (id == 0) {
    return kj::arrayPtr(HalfOf(region_.slot(slot_), direction_).words, first_words_);
  }
  if (id > segments_) return nullptr;
  std::byte* window = region_.Window(slot_, direction_);
  const Segment segment = TableOf(window)[id];
  if (segment.offset > kWindowWords || segment.words > kWindowWords - segment.offset) {
    return nullptr;
  }
  return kj::arrayPtr(reinterpret_cast<const capnp::word*>(window) + segment.offset, segment.words);
}

}  // namespace remoteobj::transport_internal
