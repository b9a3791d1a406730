// SPDX-License-Identifier: MIT
//
// The memory that the processes of a shared-memory channel have in common: a header, slots for one
// call each, and behind each slot two windows for messages which are larger than the slot.
//
//   Header | Slot 0 | Slot 1 | … | window of slot 0's request | window of slot 0's outcome | …
//
// All of it is one memfd, made before fork and so known to every process that is related. The
// windows are holes in it until they are used. A process maps as much of a window as the message in
// it takes, and keeps a limited amount mapped for the next message.
//
// The file has its size from the beginning: 4 GiB for each window, or an equal share of what the
// limit of file sizes (RLIMIT_FSIZE) leaves. It is sealed, so that no process that shares it can
// take pages away from under the others.
//
// Each process that has written its identity here holds a token: a POSIX record lock on a byte of
// the memfd, far behind its end, whose offset is the identity. The kernel releases it when the
// process ends, and anyone who has the memfd can ask for it: without /proc, a free descriptor, or a
// common PID namespace. It is also released if the process closes any descriptor of the memfd, so a
// token that is not held proves little while the pid says otherwise. Source: fcntl(2), F_SETLK.
//
// Who may write what: shared_memory_channel.cc has the argument, beside the states.
//
// Threads:  the atomics as they say; the rest belongs to the slot's owner, or to the listener that
//           has taken it.
// Lifetime: the kernel's: the memory goes with the last process that has it.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_REGION_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_REGION_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/wire/internal/flat.h"

namespace remoteobj::transport_internal {

// One bit of a 64-bit word for each, and one for "open".
inline constexpr unsigned kSlots = 62;
inline constexpr std::size_t kSlotWords = 1006;  // Of the request, and of the outcome.
inline constexpr std::size_t kLineWords = 64 / sizeof(Word);
inline constexpr std::size_t kFirstLineWords = kLineWords - 2;  // Behind what a half begins with.
inline constexpr std::size_t kSmallWords = kFirstLineWords + 7 * kLineWords;
inline constexpr std::uint64_t kWindowBytes = std::uint64_t{4} << 30;

// A part of a message, in a window.
struct Segment {
  std::uint64_t offset = 0;  // In words, from the window's beginning.
  std::uint64_t words = 0;
};

// A request, or an outcome. The word that publishes a message shares a cache line with the
// message's beginning, so that a small call moves three lines in all.
struct alignas(64) Half {
  std::atomic<std::uint32_t> word{0};  // Of the request its state; of the outcome its answer.
  std::uint32_t call = 0;              // Of the request its number; of the outcome, 1 if refused.
  // The size of the message in words: here, or if it is more than kSlotWords in the window. A
  // reader does not believe it. The listener looks at it while the slot may still be the client's,
  // to know what to fetch ahead.
  std::atomic<std::uint32_t> size{0};
  std::atomic<std::uint32_t> cpu{0};  // Where the writer was last seen, plus 1.
  Word words[kSlotWords];
};
static_assert(offsetof(Half, words) == 16);

struct Slot {
  // The client's. Others look at it only when slots run short.
  alignas(64) std::atomic<Identity> owner{0};
  std::uint32_t call = 0;                 // The number of the last one.
  std::uint32_t request_in_window = 0;    // Here, so that the request's line is left alone.
  std::uint32_t retained_blocks[2] = {};  // Of each window, kept for the next message.

  Half request;
  Half outcome;
};

struct Header {
  // Bit i: the listener is to look at slot i. Bit 63: open. One word, so that closing and calling
  // have one order.
  alignas(64) std::atomic<std::uint64_t> doorbell{0};
  // Whether the listener sleeps, or is about to, and whether it has been rung. A futex.
  alignas(64) std::atomic<std::uint32_t> sleeping{0};
  // Who listens, or listened last if it died; and the one that has been found dead.
  alignas(64) std::atomic<Identity> listener{0};
  std::atomic<Identity> buried{0};
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> listener_cpu{0};  // Where it was last seen, plus 1.
  std::atomic<std::uint32_t> openings{0};      // A futex: for those who wait for a listener.
  // How many calls have been sent, all together: their numbers are their order.
  alignas(64) std::atomic<std::uint32_t> calls{0};
  // For those who wait for a slot.
  alignas(64) std::atomic<std::uint32_t> freed{0};
  std::atomic<std::uint32_t> slot_waits{0};       // How often one began to wait.
  std::atomic<std::uint32_t> slot_waits_over{0};  // Of these, how many are known to be over.
  std::atomic<std::int64_t> retained_blocks{0};
};

enum class Direction { kRequest = 0, kOutcome = 1 };

// Who else has the memory that is attached to: this program, or one that need not be trusted.
enum class Origin { kThisProgram, kStranger };

class Region {
 public:
  // Throws std::system_error if there is no memory for it.
  Region();
  // The same memory as another Region's, by its fd(), which this one owns from then on. Throws
  // BadValue if it is not such memory, or a stranger's that is not sealed.
  Region(int fd, Origin origin);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // This process, as it is to be written into this memory: with a token, unless the descriptor has
  // been closed behind our back. The first call in a process takes the token.
  Identity Me() {
    const Identity me = me_.load(std::memory_order_relaxed);
    return (me & ~kHasToken) == Self() ? me : TakeToken();
  }

