// SPDX-License-Identifier: MIT
//
// What the owner of a function that runs elsewhere and the function's side say to one another. Both
// lie in the memory of one SharedLog: what is to survive in the log itself, the rest here.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CONTROL_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CONTROL_H_

#include <atomic>
#include <cstdint>

#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::process_internal {

// The kinds of the log's records.
enum RecordKind : std::uint32_t {
  kYielded = 1,    // A packed value.
  kReturned = 2,   // A packed value, or nothing from a function that returns nothing.
  kThrew = 3,      // A packed error.
  kStopped = 4,    // It ended since it was asked to.
  kStack = 5,      // Of a crash: a line for each frame, innermost last. A later one tells more.
  kLastWords = 6,  // Why std::terminate was called.
  kFinished = 7,   // It returned, and RunOptions::results is false.
};

enum Doing : std::uint32_t { kStarting, kRunning, kSleeping, kYielding, kEnding };

// In SharedLog::extra(). Cleared memory is how it begins.
struct Control {
  // Grows whenever one of the next three changes; who waits in the function's side sleeps on it.
  std::atomic<std::uint32_t> interrupts;
  std::atomic<std::uint32_t> stop;  // How often it was asked to.
  // The owner joins, so nobody may be left to read: RunOptions::max_backlog holds no more.
  std::atomic<std::uint32_t> joining;
  // Bytes of errors to be thrown, which lie in SharedLog::WriteOwners(): each one a 64-bit size
  // and as many bytes. Released by the owner after the bytes.
  std::atomic<std::uint64_t> mail;

  // What it returns and yields is not sent. Written by the owner before the function begins.
  std::atomic<std::uint32_t> without_results;

  // What it does, for when it dies. Relaxed: read when it has ended.
  std::atomic<std::uint32_t> doing;
  std::atomic<std::uint64_t> yields;

  // Of a process whose parent is the fork server: 0 until it has been waited for, then how it
  // ended, as EndedWith() says it. A futex.
  std::atomic<std::uint32_t> end;
};
static_assert(sizeof(Control) <= SharedLog::kExtraBytes);

inline Control& ControlOf(const SharedLog& log) { return *static_cast<Control*>(log.extra()); }

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CONTROL_H_
