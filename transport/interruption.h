// SPDX-License-Identifier: MIT
//
// Places at which another thread or process may end what this one waits for.
//
//   for (const Frame& frame : frames) {
//     Encode(frame);
//     remoteobj::InterruptionPoint();      // throws what the owner asked for, if it asked
//   }
//
// A thread that runs a function of a remoteobj::Process or remoteobj::Thread can be interrupted: by
// RequestStop() and Throw(). It is, where it calls this, sleeps by remoteobj::SleepFor(), yields,
// or waits in a call of a proxy, or for one. Any other thread never is.
//
// Threads:  each thread is interrupted on its own.
// Not here: who interrupts, see remoteobj/process/process.h.
#ifndef REMOTEOBJ_TRANSPORT_INTERRUPTION_H_
#define REMOTEOBJ_TRANSPORT_INTERRUPTION_H_

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace remoteobj {

// Ends a function whose owner has asked it to stop. Let it pass: Join() then returns as if the
// function had returned, and there is no result.
class StopRequested : public std::runtime_error {
 public:
  StopRequested() : runtime_error("the owner has asked to stop") {}
};

namespace transport_internal {

// What may interrupt a thread: a word, which may lie in shared memory, and changes whenever there
// is something to be told.
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
    Tell();  // Where it throws there may be more to tell.
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

// Whether InterruptionPoint() has something to tell.
inline bool Interrupted() {
  return interruption != nullptr &&
         interruption->word().load(std::memory_order_acquire) != interruption->told();
}

// For code of others', whose interruption would not be the owner's: a call that is evaluated here.
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

// Throws what this thread's owner has asked it to throw: StopRequested, or an exception of his.
inline void InterruptionPoint() {
  if (transport_internal::interruption != nullptr) transport_internal::interruption->Check();
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_INTERRUPTION_H_
