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
#include <linux/falloc.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/shared_memory/internal/bell.h"

namespace remoteobj {
namespace {

using transport_internal::Identity;
using transport_internal::OwnDescriptor;

constexpr unsigned kLanes = 32;
constexpr unsigned kFewLanes = 4;  // Under a limit of file sizes.
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kExtraOffset = kPage - SharedLog::kExtraBytes;
// So much passes through a lane in the log's life: 4 PiB, days at the speed of memory.
constexpr std::uint64_t kLaneBytes = std::uint64_t{1} << 52;
// A reader takes so much at once where there is so much.
constexpr std::size_t kReadAhead = 64 << 10;
// Memory is given back in steps, since each one is a system call.
constexpr std::uint64_t kGiveBackBytes = 1 << 20;
// A reader keeps a buffer of at most this size for the next large record.
constexpr std::size_t kKeptBuffer = 16 << 20;

// How long a writer waits for a lane, in nanoseconds: the first time, and after a wait that was in
// vain. And how often it only yields before it sleeps.
constexpr std::int64_t kLaneWait = 5'000'000'000;
constexpr std::int64_t kShortWait = 50'000'000;
constexpr unsigned kYields = 100;

// Async-signal-safe, as all that a writer calls.
std::int64_t NowNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

constexpr std::uint64_t Align8(std::uint64_t n) { return (n + 7) & ~std::uint64_t{7}; }

[[noreturn]] void ThrowErrno(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

[[noreturn]] void ThrowWrite(int error) {
  ThrowErrno(error,
             error == EFBIG
                 ? "remoteobj: a log has no room left, since there was a limit of file sizes "
                   "(RLIMIT_FSIZE, ulimit -f) or of its records when it was made"
             : error == ETIMEDOUT
                 ? "remoteobj: other processes hold all lanes of a log, and none of them writes"
                 : "remoteobj: write to a log");
}

// Raises `word` to `value` if it is lower.
void RaiseTo(std::atomic<std::uint64_t>& word, std::uint64_t value) {
  std::uint64_t old = word.load(std::memory_order_relaxed);
  while (old < value && !word.compare_exchange_weak(old, value, std::memory_order_acq_rel)) {
  }
}

void Punch(const OwnDescriptor& file, std::uint64_t from, std::uint64_t to) {
  // A failure costs memory, and nothing else.
  if (from < to && file.IsOurs()) {
    [[maybe_unused]] const int ignored =
        fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                  static_cast<off_t>(to - from));
  }
}

// Bytes of the file that are mapped for a moment. `first_page` is a mapping of its first page.
class Mapped {
 public:
  // REQUIRES: the file has that size.
  Mapped(const OwnDescriptor& file, void* first_page, std::uint64_t offset, std::size_t size) {
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t from = offset / page * page;
    length_ = static_cast<std::size_t>(offset - from) + size;
    void* const memory =
        transport_internal::MapPart(file, first_page, static_cast<off_t>(from), length_);
    if (memory == nullptr) return;
    memory_ = static_cast<char*>(memory);
    data_ = memory_ + (offset - from);
#ifdef MADV_POPULATE_WRITE
    // A lack of memory is an error here, and later a SIGBUS. Before Linux 5.14 it isn't noticed.
    if (madvise(memory_, length_, MADV_POPULATE_WRITE) != 0 && errno != EINVAL) data_ = nullptr;
#endif
  }
  ~Mapped() {
    if (memory_ != nullptr) munmap(memory_, length_);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  // Null if there is no memory or no address space for it.
  char* data() const { return data_; }

 private:
  std::size_t length_ = 0;
  char* memory_ = nullptr;
  char* data_ = nullptr;
};

// All of it, or false.
bool ReadAt(const OwnDescriptor& file, std::uint64_t offset, char* data, std::size_t size) {
  if (!file.IsOurs()) return false;
  while (size > 0) {
    const ssize_t n = pread(file.get(), data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// Resets an eventfd. O_NONBLOCK is a flag of the open file, and a writer can clear it and read the
// count first. So the flag is the call's own, where the kernel has that for eventfds (Linux 5.8).
void ReadWithoutBlocking(int fd) {
  std::uint64_t count;
  const iovec part{&count, sizeof count};
  if (preadv2(fd, &part, 1, -1, RWF_NOWAIT) >= 0 || errno == EAGAIN || errno == EINTR) return;
  [[maybe_unused]] const ssize_t ignored = read(fd, &count, sizeof count);
}

}  // namespace

// Positions are in bytes from the lane's beginning, and only grow.
struct alignas(64) SharedLog::Lane {
  std::atomic<Identity> owner;       // 0: none. Acquired and released with the lane.
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
  Lane lanes[kLanes];
};

struct SharedLog::RecordHeader {
  static constexpr std::uint64_t kMark = 0x6f6c6a626f74726d;

  std::uint64_t sequence = 0;
  std::uint64_t size = 0;
  std::uint32_t kind = 0;
  std::uint32_t unused = 0;
  std::uint64_t check = 0;

  std::uint64_t Check() const {
    return kMark ^ (sequence * 0x9e3779b97f4a7c15u) ^ (size << 17) ^ kind;
  }
};

// `size` is a record's, `room` the bytes from its header to the lane's tail. Both may be anything.
static bool Fits(std::uint64_t size, std::uint64_t room) {
  constexpr std::uint64_t kHeaderBytes = 32;
  return room >= kHeaderBytes && size <= room - kHeaderBytes;
}

SharedLog::SharedLog(Options options) {
  memory_fd_ =
      transport_internal::NewMemoryFile("remoteobj-log", transport_internal::Sealing::kAllowed);
  // All that there may ever be; it takes memory only where something is written.
  const auto limit = static_cast<std::uint64_t>(transport_internal::FileSizeLimit());
  const bool bounded = options.max_record < kLaneBytes - kPage;
  const bool few = bounded || limit < kPage + (kLanes + 1) * kLaneBytes;
  const unsigned lanes = few ? kFewLanes : kLanes;
  const std::uint64_t allowed =
      few ? (std::max(limit, kPage) - kPage) / (lanes + 1) / kPage * kPage : kLaneBytes;
  const std::uint64_t wanted =
      bounded ? (options.max_record + sizeof(RecordHeader) + kPage) / kPage * kPage : kLaneBytes;
  const std::uint64_t lane_bytes = std::min(allowed, wanted);
  transport_internal::ResizeMemoryFile(
      memory_fd_.get(), static_cast<off_t>(kPage + (lanes + 1) * lane_bytes), "a log");
  // No process can cut it short: an access to what is mapped would be a SIGBUS.
  fcntl(memory_fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  // A page that can't be had is an error now, and not a SIGBUS later.
  if (fallocate(memory_fd_.get(), 0, 0, kPage) != 0)
    ThrowErrno(errno, "remoteobj: memory of a log");
  if (options.can_wait) {
    wake_fd_ = OwnDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (wake_fd_.get() < 0) ThrowErrno(errno, "remoteobj: eventfd");
  }
  Map();
  lane_count_ = header_->lane_count = lanes;
  lane_bytes_ = header_->lane_bytes = lane_bytes;
}

SharedLog::SharedLog(int memory_fd, int wake_fd) : memory_fd_(memory_fd), wake_fd_(wake_fd) {
  Map();
  lane_count_ = header_->lane_count;
  lane_bytes_ = header_->lane_bytes;
  if (lane_count_ == 0 || lane_count_ > kLanes || lane_bytes_ > kLaneBytes) {
    munmap(header_, kPage);
    ThrowErrno(EINVAL, "remoteobj: the received descriptor is not the memory of a log");
  }
}

void SharedLog::Map() {
  void* memory = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_.get(), 0);
  if (memory == MAP_FAILED) ThrowErrno(errno, "remoteobj: mmap of a log");
  static_assert(kPage + (kLanes + 1) * kLaneBytes < std::uint64_t{1} << 62);
  static_assert(sizeof(Header) <= kExtraOffset && std::atomic<std::uint64_t>::is_always_lock_free);
  // Cleared memory is a Header as it begins.
  header_ = static_cast<Header*>(memory);
}

SharedLog::~SharedLog() { munmap(header_, kPage); }

// Other processes may write a position beyond the lane.
std::uint64_t SharedLog::TailOf(unsigned lane) const {
  return std::min(header_->lanes[lane].tail.load(std::memory_order_acquire), lane_bytes_);
}

// The memory of the file, an upper limit for the bytes of the records that are there now: other
// processes raise it only by memory that they take. Empty if this process has closed the
// descriptor.
std::optional<std::uint64_t> SharedLog::MemoryBytes() const {
  constexpr std::uint64_t kBlock = 512;
  struct stat status{};
  if (!memory_fd_.IsOurs() || fstat(memory_fd_.get(), &status) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_blocks) * kBlock;
}

void* SharedLog::extra() const { return reinterpret_cast<char*>(header_) + kExtraOffset; }

std::uint64_t SharedLog::OffsetOf(unsigned lane) const { return kPage + lane * lane_bytes_; }

// Returns errno, or 0: EFBIG if no lane has so much room, ETIMEDOUT if the lanes that have it stay
// taken. An owner holds a lane for one write; a process that claims all of them for longer, or
// writes others' identities into them, must not block this one.
int SharedLog::TakeLane(std::uint64_t bytes, Lane** taken, std::uint64_t* offset) noexcept {
  static constinit thread_local unsigned last = 0;
  const Identity self = transport_internal::Self();
  const unsigned count = lane_count_;
  std::int64_t end = 0;
  for (unsigned round = 0;; ++round) {
    bool room = false;
    for (unsigned i = 0; i < count; ++i) {
      const unsigned index = (last + i) % count;
      Lane& lane = header_->lanes[index];
      const auto full = [&] {
        const std::uint64_t tail = lane.tail.load(std::memory_order_relaxed);
        return tail > lane_bytes_ || bytes > lane_bytes_ - tail;
      };
      if (full()) continue;
      room = true;
      Identity owner = lane.owner.load(std::memory_order_relaxed);
      // It takes a system call to see if an owner lives, so it is made only where all lanes are
      // taken.
      if (owner != 0 && (round == 0 || transport_internal::Alive(owner))) continue;
      if (lane.owner.compare_exchange_strong(owner, self, std::memory_order_acquire)) {
        if (full()) {
          lane.owner.store(0, std::memory_order_release);
          continue;
        }
        last = index;
        *offset = OffsetOf(index);
        *taken = &lane;
        lanes_are_blocked_.store(false, std::memory_order_relaxed);
        return 0;
      }
    }
    if (!room) return EFBIG;
    if (round == 0) continue;
    const std::int64_t now = NowNanoseconds();
    if (end == 0) {
      end = now + (lanes_are_blocked_.load(std::memory_order_relaxed) ? kShortWait : kLaneWait);
    }
    if (now >= end) {
      lanes_are_blocked_.store(true, std::memory_order_relaxed);
      return ETIMEDOUT;
    }
    if (round < kYields) {
      sched_yield();
    } else {
      const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
      syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, nullptr);
    }
  }
}

// The writer that makes a reader return from Wait(). It must not block: O_NONBLOCK is a flag of the
// open file, which other processes have, too, and no call writes to an eventfd with a flag of its
// own. So a full eventfd is left alone, and one that another process has made blocking is not
// written to again by this one; readers poll then.
void SharedLog::WakeReaders() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!wake_fd_.IsOurs() || wake_is_blocking_.load(std::memory_order_relaxed)) {
    header_->silent.store(1, std::memory_order_relaxed);
  } else if (header_->waiting.load(std::memory_order_relaxed) > 0) {
    if (!transport_internal::AddWithoutBlocking(wake_fd_.get())) {
      wake_is_blocking_.store(true, std::memory_order_relaxed);
      header_->silent.store(1, std::memory_order_relaxed);
    }
  }
}

int SharedLog::Write(std::uint32_t kind, std::string_view data, std::uint64_t* sequence) noexcept {
  RecordHeader record;
  record.sequence = header_->sequence.fetch_add(1, std::memory_order_relaxed);
  record.size = data.size();
  record.kind = kind;
  record.check = record.Check();
  *sequence = record.sequence;
  const std::uint64_t bytes = sizeof record + Align8(data.size());

  std::uint64_t offset = 0;
  Lane* lane = nullptr;
  if (const int error = TakeLane(bytes, &lane, &offset)) return error;
  const std::uint64_t tail = lane->tail.load(std::memory_order_relaxed);
  static constexpr char kPadding[8] = {};
  const iovec parts[] = {{&record, sizeof record},
                         {const_cast<char*>(data.data()), data.size()},
                         {const_cast<char*>(kPadding), Align8(data.size()) - data.size()}};
  const int error = WriteAt(offset + tail, parts, std::size(parts));
  if (error == 0) lane->tail.store(tail + bytes, std::memory_order_release);
  lane->owner.store(0, std::memory_order_release);
  if (error == 0 && wake_fd_.get() >= 0) WakeReaders();
  return error;
}

// Returns errno, or 0.
int SharedLog::WriteAt(std::uint64_t offset, const iovec* parts, std::size_t count) noexcept {
  constexpr std::size_t kMostParts = 3;
  std::size_t size = 0;
  iovec left[kMostParts];
  for (std::size_t i = 0; i < count; ++i) size += (left[i] = parts[i]).iov_len;
  // To write beyond the limit would raise SIGXFSZ.
  if (!memory_fd_.IsOurs() ||
      offset + size > static_cast<std::uint64_t>(transport_internal::FileSizeLimit())) {
    return WriteMapped(offset, parts, count);
  }
  for (iovec* part = left; part != left + count;) {
    // Not through the library: there it would be a point at which a thread can be cancelled.
    const long n = syscall(SYS_pwritev, memory_fd_.get(), part, left + count - part, offset, 0);
    if (n < 0) {
      if (errno != EINTR) return errno;
      continue;
    }
    offset += static_cast<std::uint64_t>(n);
    for (std::size_t rest = static_cast<std::size_t>(n); part != left + count;) {
      const std::size_t taken = std::min(rest, part->iov_len);
      part->iov_base = static_cast<char*>(part->iov_base) + taken;
      part->iov_len -= taken;
      rest -= taken;
      if (part->iov_len > 0) break;
      ++part;
    }
  }
  return 0;
}

// Returns errno, or 0.
int SharedLog::WriteMapped(std::uint64_t offset, const iovec* parts, std::size_t count) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) size += parts[i].iov_len;
  const Mapped file(memory_fd_, header_, offset, size);
  if (file.data() == nullptr) return errno;
  char* to = file.data();
  for (std::size_t i = 0; i < count; to += parts[i++].iov_len) {
    if (parts[i].iov_len != 0) std::memcpy(to, parts[i].iov_base, parts[i].iov_len);
  }
  return 0;
}

