// SPDX-License-Identifier: MIT
//
// The protocol between the owner of a task and its function. Both sides use the memory of one
// SharedLog: records that must survive are in the log itself, the rest is in the control block.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CONTROL_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CONTROL_H_

#include <atomic>
#include <cstdint>

#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::process_internal {

// The kinds of the log's records.
enum RecordKind : std::uint32_t {
  kYielded = 1,   // A packed value.
  kReturned = 2,  // A packed value; empty from a void function.
  kThrew = 3,     // A packed error.
  kStopped = 4,   // The function ended by StopRequested.
  kStack = 5,  // The stack of a crash: a line per frame, innermost last. A later record has more.
  kLastWords = 6,  // Why std::terminate was called.
  kFinished = 7,   // The function returned, and its options have results = false.
};

enum Doing : std::uint32_t { kStarting, kRunning, kSleeping, kYielding, kEnding };

// In SharedLog::extra(). Initially zero.
struct Control {
  // A futex on which the function's side sleeps. Incremented when one of the next three changes.
  std::atomic<std::uint32_t> interrupts;
  std::atomic<std::uint32_t> stop;  // The number of calls of RequestStop().
  // Set once the owner joins. It may read no more, so max_backlog is not applied any more.
  std::atomic<std::uint32_t> joining;
  // The number of bytes of errors to throw, written with SharedLog::WriteOwners(): a 64-bit size
  // and as many bytes for each. The owner stores it with release order, after the bytes.
  std::atomic<std::uint64_t> mail;

  // Nonzero if results and yields are not sent. Written by the owner before the function begins.
  std::atomic<std::uint32_t> without_results;

  // The current activity, for a ProcessDied. Relaxed: read after the end.
  std::atomic<std::uint32_t> doing;
  std::atomic<std::uint64_t> yields;

  // A futex, for children of the fork server: 0 until the server has reaped the process, then its
  // exit code or signal as fork_server.cc encodes it.
  std::atomic<std::uint32_t> end;
  // The processor time of such a child, in milliseconds, stored before `end`.
  std::atomic<std::uint32_t> cpu_ms;

  // A futex: 1 once the limits and the sandbox of the options are in force.
  std::atomic<std::uint32_t> confined;
};
static_assert(sizeof(Control) <= SharedLog::kExtraBytes);

inline Control& ControlOf(const SharedLog& log) { return *static_cast<Control*>(log.extra()); }

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CONTROL_H_
