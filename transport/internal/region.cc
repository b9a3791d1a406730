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
#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kBaseBytes =
    (sizeof(Header) + kSlots * sizeof(Slot) + kPage - 1) / kPage * kPage;
// Fresh pages cost more than copying, so a window keeps some; all of them together not too many.
constexpr std::uint64_t kRetainedPerWindow = (96 << 20) / kPage;
constexpr std::int64_t kRetainedInAll = (256 << 20) / kPage;

Half& HalfOf(Slot& slot, Direction direction) {
  return direction == Direction::kRequest ? slot.request : slot.outcome;
}

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Region::Region() {
  fd_ = NewMemoryFile("remoteobj", Sealing::kAllowed);
  ResizeMemoryFile(fd_.get(), static_cast<off_t>(kBaseBytes + 2 * kSlots * kWindowBytes),
                   "shared memory");
  // Who shares it can't take pages away under the others, who would die of SIGBUS.
  fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  Map();
  new (header_) Header;
}

Region::Region(int fd) : fd_(fd) { Map(); }

void Region::Map() {
  memory_ = mmap(nullptr, kBaseBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (memory_ == MAP_FAILED) ThrowErrno("remoteobj: mmap of shared memory");
  header_ = static_cast<Header*>(memory_);
  // The memory is cleared, which is what a Slot begins as: one that is never used costs no page.
  slots_ = reinterpret_cast<Slot*>(static_cast<std::byte*>(memory_) + sizeof(Header));
}

Region::~Region() {
  for (auto& window : windows_) {
    if (std::byte* at = window.load(std::memory_order_relaxed)) munmap(at, kWindowBytes);
  }
  munmap(memory_, kBaseBytes);
}

namespace {

struct flock TokenOf(Identity process) {
  struct flock token = {};
  token.l_type = F_WRLCK;
  token.l_whence = SEEK_SET;
  token.l_start = static_cast<off_t>(process & ~kHasToken);
  token.l_len = 1;
  return token;
}

}  // namespace

Identity Region::TakeToken() {
  Identity me = Self();
  struct flock token = TokenOf(me);
  if (fd_.IsOurs() && fcntl(fd_.get(), F_SETLK, &token) == 0) me |= kHasToken;
  me_.store(me, std::memory_order_relaxed);
  return me;
}

bool Region::HoldsToken(Identity process) const {
  struct flock token = TokenOf(process);
  return (process & kHasToken) != 0 && fcntl(fd_.get(), F_GETLK, &token) == 0 &&
         token.l_type != F_UNLCK;
}

bool Region::Alive(Identity process) {
  if (process == 0) return false;
  if (process == Me() || HoldsToken(process)) return true;
  const Life life = LifeOf(process);
  if (life != Life::kUnknown) return life == Life::kRuns;
  // The token alone can tell, where the pid means nothing.
  return OfThisNamespace(process) || (process & kHasToken) == 0 || !fd_.IsOurs();
}

std::uint64_t Region::OffsetOf(unsigned slot, Direction direction) const {
  return kBaseBytes + (2 * slot + static_cast<unsigned>(direction)) * kWindowBytes;
}

std::byte* Region::Window(unsigned slot, Direction direction) {
  std::byte* window = TryWindow(slot, direction);
  if (window == nullptr) {
    throw BadValue(
        absl::StrCat("no memory can be mapped for a large message: ", std::strerror(errno)));
  }
  return window;
}

std::byte* Region::TryWindow(unsigned slot, Direction direction) noexcept {
  auto& window = windows_[2 * slot + static_cast<unsigned>(direction)];
  if (std::byte* at = window.load(std::memory_order_acquire)) return at;
  if (!fd_.IsOurs()) {
    errno = EBADF;
    return nullptr;
  }
  void* fresh = mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                     fd_.get(), static_cast<off_t>(OffsetOf(slot, direction)));
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
  if (direction == Direction::kRequest) {
    if (slot(index).request_in_window == 0) return;
    slot(index).request_in_window = 0;
  } else if (half.size <= kSlotWords) {
    return;
  }
  const std::uint64_t used =
      std::min<std::uint64_t>(half.size, kMaxMessageWords) * sizeof(Word) / kPage + 1;
  half.size = 0;
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
  if (used > retained && fd_.IsOurs()) {
    const std::uint64_t kept = retained * kPage;
    fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(OffsetOf(index, direction) + kept),
              static_cast<off_t>(kWindowBytes - kept));
  }
}

SlotMessage::SlotMessage(Region& region, unsigned slot, Direction direction)
    : Out(small_, kSmallWords),
      region_(region),
      slot_(slot),
      direction_(direction),
      half_(HalfOf(region.slot(slot), direction)) {}

void SlotMessage::Reset() {
  // What this message was so far; or at its beginning what a writer left that died.
  region_.Trim(slot_, direction_);
  base_ = small_;
  capacity_ = kSmallWords;
  used_ = 0;
}

void SlotMessage::Grow(std::uint64_t words) {
  if (words > kMaxMessageWords - used_) {
    throw BadValue("a message of more than 4 GiB, which is too large to send");
  }
  if (used_ + words <= kSlotWords) {
    std::memcpy(half_.words, base_, used_ * sizeof(Word));
    base_ = half_.words;
    capacity_ = kSlotWords;
    return;
  }
  auto* window = reinterpret_cast<Word*>(region_.Window(slot_, direction_));
  // Also for a message that is never finished, so that Trim knows of it.
  half_.size = static_cast<std::uint32_t>(kMaxMessageWords);
  if (direction_ == Direction::kRequest) region_.slot(slot_).request_in_window = 1;
  std::memcpy(window, base_, used_ * sizeof(Word));
  base_ = window;
  capacity_ = kMaxMessageWords;
}

void SlotMessage::Finish() {
  if (base_ == small_) {
    const std::size_t first = std::min<std::size_t>(used_, kFirstLineWords);
    if (used_ > first) {
      std::memcpy(half_.words + first, small_ + first, (used_ - first) * sizeof(Word));
    }
    for (std::size_t i = 0; i < first; ++i) half_.words[i] = small_[i];
  } else if (base_ != half_.words && used_ <= kSlotWords) {
    // It was larger, and what it was larger by is forgotten: readers look for it in the slot.
    std::memcpy(half_.words, base_, used_ * sizeof(Word));
    region_.Trim(slot_, direction_);
  }
  half_.size = static_cast<std::uint32_t>(used_);
}

In ReadSlot(Region& region, unsigned slot, Direction direction) {
  const Half& half = HalfOf(region.slot(slot), direction);
  // Read once: who is broken may change it meanwhile.
  const std::uint32_t size = *const_cast<const volatile std::uint32_t*>(&half.size);
  if (size <= kSlotWords) return In(half.words, size);
  return In(reinterpret_cast<const Word*>(region.Window(slot, direction)),
            std::min<std::uint64_t>(size, kMaxMessageWords));
}

}  // namespace remoteobj::transport_internal
