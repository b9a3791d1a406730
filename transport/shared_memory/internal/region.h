// SPDX-License-Identifier: MIT
//
// The memory that the processes of a shared-memory channel share: a header, slots for one call
// each, and for each slot two windows that hold messages larger than the slot.
//
//   Header | Slot 0 | Slot 1 | … | window of slot 0's request | window of slot 0's outcome | …
//
// All of it is one memfd, created before fork and inherited by related processes. The windows are
// holes in it until they are used. A process maps as much of a window as the message in it takes,
// and keeps a limited amount mapped for the next message.
//
// The file has its size from the beginning: 4 GiB for each window, or an equal share of what the
// limit of file sizes (RLIMIT_FSIZE) leaves. It is sealed, so that no process that shares it can
// truncate it while others use it.
//
// Each process that has written its identity here holds a token: a POSIX record lock on a byte of
// the memfd, far beyond its end, whose offset is the identity. The kernel releases the lock when
// the process ends, and every process that has the memfd can test for it: without /proc, a free
// descriptor, or a common PID namespace. The lock is also released if the process closes any
// descriptor of the memfd, so a token that is not held proves little while the pid says otherwise.
// Source: fcntl(2), F_SETLK.
//
// slots.h says which process may write which field, and why.
//
// Threads:  the atomics as they say; the rest belongs to the slot's owner, or to the listener that
//           has taken the slot.
// Lifetime: the memory is freed with the last process that has it.
#ifndef REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_REGION_H_
#define REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_REGION_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/wire/internal/flat.h"

namespace remoteobj::transport_internal {

// One bit of a 64-bit word for each, and one for "open".
inline constexpr unsigned kSlots = 62;
inline constexpr std::size_t kSlotWords = 1006;  // For the request, and for the outcome.
inline constexpr std::size_t kLineWords = 64 / sizeof(Word);
inline constexpr std::size_t kFirstLineWords = kLineWords - 2;  // After a slot's first fields.
inline constexpr std::size_t kSmallWords = kFirstLineWords + 7 * kLineWords;
inline constexpr std::uint64_t kWindowBytes = std::uint64_t{4} << 30;

// A part of a message, in a window.
struct Segment {
  std::uint64_t offset = 0;  // In words, from the window's beginning.
  std::uint64_t words = 0;
};

enum class Direction { kRequest = 0, kOutcome = 1 };

// A request and the state of its call. The word that publishes a message shares a cache line with
// the message's beginning, so a small call moves three cache lines in all.
struct alignas(64) RequestSlot {
  std::atomic<std::uint32_t> state{0};  // See slots.h.
  std::uint32_t number = 0;             // The number of the call.
  // The size of the message in words: it is here, or if it is more than kSlotWords in the window. A
  // reader does not trust it. The listener reads it while the slot may still be the caller's, to
  // prefetch the message.
  std::atomic<std::uint32_t> size{0};
  std::atomic<std::uint32_t> cpu{0};  // The CPU on which the caller last ran, plus 1.
  Word words[kSlotWords];
};
static_assert(offsetof(RequestSlot, words) == 16);

enum class Verdict : std::uint32_t {
  kAnswered = 0,
  kRefused = 1,   // The request was not evaluated.
  kReceived = 2,  // The caller has read the answer (polled_channel.h).
};

struct alignas(64) OutcomeSlot {
  std::atomic<std::uint32_t> answered_number{
      0};  // The number of the last call that has an outcome.
  Verdict verdict = Verdict::kAnswered;
  std::atomic<std::uint32_t> size{0};  // In bytes, like a request's.
  Word words[kSlotWords];
};
static_assert(offsetof(OutcomeSlot, size) == 8 && offsetof(OutcomeSlot, words) == 16);

struct Slot {
  // The caller's. Other processes look at it only when slots run short.
  alignas(64) std::atomic<Identity> owner{0};
  std::uint32_t number = 0;               // The number of the last call.
  std::uint32_t request_in_window = 0;    // Here, so that the request's line is left alone.
  std::uint32_t retained_blocks[2] = {};  // In each window, kept for the next message.

  RequestSlot request;
  OutcomeSlot outcome;

