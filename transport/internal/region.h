// SPDX-License-Identifier: MIT
//
// The memory that the processes of a shared-memory channel have in common: a header, slots for one
// call each, and behind each slot two windows for messages which are larger than the slot.
//
//   Header | Slot 0 | Slot 1 | … | window of slot 0's request | window of slot 0's outcome | …
//
// All of it is one memfd, made before fork and so known to every process that is related. The
// windows are holes in it until they are used, and each process maps them when it first needs them.
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
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_REGION_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_REGION_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "remoteobj/transport/internal/flat.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"

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
  // reader does not believe it.
  std::uint32_t size = 0;
  std::atomic<std::uint32_t> cpu{0};  // Where the writer was last seen, plus 1.
  Word words[kSlotWords];
};
static_assert(offsetof(Half, words) == 16);

struct Slot {
  // The client's. Others look at it only when slots run short.
  alignas(64) std::atomic<Identity> owner{0};
  std::uint32_t call = 0;                // The number of the last one.
  std::uint32_t request_in_window = 0;   // Here, so that the request's line is left alone.
  std::uint32_t retained_pages[2] = {};  // Of each window, kept for the next message.

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
  std::atomic<std::int64_t> retained_pages{0};
};

enum class Direction { kRequest = 0, kOutcome = 1 };

class Region {
 public:
  // Throws std::system_error if there is no memory for it.
  Region();
  // The same memory as another Region's, by its fd(), which this one owns from then on.
  explicit Region(int fd);
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

  // The window of a slot, mapped. Throws BadValue if there is no address space for it.
  std::byte* Window(unsigned slot, Direction direction);

  // Gives back what a window need not keep, after a call. The message is gone then.
  void Trim(unsigned slot, Direction direction) noexcept;

 private:
  void Map();
  Identity TakeToken();
  bool HoldsToken(Identity process) const;
  std::uint64_t OffsetOf(unsigned slot, Direction direction) const;
  // Null, with errno, if there is no address space.
  std::byte* TryWindow(unsigned slot, Direction direction) noexcept;

  OwnDescriptor fd_;
  std::atomic<Identity> me_{0};
  void* memory_ = nullptr;
  Header* header_ = nullptr;
  Slot* slots_ = nullptr;
  std::array<std::atomic<std::byte*>, 2 * kSlots> windows_{};
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
  const std::size_t size = std::min<std::size_t>(half.size, kMost);
  for (std::size_t i = kFirstLineWords; i < size; i += kLineWords) {
    __builtin_prefetch(&half.words[i]);
  }
}

// The message that a slot has.
In ReadSlot(Region& region, unsigned slot, Direction direction);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_REGION_H_
