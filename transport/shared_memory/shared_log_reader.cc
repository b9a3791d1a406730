// SPDX-License-Identifier: MIT
//
// Readers of a SharedLog: they merge the lanes by the sequence of their records, and leave out what
// another process has damaged. shared_log.cc has the reason why that order holds.
#include <poll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "remoteobj/transport/internal/futex.h"
#include "remoteobj/transport/shared_memory/internal/shared_log_layout.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj {
namespace {

using transport_internal::AlignedTo8;
using transport_internal::kLogPage;

// A reader takes so much at once where there is so much.
constexpr std::size_t kReadAhead = 64 << 10;
// Memory is given back in steps, since each one is a system call.
constexpr std::uint64_t kGiveBackBytes = 1 << 20;
// A reader keeps a buffer of at most this size for the next large record.
constexpr std::size_t kKeptBuffer = 16 << 20;

// Resets an eventfd. O_NONBLOCK is a flag of the open file, and a writer can clear it and read the
// count first. So the flag is the call's own, where the kernel has that for eventfds (Linux 5.8).
void ReadWithoutBlocking(int fd) {
  std::uint64_t count;
  const iovec part{&count, sizeof count};
  if (preadv2(fd, &part, 1, -1, RWF_NOWAIT) >= 0 || errno == EAGAIN || errno == EINTR) return;
  [[maybe_unused]] const ssize_t ignored = read(fd, &count, sizeof count);
}

}  // namespace

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
    if (head.check != head.Check() || !RecordHeader::Fits(head.size, tail - cursor.next)) {
      // Another process has cleared it since, and the lane's beginning tells where to go on; or one
      // has overwritten it, and the next record can't be found.
      cursor.size = 0;
      if (lane.begin.load(std::memory_order_acquire) <= cursor.next) cursor.next = tail;
    } else if (head.sequence < log_.cleared()) {
      cursor.next += sizeof head + AlignedTo8(head.size);
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
    cursor.next = data + AlignedTo8(head.size);
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
  cursor.next = data + AlignedTo8(head.size);
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
  const std::uint64_t until = cursor.next / kLogPage * kLogPage;
  if (until >= cursor.given_back + kGiveBackBytes) {
    const std::uint64_t base = log_.OffsetOf(index);
    transport_internal::PunchHole(log_.memory_fd_, base + cursor.given_back, base + until);
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
