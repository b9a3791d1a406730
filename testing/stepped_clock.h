// SPDX-License-Identifier: MIT
//
// A wall clock that a test steps, as an administrator or the host of a virtual machine does.
//
//   OwnWallClock();                        // of this process and of those that it forks
//   StepWallClock(-absl::Hours(1));        // what reads the wall clock sees it set back
//
// A program that links this has its own clock_gettime(), gettimeofday() and time(). The kernel's
// clock is not stepped: a wait that ends at a time of the wall clock (FUTEX_CLOCK_REALTIME) ends
// when that was read from the stepped one, which is an hour off.
//
// Threads:  thread-safe, but for OwnWallClock().
// Not here: what reads the clock by a system call of its own.
#ifndef REMOTEOBJ_TESTING_STEPPED_CLOCK_H_
#define REMOTEOBJ_TESTING_STEPPED_CLOCK_H_

#include "absl/time/time.h"

namespace remoteobj_testing {

// From now on the steps of other processes are not this one's. REQUIRES: it has no other thread.
void OwnWallClock();

void StepWallClock(absl::Duration by);

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_STEPPED_CLOCK_H_
