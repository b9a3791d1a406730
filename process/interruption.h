// SPDX-License-Identifier: MIT
//
// How a function in a remoteobj::Process or remoteobj::Thread can be stopped by its owner.
//
//   void Watch(Camera& camera) {
//     for (;;) {
//       Save(camera.Frame());
//       remoteobj::SleepFor(absl::Seconds(1));           // ends at once when the owner calls
//     }                                                  // RequestStop() or Throw()
//   }
//   void Count(std::stop_token stop) {                   // or it polls a token
//     while (!stop.stop_requested()) Step();
//   }
//
// Interruption points are InterruptionPoint(), SleepFor(), a co_yield of a Generator, a proxy's
// call while it waits, and waiting for calls (ProcessRequests(), Poll()). They throw StopRequested
// after a RequestStop(), unless the function takes a std::stop_token, and the argument of Throw().
//
// A function may catch these exceptions. Each Throw() and each RequestStop() is delivered once.
// Contexts of an Except let StopRequested pass.
//
// Call SleepFor() with its namespace: argument-dependent lookup finds absl::SleepFor(), too.
//
// Threads:  each thread is interrupted on its own. Other threads than these are never interrupted.
#ifndef REMOTEOBJ_PROCESS_INTERRUPTION_H_
#define REMOTEOBJ_PROCESS_INTERRUPTION_H_

#include "absl/time/time.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj {

// Sleeps; an interruption point. Returns early if the function takes a std::stop_token and a stop
// is requested.
void SleepFor(absl::Duration duration);

// Returns true if the owner of this thread's function has called RequestStop().
bool IsStopRequested();

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_INTERRUPTION_H_
