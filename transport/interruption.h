// SPDX-License-Identifier: MIT
//
// Points at which another thread or process can end what this thread waits for.
//
//   for (const Frame& frame : frames) {
//     Encode(frame);
//     remoteobj::InterruptionPoint();      // throws what the owner asked for, if it asked
//   }
//
// A thread that runs a function of a remoteobj::Process or remoteobj::Thread can be interrupted: by
// RequestStop() and Throw(). It is interrupted at InterruptionPoint(), in remoteobj::SleepFor(), at
// a yield, while it waits for the outcome of a call, and while it waits for calls to serve. Other
// threads are never interrupted.
//
// Threads:  each thread is interrupted on its own.
// Not here: how to interrupt a thread, see remoteobj/process/process.h.
#ifndef REMOTEOBJ_TRANSPORT_INTERRUPTION_H_
#define REMOTEOBJ_TRANSPORT_INTERRUPTION_H_

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace remoteobj {

// Ends a function whose owner has asked it to stop. Do not catch it: Join() then returns as if the
// function had returned, and there is no result.
class StopRequested : public std::runtime_error {
 public:
  StopRequested() : runtime_error("the owner has asked to stop") {}
};

namespace transport_internal {

// A source of interruptions of a thread: a word, possibly in shared memory, that changes with each
// message of the owner.
class Interruption {
 public:
  explicit Interruption(std::atomic<std::uint32_t>& word) : word_(word) {}
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  std::atomic<std::uint32_t>& word() const { return word_; }
  std::uint32_t told() const { return told_; }

  void Check() {
    // Acquire: the message was written before.
    const std::uint32_t now = word_.load(std::memory_order_acquire);
    if (now == told_) return;
    Tell();  // If it throws, there may be further messages.
    told_ = now;
  }

 protected:
  ~Interruption() = default;

 private:
  virtual void Tell() = 0;  // May throw.

  std::atomic<std::uint32_t>& word_;
  std::uint32_t told_ = 0;
};

inline constinit thread_local Interruption* interruption = nullptr;

// Returns true if the next InterruptionPoint() has a message for this thread.
inline bool Interrupted() {
  return interruption != nullptr &&
         interruption->word().load(std::memory_order_acquire) != interruption->told();
}

// Disables interruption in a scope: a call that is evaluated here belongs to its caller, not to the
// owner of this thread.
class Uninterrupted {
 public:
  Uninterrupted() : before_(std::exchange(interruption, nullptr)) {}
  ~Uninterrupted() { interruption = before_; }
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;

 private:
  Interruption* before_;
};

}  // namespace transport_internal

// Throws what this thread's owner has asked it to throw: StopRequested, or the owner's exception.
inline void InterruptionPoint() {
  if (transport_internal::interruption != nullptr) transport_internal::interruption->Check();
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_INTERRUPTION_H_