  Word* words(Direction direction) {
    return direction == Direction::kRequest ? request.words : outcome.words;
  }
  std::atomic<std::uint32_t>& size(Direction direction) {
    return direction == Direction::kRequest ? request.size : outcome.size;
  }
};

struct Header {
  // Bit i: the listener has to look at slot i. Bit 63: open. One word, so that closing and calling
  // have one order.
  alignas(64) std::atomic<std::uint64_t> doorbell{0};
  // A futex: ListenerSleep, see slots.h.
  alignas(64) std::atomic<std::uint32_t> sleeping{0};
  // The process that listens, or that listened last if it died; and one that was found dead.
  alignas(64) std::atomic<Identity> listener{0};
  std::atomic<Identity> dead_listener{0};
  std::atomic<std::uint32_t> generation{0};
  std::atomic<std::uint32_t> listener_cpu{0};  // The CPU on which it last ran, plus 1.
  std::atomic<std::uint32_t> openings{0};      // A futex, for threads that wait for a listener.
  // How many calls all callers have sent. A call's number is its place in the order.
  alignas(64) std::atomic<std::uint32_t> calls{0};
  // For threads that wait for a slot.
  alignas(64) std::atomic<std::uint32_t> freed{0};  // A futex.
  std::atomic<std::uint32_t> slot_waits{0};         // How many waits have begun.
  std::atomic<std::uint32_t> slot_waits_over{0};    // How many of them are known to be over.
  std::atomic<std::int64_t> retained_blocks{0};
};

// The program that shares the memory: this one, or one that is not trusted.
enum class Origin { kThisProgram, kStranger };

class Region {
 public:
  // Throws std::system_error if there is no memory for it.
  Region();
  // Maps the memory of another Region by its fd(), and takes ownership of that descriptor. Throws
  // BadValue if it is not such memory, or a stranger's that is not sealed.
  Region(int fd, Origin origin);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // The identity that this process writes into this memory: with a token, unless the program has
  // closed the descriptor. The first call in a process takes the token.
  Identity Me() {
    const Identity me = me_.load(std::memory_order_relaxed);
    return (me & ~kHasToken) == Self() ? me : TakeToken();
  }

  // Returns false only if that process is known to have ended. `process` was written by its Me().
  bool Alive(Identity process);

  Header& header() { return *header_; }
  Slot& slot(unsigned index) { return slots_[index]; }
  // Throws std::system_error if the program has closed it.
  int fd() const { return fd_.Checked("the memory of a proxy"); }
  // Returns true if no process can truncate it. False where memfd_create is denied.
  bool sealed() const { return sealed_; }
  // The size of a window: the largest message.
  std::uint64_t window_bytes() const { return window_bytes_; }

  // Returns true if the file has pages for that much of a window. The rest is holes: to
  // read them through a mapping would allocate their pages.
  bool Backed(unsigned slot, Direction direction, std::uint64_t bytes) const;
  // Copies the beginning of a window without mapping it: holes stay holes. Throws
  // std::system_error.
  void CopyWindow(unsigned slot, Direction direction, std::span<Word> to) const;

  // Frees the pages that a window need not keep, after a call. The message is gone then.
  void Trim(unsigned slot, Direction direction) noexcept;

 private:
  friend class Window;

  void Map();
  Identity TakeToken();
  bool HoldsToken(Identity process) const;
  std::uint64_t OffsetOf(unsigned slot, Direction direction) const;
  // Maps a part of the file. Returns null, with errno, if that fails.
  void* TryMap(std::uint64_t offset, std::uint64_t bytes) noexcept;
  // Frees the pages of a window from there on.
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
  // The part of each window that this process keeps mapped, packed into a word; 0: nothing. A
  // Window takes the word out and puts another one back, so a mapping has one user at a time.
  std::array<std::atomic<std::uint64_t>, 2 * kSlots> mappings_{};
  std::atomic<std::int64_t> mapped_bytes_{0};  // In all of them.
};

// The mapping of a slot's window while it is used. Two of them for one window are two mappings of
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
  // The size of the mapping.
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
// A small message is built in private memory and copied to the slot at the end: the other side
// polls the slot's first cache line, and each of its reads takes the line away from the writer.
class SlotMessage final : public Out {
 public:
  SlotMessage(Region& region, unsigned slot, Direction direction);

  void Reset() override;
  // Call it at the end: it puts the message and its size into the slot.
  void Finish();

 private:
  void Grow(std::uint64_t words) override;

  Region& region_;
  const unsigned slot_;
  const Direction direction_;
  Word* const in_slot_;
  std::atomic<std::uint32_t>& size_;
  Window window_;
  Word small_[kSmallWords];
};

// Prefetches the lines of a small message for writing, except the first one: the other side polls
// it and would take it away again.
inline void ExpectToWrite(Word* words) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0\n\tprefetchw %1" ::"m"(words[kFirstLineWords]),
               "m"(words[kFirstLineWords + kLineWords]));
#else
  __builtin_prefetch(&words[kFirstLineWords], 1);
  __builtin_prefetch(&words[kFirstLineWords + kLineWords], 1);
#endif
}

// Prefetches the lines of a request, except the first one, for reading.
inline void ExpectToRead(const RequestSlot& request) {
  constexpr std::size_t kMost = 8 * kLineWords;
  const std::size_t size =
      std::min<std::size_t>(request.size.load(std::memory_order_relaxed), kMost);
  for (std::size_t i = kFirstLineWords; i < size; i += kLineWords) {
    __builtin_prefetch(&request.words[i]);
  }
}

// Reads the message in a slot. Throws BadValue if it can't be mapped.
class SlotReader {
 public:
  SlotReader(Region& region, unsigned slot, Direction direction)
      : SlotReader(region, slot, direction,
                   region.slot(slot).size(direction).load(std::memory_order_relaxed)) {}
  // With the size that the caller has read from the slot.
  SlotReader(Region& region, unsigned slot, Direction direction, std::uint32_t size);
  SlotReader(const SlotReader&) = delete;
  SlotReader& operator=(const SlotReader&) = delete;

  In& in() { return in_; }

 private:
  Window window_;
  In in_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_SHARED_MEMORY_INTERNAL_REGION_H_