// All of it, or false. Throws where the descriptor is closed, and nothing can be mapped.
bool SharedLog::Read(std::uint64_t offset, char* data, std::size_t size) const {
  if (size == 0) return true;
  if (memory_fd_.IsOurs()) return ReadAt(memory_fd_, offset, data, size);
  const Mapped file(memory_fd_, header_, offset, size);
  if (file.data() == nullptr) ThrowErrno(ENOMEM, "remoteobj: memory to read a log");
  std::memcpy(data, file.data(), size);
  return true;
}

bool SharedLog::ReadOwners(std::uint64_t offset, char* data, std::size_t size) const {
  return offset + size <= lane_bytes_ && Read(OffsetOf(lane_count_) + offset, data, size);
}

void SharedLog::WriteOwners(std::uint64_t offset, std::string_view data) {
  const iovec part{const_cast<char*>(data.data()), data.size()};
  const int error = offset + data.size() > lane_bytes_
                        ? EFBIG
                        : WriteAt(OffsetOf(lane_count_) + offset, &part, 1);
  if (error != 0) ThrowWrite(error);
}

std::uint64_t SharedLog::Append(std::uint32_t kind, std::string_view data) {
  std::uint64_t sequence;
  if (const int error = Write(kind, data, &sequence)) ThrowWrite(error);
  return sequence;
}

