// SPDX-License-Identifier: MIT
//
// What a function that runs in a remoteobj::Process or remoteobj::Thread does to be stopped in
// time.
//
//   void Watch(Camera& camera) {
//     for (;;) {
//       Save(camera.Frame());
//       remoteobj::SleepFor(absl::Seconds(1));           // ends at once when the owner calls
//     }                                                  // RequestStop() or Throw()
//   }
//   void Count(std::stop_token stop) {                   // or it asks by itself
//     while (!stop.stop_requested()) Step();
//   }
//
// Interruption points are InterruptionPoint(), SleepFor(), a co_yield of a Generator, a call of a
// proxy that waits, and waiting for calls (ProcessRequests(), Poll()). At each of them
// RequestStop() shows as StopRequested, unless the function takes a std::stop_token, and Throw() as
// what it threw.
//
// A function may catch these. What is swallowed is not said again, but for a stop request, which
// RequestStop() says as often as it is called; contexts of an Except let that pass.
//
// Call SleepFor() with its namespace: for an absl::Duration the compiler finds absl::SleepFor, too.
//
// Threads:  each is interrupted on its own. A thread that is not one of ours never is.
#ifndef REMOTEOBJ_PROCESS_INTERRUPTION_H_
#define REMOTEOBJ_PROCESS_INTERRUPTION_H_

#include "absl/time/time.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj {

// Sleeps, unless it is interrupted. Returns early if the function takes a std::stop_token and is
// asked to stop.
void SleepFor(absl::Duration duration);

// Whether the owner of the function that this thread runs has asked it to stop.
bool IsStopRequested();

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_INTERRUPTION_H_
