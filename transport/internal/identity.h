// SPDX-License-Identifier: MIT
//
// The identity of a process, in a form that can lie in shared memory and be checked by others.
//
// A pid alone is reused by the kernel. With a time at which the process existed it is not: a
// process that has got the pid since was started later. The time is taken by the process itself, so
// it needs neither /proc nor a free descriptor. A pid also means nothing in another PID namespace,
// so an identity says which namespace it is of.
//
// The process that asks may lack the means: no /proc, no descriptor, another namespace. Then the
// answer is that the truth is not known, and nothing may be taken from the other process. Memory
// that processes share has a better witness for this case: see Region::Alive.
//
// Threads:  thread-safe, and async-signal-safe.
// Source:   proc(5), /proc/pid/stat, fields 3 (state) and 22 (starttime); pid_namespaces(7).
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_IDENTITY_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_IDENTITY_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace remoteobj::transport_internal {

// A process. From the low bits up: its pid in its own namespace (22 bits, the kernel's limit); a
// time at which it existed, in hundredths of a second since boot (34 bits, compared modulo that); a
// hash of its PID namespace (7 bits; 0 if unknown); kHasToken. 0 is no process.
using Identity = std::uint64_t;

// The process has a token in the memory in which this identity lies (see Region).
inline constexpr Identity kHasToken = Identity{1} << 63;

// A page that the kernel clears in a child at fork, so that what is cached in it is never a
// parent's. Null before the first use.
inline std::atomic<std::atomic<Identity>*> self_cache{nullptr};
Identity FindSelf();

// This process, or 0 before the first call of Self() in it.
inline Identity KnownSelf() {
  const std::atomic<Identity>* const cache = self_cache.load(std::memory_order_acquire);
  return cache == nullptr ? 0 : cache->load(std::memory_order_relaxed);
}

// This process. Cheap: two loads, also after a fork. The first call in a process takes one or two
// microseconds.
inline Identity Self() {
  const Identity self = KnownSelf();
  return self != 0 ? self : FindSelf();
}

// The process that has the pid `pid` now, in this namespace; or 0 if there is none, or it has
// ended.
Identity IdentityOf(pid_t pid);

// Returns true if its pid means the same process here, as far as is known.
bool OfThisNamespace(Identity process);

enum class Life { kRuns, kEnded, kUnknown };

// The state of that process, found by its pid in a few microseconds. A zombie has ended.
Life LifeOf(Identity process);

// Returns true if that process may still run: false only if it is known to have ended.
inline bool Alive(Identity process) { return LifeOf(process) != Life::kEnded; }

// In the namespace of the process.
inline pid_t PidOf(Identity process) { return static_cast<pid_t>(process & ((1u << 22) - 1)); }

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_IDENTITY_H_