bool SharedLog::AppendInSignalHandler(std::uint32_t kind, std::string_view data) noexcept {
  std::uint64_t sequence;
  const int before = errno;
  const bool written = Write(kind, data, &sequence) == 0;
  errno = before;
  return written;
}

void SharedLog::Clear() {
  const std::uint64_t until = header_->sequence.load(std::memory_order_relaxed);
  RaiseTo(header_->cleared, until);
  for (unsigned i = 0; i < lane_count_; ++i) {
    Lane& lane = header_->lanes[i];
    const std::uint64_t begin = lane.begin.load(std::memory_order_acquire);
    const std::uint64_t tail = TailOf(i);
    std::uint64_t at = begin;
    for (RecordHeader record; at < tail; at += sizeof record + Align8(record.size)) {
      // A consuming reader may have given it back already; then nothing before the tail is needed.
      const bool whole = Read(OffsetOf(i) + at, reinterpret_cast<char*>(&record), sizeof record) &&
                         record.check == record.Check() && Fits(record.size, tail - at);
      if (!whole) {
        at = tail;
        break;
      }
      if (record.sequence >= until) break;
    }
    RaiseTo(lane.begin, at);
    Punch(memory_fd_, OffsetOf(i) + begin / kPage * kPage, OffsetOf(i) + at / kPage * kPage);
  }
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

struct SharedLog::Reader::Cursor {
  std::uint64_t next = 0;  // The begin of the next record.
  std::optional<RecordHeader> head = {};
  std::uint64_t given_back = 0;
  // Bytes [at, at + size) of the lane.
  std::unique_ptr<char[]> buffer = {};
  std::uint64_t at = 0;
  std::size_t size = 0;
};

SharedLog::Reader::Reader(SharedLog& log, bool consume)
    : log_(log), consume_(consume), cursors_(log.lane_count_) {}

SharedLog::Reader::~Reader() = default;

// Finds the lane's next record, if it is there. The tail is read once, so that a writer that keeps
// moving it does not hold the reader.
bool SharedLog::Reader::FindHead(unsigned index) {
  Cursor& cursor = cursors_[index];
  const Lane& lane = log_.header_->lanes[index];
  const std::uint64_t tail = log_.TailOf(index);
  while (!cursor.head) {
    cursor.next = std::max(cursor.next, lane.begin.load(std::memory_order_acquire));
    if (cursor.next >= tail) return false;
    if (cursor.next < cursor.at || cursor.next + sizeof(RecordHeader) > cursor.at + cursor.size) {
      if (cursor.buffer == nullptr) {
        cursor.buffer = std::make_unique_for_overwrite<char[]>(kReadAhead);
      }
      cursor.at = cursor.next;
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(tail - cursor.at, kReadAhead));
      cursor.size = 0;
      if (log_.Read(log_.OffsetOf(index) + cursor.at, cursor.buffer.get(), size))
        cursor.size = size;
    }
    RecordHeader head;
    if (cursor.size >= sizeof head) {
      std::memcpy(&head, cursor.buffer.get() + (cursor.next - cursor.at), sizeof head);
    }
    if (head.check != head.Check() || !Fits(head.size, tail - cursor.next)) {
      // Another process has cleared it since, and the lane's beginning tells where to go on; or one
      // has overwritten it, and the next record can't be found.
      cursor.size = 0;
      if (lane.begin.load(std::memory_order_acquire) <= cursor.next) cursor.next = tail;
    } else if (head.sequence < log_.cleared()) {
      cursor.next += sizeof head + Align8(head.size);
    } else {
      cursor.head = head;
    }
  }
  return true;
}

