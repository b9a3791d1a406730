// SPDX-License-Identifier: MIT
//
// Applies the limits and the sandbox of a process (process/sandbox.h), in that process.
//
// Threads:  Confine() is called once, while the process has one thread.
// Errors:   SandboxUnavailable; the process is to some extent confined then.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CONFINE_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CONFINE_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "remoteobj/process/options.h"
#include "remoteobj/process/sandbox.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::process_internal {

inline bool Has(Sandbox flags, Sandbox flag) { return (flags & flag) != Sandbox::kNone; }

// Returns true if Confine() has something to do.
bool IsConfined(const ProcessOptions& options);

// Throws std::invalid_argument for limits that make no sense.
void CheckLimits(const ProcessLimits& limits);

void Confine(const ProcessLimits& limits, Sandbox sandbox);

// The part of Confine() that installs a seccomp filter. `landlock_version` is the kernel's, for
// kNoFiles: the filter refuses what Landlock does not know there. REQUIRES: no_new_privs is set.
void RefuseCalls(Sandbox sandbox, long landlock_version);

// Returns the limit or rule that has ended a process with these options, for a ProcessDied; empty
// if that is not known. `cpu_time` is the processor time that it has used, as far as is known;
// `killed` is true if its owner has sent it SIGKILL.
std::string LimitThatEnded(const ProcessOptions& options, const ProcessEnd& end,
                           absl::Duration cpu_time, bool killed, const std::string& last_words);

// Returns "a limit of 1048576 bytes of memory (ProcessOptions::limits.memory)".
std::string MemoryLimitText(const ProcessLimits& limits);

// Returns the processor time of a child that has ended and was not reaped; 0 if it is not known.
absl::Duration CpuTimeOf(pid_t child);

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CONFINE_H_
