// SPDX-License-Identifier: MIT
#include "remoteobj/transport/shared_memory/internal/region.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/no_memory.h"

namespace remoteobj::transport_internal {
namespace {

// Windows are mapped and freed in multiples of it: a multiple of every page size.
constexpr std::uint64_t kBlock = 64 << 10;

constexpr std::uint64_t ToBlocks(std::uint64_t bytes) {
  return (bytes + kBlock - 1) / kBlock * kBlock;
}

constexpr std::uint64_t kBaseBytes = ToBlocks(sizeof(Header) + kSlots * sizeof(Slot));
// Fresh pages cost more than copying, so a window keeps some, in the file and in each process's
// address space, up to a limit for all of them together.
constexpr std::uint64_t kRetainedPerWindow = 96 << 20;
constexpr std::int64_t kRetainedInAll = 256 << 20;

// A mapping packed into a word: its address in units of 4 KiB, and its size in blocks.
constexpr unsigned kSizeBits = 17;
static_assert(kWindowBytes / kBlock < (std::uint64_t{1} << kSizeBits));

std::uint64_t PackMapping(const std::byte* base, std::uint64_t size) {
  return (reinterpret_cast<std::uintptr_t>(base) >> 12) << kSizeBits | size / kBlock;
}
std::byte* BaseOf(std::uint64_t mapping) {
  return reinterpret_cast<std::byte*>((mapping >> kSizeBits) << 12);
}
std::uint64_t SizeOf(std::uint64_t mapping) {
  return (mapping & ((std::uint64_t{1} << kSizeBits) - 1)) * kBlock;
}

std::uint64_t WindowBytes(std::uint64_t file_bytes) {
  if (file_bytes < kBaseBytes) return 0;
  return std::min(kWindowBytes, (file_bytes - kBaseBytes) / (2 * kSlots) / kBlock * kBlock);
}

[[noreturn]] void ThrowErrno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Region::Region() {
  fd_ = NewMemoryFile("remoteobj", Sealing::kAllowed);
  window_bytes_ = WindowBytes(static_cast<std::uint64_t>(FileSizeLimit()));
  const std::uint64_t bytes = kBaseBytes + 2 * kSlots * window_bytes_;
  ResizeMemoryFile(fd_.get(), static_cast<off_t>(bytes), "the shared memory of a proxy");
  sealed_ = fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
  // The file system may have less room than that; a page without room is a SIGBUS.
  if (!sealed_ && fallocate(fd_.get(), 0, 0, kBaseBytes) != 0) {
    ThrowErrno("remoteobj: room in /dev/shm for the shared memory of a proxy");
  }
  Map();
  new (header_) Header;
}

Region::Region(int fd, Origin origin) : fd_(fd) {
  struct stat status{};
  if (fstat(fd_.get(), &status) == 0) {
    window_bytes_ = WindowBytes(static_cast<std::uint64_t>(status.st_size));
  }
  const int seals = fcntl(fd_.get(), F_GET_SEALS);
  sealed_ = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  if (static_cast<std::uint64_t>(status.st_size) < kBaseBytes ||
      (origin == Origin::kStranger && !sealed_)) {
    throw BadValue(
        "the received descriptor is not the shared memory of a proxy, or its file could be cut "
        "short");
  }
  Map();
}

void Region::Map() {
  memory_ = TryMap(0, kBaseBytes);
  if (memory_ == nullptr) ThrowErrno("remoteobj: mmap of shared memory");
  header_ = static_cast<Header*>(memory_);
  // Cleared memory is a Slot's initial state, so a slot that is never used costs no page.
  slots_ = reinterpret_cast<Slot*>(static_cast<std::byte*>(memory_) + sizeof(Header));
}

Region::~Region() {
  for (auto& mapping : mappings_) {
    if (const auto kept = mapping.load(std::memory_order_relaxed); kept != 0) {
      munmap(BaseOf(kept), SizeOf(kept));
    }
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
  // Only the token can tell where the pid means nothing.
  return OfThisNamespace(process) || (process & kHasToken) == 0 || !fd_.IsOurs();
}

std::uint64_t Region::OffsetOf(unsigned slot, Direction direction) const {
  return kBaseBytes + (2 * slot + static_cast<unsigned>(direction)) * window_bytes_;
}

bool Region::Backed(unsigned slot, Direction direction, std::uint64_t bytes) const {
  const auto offset = static_cast<off_t>(OffsetOf(slot, direction));
  const off_t hole = lseek(fd(), offset, SEEK_HOLE);
  return hole >= 0 && hole - offset >= static_cast<off_t>(bytes);
}

void Region::CopyWindow(unsigned slot, Direction direction, std::span<Word> to) const {
  const std::span<std::byte> bytes = std::as_writable_bytes(to);
  const std::uint64_t offset = OffsetOf(slot, direction);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t read =
        pread(fd(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (read > 0) {
      done += static_cast<std::size_t>(read);
    } else if (read == 0 || errno != EINTR) {
      throw std::system_error(read == 0 ? EIO : errno, std::generic_category(),
                              "can't read a message from shared memory");
    }
  }
}

void* Region::TryMap(std::uint64_t offset, std::uint64_t bytes) noexcept {
  return MapPart(fd_, memory_, static_cast<off_t>(offset), bytes);
}

void Region::Punch(unsigned slot, Direction direction, std::uint64_t from) noexcept {
  const std::uint64_t offset = OffsetOf(slot, direction) + from;
  const std::uint64_t bytes = window_bytes_ - from;
  if (fd_.IsOurs()) {
    fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
              static_cast<off_t>(bytes));
  } else if (void* const at = TryMap(offset, bytes)) {
    madvise(at, bytes, MADV_REMOVE);
    munmap(at, bytes);
  }
}

void Region::Trim(unsigned index, Direction direction) noexcept {
  std::atomic<std::uint32_t>& size = slot(index).size(direction);
  if (direction == Direction::kRequest) {
    if (slot(index).request_in_window == 0) return;
    slot(index).request_in_window = 0;
  } else if (size.load(std::memory_order_relaxed) <= kSlotWords) {
    return;
  }
  const std::uint64_t bytes = size.load(std::memory_order_relaxed) * sizeof(Word);
  const std::uint64_t used = std::min(ToBlocks(bytes), window_bytes_) / kBlock;
  size.store(0, std::memory_order_relaxed);
  std::uint32_t& retained = slot(index).retained_blocks[static_cast<unsigned>(direction)];
  const auto wanted = static_cast<std::uint32_t>(std::min(used, kRetainedPerWindow / kBlock));
  if (wanted > retained) {
    const std::int64_t more = wanted - retained;
    auto& all = header().retained_blocks;
    constexpr std::int64_t kMost = kRetainedInAll / kBlock;
    if (all.fetch_add(more, std::memory_order_relaxed) + more <= kMost) {
      retained = wanted;
    } else {
      all.fetch_sub(more, std::memory_order_relaxed);
    }
  }
  if (used > retained) Punch(index, direction, retained * kBlock);
}

Window::Window(Region& region, unsigned slot, Direction direction, For use)
    : region_(&region), slot_(slot), direction_(direction), use_(use) {
  const std::uint64_t kept = region.mapping(slot, direction).exchange(0, std::memory_order_acquire);
  base_ = BaseOf(kept);
  size_ = SizeOf(kept);
  if (size_ != 0) {
    region.mapped_bytes_.fetch_sub(static_cast<std::int64_t>(size_), std::memory_order_relaxed);
  }
}

Window& Window::operator=(Window&& other) noexcept {
  std::swap(region_, other.region_);
  std::swap(slot_, other.slot_);
  std::swap(direction_, other.direction_);
  std::swap(use_, other.use_);
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  return *this;
}

bool Window::TryMap(std::uint64_t bytes) noexcept {
  const std::uint64_t wanted = ToBlocks(bytes);
  const std::uint64_t offset = region_->OffsetOf(slot_, direction_);
  // On a file system with little room, a lack of it must be an error, not a SIGBUS.
  if (use_ == For::kWriting && !region_->sealed() && region_->fd_.IsOurs() &&
      fallocate(region_->fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                static_cast<off_t>(wanted)) != 0) {
    return false;
  }
  if (wanted <= size_) return true;
  void* const at =
      size_ == 0 ? region_->TryMap(offset, wanted) : mremap(base_, size_, wanted, MREMAP_MAYMOVE);
  if (at == nullptr || at == MAP_FAILED) return false;
  // A core dump would otherwise fill the holes.
  madvise(at, wanted, MADV_DONTDUMP);
  base_ = static_cast<std::byte*>(at);
  size_ = wanted;
  return true;
}

void Window::Map(std::uint64_t bytes) {
  if (bytes > region_->window_bytes_) {
    throw BadValue(absl::StrCat(
        "a message of ", bytes, " bytes, which is too large to send: ",
        region_->window_bytes_ == kWindowBytes
            ? "4 GiB is the most"
            : absl::StrCat("the limit of file sizes (RLIMIT_FSIZE, ulimit -f) that was in force "
                           "when the shared memory was made leaves ",
                           region_->window_bytes_, " bytes for each")));
  }
  // A writer does not know the final size yet: double it each time, if there is memory for that.
  if (bytes > size_ && use_ == For::kWriting && region_->sealed() &&
      TryMap(std::min(std::max(bytes, 2 * size_), region_->window_bytes_))) {
    return;
  }
  if (TryMap(bytes)) return;
  const int error = errno;
  std::string limit;
  if (rlimit space;
      error == ENOMEM && getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
    limit = absl::StrCat("; the limit of address space (RLIMIT_AS, ulimit -v) is ", space.rlim_cur,
                         " bytes");
  } else if (error == EBADF) {
    limit = "; the program has closed the descriptor of the shared memory";
  } else if (error == ENOSPC) {
    limit = "; the shared memory is in /dev/shm, since memfd_create is denied";
  }
  throw NoMemory(absl::StrCat("no memory can be mapped for a message of ", bytes,
                              " bytes: ", std::strerror(error), limit));
}

void Window::PutBack() noexcept {
  std::uint64_t kept = std::min(size_, kRetainedPerWindow);
  const auto more = static_cast<std::int64_t>(kept);
  auto& all = region_->mapped_bytes_;
  if (all.fetch_add(more, std::memory_order_relaxed) + more > kRetainedInAll) {
    all.fetch_sub(more, std::memory_order_relaxed);
    kept = 0;
  }
  if (kept < size_) munmap(base_ + kept, size_ - kept);
  if (kept == 0) return;
  const std::uint64_t other = region_->mapping(slot_, direction_)
                                  .exchange(PackMapping(base_, kept), std::memory_order_acq_rel);
  if (other == 0) return;
  all.fetch_sub(static_cast<std::int64_t>(SizeOf(other)), std::memory_order_relaxed);
  munmap(BaseOf(other), SizeOf(other));
}

SlotMessage::SlotMessage(Region& region, unsigned slot, Direction direction)
    : Out(small_, kSmallWords),
      region_(region),
      slot_(slot),
      direction_(direction),
      in_slot_(region.slot(slot).words(direction)),
      size_(region.slot(slot).size(direction)) {}

void SlotMessage::Reset() {
  // Frees the memory of this message; at its beginning, that of a writer that died.
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
    std::memcpy(in_slot_, base_, used_ * sizeof(Word));
    base_ = in_slot_;
    capacity_ = kSlotWords;
    return;
  }
  const bool first = base_ != window_.words();
  if (first && window_.bytes() == 0) {
    window_ = Window(region_, slot_, direction_, Window::For::kWriting);
  }
  window_.Map((used_ + words) * sizeof(Word));
  if (first) {
    // Now, so that Trim also frees a message that is never finished.
    size_.store(static_cast<std::uint32_t>(kMaxMessageWords), std::memory_order_relaxed);
    if (direction_ == Direction::kRequest) region_.slot(slot_).request_in_window = 1;
    std::memcpy(window_.words(), base_, used_ * sizeof(Word));
  }
  base_ = window_.words();
  capacity_ = std::min(window_.bytes() / sizeof(Word), kMaxMessageWords);
}

void SlotMessage::Finish() {
  if (base_ == small_) {
    const std::size_t first = std::min<std::size_t>(used_, kFirstLineWords);
    if (used_ > first) {
      std::memcpy(in_slot_ + first, small_ + first, (used_ - first) * sizeof(Word));
    }
    for (std::size_t i = 0; i < first; ++i) in_slot_[i] = small_[i];
  } else if (base_ != in_slot_ && used_ <= kSlotWords) {
    // It was larger before and is small now: readers look for it in the slot.
    std::memcpy(in_slot_, base_, used_ * sizeof(Word));
    region_.Trim(slot_, direction_);
  }
  size_.store(static_cast<std::uint32_t>(used_), std::memory_order_relaxed);
}

SlotReader::SlotReader(Region& region, unsigned slot, Direction direction, std::uint32_t size)
    : in_(nullptr, 0) {
  Slot& from = region.slot(slot);
  // The size was read once: a broken peer may change it at any time.
  if (size <= kSlotWords) {
    in_ = In(from.words(direction), size);
    return;
  }
  window_ = Window(region, slot, direction, Window::For::kReading);
  const std::uint64_t words = std::min<std::uint64_t>(size, kMaxMessageWords);
  window_.Map(words * sizeof(Word));
  in_ = In(window_.words(), words);
}

}  // namespace remoteobj::transport_internal