// Looks at all lanes until a round finds nothing new. Returns true if there is any record.
bool SharedLog::Reader::FindHeads() {
  bool any = false;
  for (bool found = true; found;) {
    found = false;
    for (unsigned i = 0; i < cursors_.size(); ++i) {
      if (!cursors_[i].head && FindHead(i)) found = true;
      any |= cursors_[i].head.has_value();
    }
  }
  return any;
}

std::optional<SharedLog::Record> SharedLog::Reader::Next() {
  // A Clear() costs one record of each lane at most. Another process can write what only looks like
  // a record without end, and must not hold this one.
  constexpr int kMostInVain = 1000;
  for (int vain = 0; vain < kMostInVain && FindHeads(); ++vain) {
    std::size_t first = cursors_.size();
    for (unsigned i = 0; i < cursors_.size(); ++i) {
      if (!cursors_[i].head) continue;
      if (first == cursors_.size() || cursors_[i].head->sequence < cursors_[first].head->sequence)
        first = i;
    }
    if (const auto record = Take(static_cast<unsigned>(first))) return record;
  }
  return std::nullopt;
}

void SharedLog::Reader::ReadAll(absl::FunctionRef<void(const Record&)> use) {
  for (std::uint64_t left = log_.MemoryBytes().value_or(log_.Backlog()); left > 0;) {
    const auto record = Next();
    if (!record) return;
    left -= std::min(left, sizeof(RecordHeader) + record->data.size());
    use(*record);
  }
}

