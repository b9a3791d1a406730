// SPDX-License-Identifier: MIT
//
// Writers of a SharedLog: they take a lane, write behind its tail, and publish the record by moving
// the tail. shared_log.cc has the reasons. Everything here is async-signal-safe but Append().
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>

#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/shared_memory/internal/bell.h"
#include "remoteobj/transport/shared_memory/internal/shared_log_layout.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj {
namespace {

using transport_internal::AlignedTo8;
using transport_internal::Identity;

// How long a writer waits for a lane, in nanoseconds: the first time, and after a wait that was in
// vain. And how often it only yields before it sleeps.
constexpr std::int64_t kLaneWait = 5'000'000'000;
constexpr std::int64_t kShortWait = 50'000'000;
constexpr unsigned kYields = 100;

std::int64_t NowNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

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
  const std::uint64_t bytes = sizeof record + AlignedTo8(data.size());

  std::uint64_t offset = 0;
  Lane* lane = nullptr;
  if (const int error = TakeLane(bytes, &lane, &offset)) return error;
  const std::uint64_t tail = lane->tail.load(std::memory_order_relaxed);
  static constexpr char kPadding[8] = {};
  const iovec parts[] = {{&record, sizeof record},
                         {const_cast<char*>(data.data()), data.size()},
                         {const_cast<char*>(kPadding), AlignedTo8(data.size()) - data.size()}};
  const int error = WriteAt(offset + tail, parts, std::size(parts));
  if (error == 0) lane->tail.store(tail + bytes, std::memory_order_release);
  lane->owner.store(0, std::memory_order_release);
  if (error == 0 && wake_fd_.get() >= 0) WakeReaders();
  return error;
}

std::uint64_t SharedLog::Append(std::uint32_t kind, std::string_view data) {
  std::uint64_t sequence;
  if (const int error = Write(kind, data, &sequence)) transport_internal::ThrowLogWriteError(error);
  return sequence;
}

bool SharedLog::AppendInSignalHandler(std::uint32_t kind, std::string_view data) noexcept {
  std::uint64_t sequence;
  const int before = errno;
  const bool written = Write(kind, data, &sequence) == 0;
  errno = before;
  return written;
}

}  // namespace remoteobj