  // Whether that process may still run: false only if it is known to have ended. `process` was
  // written by its Me().
  bool Alive(Identity process);

  Header& header() { return *header_; }
  Slot& slot(unsigned index) { return slots_[index]; }
  // Throws std::system_error if the program has closed it.
  int fd() const { return fd_.Checked("the memory of a proxy"); }
  // Whether other processes are kept from cutting it short. It is not where memfd_create is denied.
  bool sealed() const { return sealed_; }
  // The size of a window: the largest message.
  std::uint64_t window_bytes() const { return window_bytes_; }

  // Gives back what a window need not keep, after a call. The message is gone then.
  void Trim(unsigned slot, Direction direction) noexcept;

 private:
  friend class Window;

  void Map();
  Identity TakeToken();
  bool HoldsToken(Identity process) const;
  std::uint64_t OffsetOf(unsigned slot, Direction direction) const;
  // Maps a part of the file. Null, with errno, if that fails.
  void* TryMap(std::uint64_t offset, std::uint64_t bytes) noexcept;
  // Gives back the pages of a window from there on.
  void Punch(unsigned slot, Direction direction, std::uint64_t from) noexcept;
  std::atomic<std::uint64_t>& mapping(unsigned slot, Direction direction) {
    return mappings_[2 * slot + static_cast<unsigned>(direction)];
  }

  OwnDescriptor fd_;
  std::atomic<Identity> me_{0};
  bool sealed_ = false;
  std::uint64_t window_bytes_ = 0;  // The size of a window; a multiple of 64 KiB.
  void* memory_ = nullptr;
  Header* header_ = nullptr;
  Slot* slots_ = nullptr;
  // What this process keeps mapped of each window, packed into a word; 0: nothing. A Window takes
  // the word out and puts another one back, so a mapping is one user's at a time.
  std::array<std::atomic<std::uint64_t>, 2 * kSlots> mappings_{};
  std::atomic<std::int64_t> mapped_bytes_{0};  // In all of them.
};

// The mapping of a slot's window while it is used. Two at a time for one window are two mappings of
// the same memory.
class Window {
 public:
  enum class For { kReading, kWriting };

  Window() = default;
  Window(Region& region, unsigned slot, Direction direction, For use);
  ~Window() {
    if (size_ != 0) PutBack();
  }
  Window(Window&& other) noexcept { *this = std::move(other); }
  Window& operator=(Window&& other) noexcept;

  Word* words() const { return reinterpret_cast<Word*>(base_); }
  // How much is mapped.
  std::uint64_t bytes() const { return size_; }
  // Maps at least so many bytes; may move. Throws BadValue, which names the limit that forbids it.
  void Map(std::uint64_t bytes);

 private:
  // Returns false, with errno, if it fails.
  bool TryMap(std::uint64_t bytes) noexcept;
  void PutBack() noexcept;

  Region* region_ = nullptr;
  unsigned slot_ = 0;
  Direction direction_ = Direction::kRequest;
  For use_ = For::kReading;
  std::byte* base_ = nullptr;
  std::uint64_t size_ = 0;
};

// Writes one message in a slot, or where it outgrows that in the window.
//
// A small one is made in private memory, and put there all at once at the end: the other side looks
// at the first line all the time, and each look takes the line away from who writes to it.
class SlotMessage final : public Out {
 public:
  SlotMessage(Region& region, unsigned slot, Direction direction);

  void Reset() override;
  // The message is in the slot, and its size. Call it at the end.
  void Finish();

 private:
  void Grow(std::uint64_t words) override;

  Region& region_;
  const unsigned slot_;
  const Direction direction_;
  Half& half_;
  Window window_;
  Word small_[kSmallWords];
};

// Brings the lines of a small message here to be written, while something else is done: but for the
// first, which the other side looks at and would take away again.
inline void ExpectToWrite(Half& half) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0\n\tprefetchw %1" ::"m"(half.words[kFirstLineWords]),
               "m"(half.words[kFirstLineWords + kLineWords]));
#else
  __builtin_prefetch(&half.words[kFirstLineWords], 1);
  __builtin_prefetch(&half.words[kFirstLineWords + kLineWords], 1);
#endif
}

// Brings the lines of a message behind the first one here, to be read.
inline void ExpectToRead(const Half& half) {
  constexpr std::size_t kMost = 8 * kLineWords;
  const std::size_t size = std::min<std::size_t>(half.size.load(std::memory_order_relaxed), kMost);
  for (std::size_t i = kFirstLineWords; i < size; i += kLineWords) {
    __builtin_prefetch(&half.words[i]);
  }
}

// Reads the message that a slot has. Throws BadValue if it can't be mapped.
class SlotReader {
 public:
  SlotReader(Region& region, unsigned slot, Direction direction);
  SlotReader(const SlotReader&) = delete;
  SlotReader& operator=(const SlotReader&) = delete;

  In& in() { return in_; }

 private:
  Window window_;
  In in_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_REGION_H_