// The lane's record, unless another process clears it.
std::optional<SharedLog::Record> SharedLog::Reader::Take(unsigned index) {
  Cursor& cursor = cursors_[index];
  const RecordHeader head = *cursor.head;
  const std::uint64_t begin = cursor.next;
  const std::uint64_t data = begin + sizeof head;
  const auto size = static_cast<std::size_t>(head.size);
  if (size > kKeptBuffer && size > log_.MemoryBytes().value_or(size)) {
    // Another process has cleared it since, or it is no record.
    cursor.head.reset();
    cursor.next = data + Align8(head.size);
    return std::nullopt;
  }
  const bool buffered = data >= cursor.at && data + size <= cursor.at + cursor.size;
  if (!buffered && (large_size_ < size || (large_size_ > kKeptBuffer && size <= kKeptBuffer))) {
    large_size_ = 0;
    large_.reset();
    large_ =
        std::make_unique_for_overwrite<char[]>(size);  // If it fails, the record is still there.
    large_size_ = size;
  }
  cursor.head.reset();
  cursor.next = data + Align8(head.size);
  const char* at = nullptr;
  if (buffered) {
    at = cursor.buffer.get() + (data - cursor.at);
  } else {
    if (!log_.Read(log_.OffsetOf(index) + data, large_.get(), size)) return std::nullopt;
    at = large_.get();
  }
  const bool cleared = head.sequence < log_.cleared();
  if (consume_) GiveBack(index);
  if (cleared) return std::nullopt;
  return Record{head.sequence, head.kind, std::string_view(at, size)};
}

