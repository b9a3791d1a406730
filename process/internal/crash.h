// SPDX-License-Identifier: MIT
//
// A crash handler that writes the stack into a log.
//
// Threads:  install it once, early, on the first thread; it handles a crash of any thread, and an
//           overflow of the stack of those that have a CrashStack (process/crash_stack.h).
// Errors:   none: the process dies of the same signal, whether or not the stack could be written.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CRASH_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CRASH_H_

#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::process_internal {

// Handles SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT and SIGXCPU, and
// std::terminate: writes the stack into `log`, then passes on to the handler that was installed
// before. REQUIRES: `log` is never destroyed.
void InstallCrashHandler(SharedLog& log);

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CRASH_H_
