// SPDX-License-Identifier: MIT
//
// Which process this is, in a form that can lie in shared memory and be asked about by others.
//
// A pid alone is reused by the kernel. With the time at which the process was started it is not.
//
// Threads:  thread-safe.
// Source:   proc(5), /proc/pid/stat, fields 3 (state) and 22 (starttime).
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_IDENTITY_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_IDENTITY_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace remoteobj::transport_internal {

// A process: its pid in the low 22 bits (the kernel's limit), above them when it was started, in
// clock ticks since boot. 0 is no process.
using Identity = std::uint64_t;

// A page that the kernel clears in a child at fork, so that what is cached in it is never a
// parent's. Null before the first use.
inline std::atomic<std::atomic<Identity>*> self_cache{nullptr};
Identity FindSelf();

// This process. Cheap: two loads, also after a fork.
inline Identity Self() {
  const std::atomic<Identity>* const cache = self_cache.load(std::memory_order_acquire);
  const Identity self = cache == nullptr ? 0 : cache->load(std::memory_order_relaxed);
  return self != 0 ? self : FindSelf();
}

// The process `pid`, or 0 if there is none, or it has ended.
Identity IdentityOf(pid_t pid);

// Whether that process still runs. A zombie does not. A few microseconds.
bool Alive(Identity process);

// This process at this moment: its pid, and the time since boot, in the form of an Identity but not
// one. For words that are held briefly: a child that has just been forked would look itself up for
// its first Self(), which takes longer than all else that it may have to do. Async-signal-safe.
Identity StampOfSelf();
// Whether the process that made the stamp still runs: there is one of that pid, and it was started
// before. A few microseconds.
bool StampIsAlive(Identity stamp);

inline pid_t PidOf(Identity process) { return static_cast<pid_t>(process & ((1u << 22) - 1)); }

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_IDENTITY_H_