void SharedLog::Reader::GiveBack(unsigned index) {
  Cursor& cursor = cursors_[index];
  Header& header = *log_.header_;
  std::uint64_t consumed = 0;
  for (const Cursor& each : cursors_) consumed += each.next;
  header.consumed.store(consumed, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (header.blocked.load(std::memory_order_relaxed) > 0) {
    header.room.fetch_add(1, std::memory_order_release);
    transport_internal::FutexWakeAll(header.room);
  }
  const std::uint64_t until = cursor.next / kPage * kPage;
  if (until >= cursor.given_back + kGiveBackBytes) {
    const std::uint64_t base = log_.OffsetOf(index);
    Punch(log_.memory_fd_, base + cursor.given_back, base + until);
    cursor.given_back = until;
  }
}

bool SharedLog::Reader::Wait(int other_fd, absl::Duration timeout) {
  Header& header = *log_.header_;
  header.waiting.fetch_add(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  bool ready = FindHeads();
  if (!ready) {
    const int wake_fd = log_.wake_fd_.IsOurs() ? log_.wake_fd_.get() : -1;
    pollfd wait[] = {{wake_fd, POLLIN, 0}, {other_fd, POLLIN, 0}};
    if (wake_fd < 0 || header.silent.load(std::memory_order_relaxed) != 0) {
      timeout = std::min(timeout, absl::Milliseconds(20));
    }
    const timespec limit =
        absl::ToTimespec(std::clamp(timeout, absl::ZeroDuration(), absl::Hours(1000)));
    ready = ppoll(wait, 2, &limit, nullptr) != 0;  // An interrupted wait returns early.
    if (wait[0].revents != 0) {
      ReadWithoutBlocking(wake_fd);
    }
  }
  header.waiting.fetch_sub(1, std::memory_order_relaxed);
  return ready;
}

}  // namespace remoteobj
