// SPDX-License-Identifier: MIT
//
// Writes into a log where this process crashes, in the crash.
//
// Threads:  to be installed once, early; handles a crash of any thread.
// Errors:   none: what can't be written is not written, and the process dies as it would have.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CRASH_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CRASH_H_

#include "remoteobj/transport/shared_memory/shared_log.h"

namespace remoteobj::process_internal {

// Handles SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS and SIGABRT, and std::terminate: the
// stack goes into `log`, and then whatever was installed before has its turn. `log` lives for ever.
void InstallCrashHandler(SharedLog& log);

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CRASH_H_
