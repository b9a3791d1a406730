// SPDX-License-Identifier: MIT
//
// Failpoints: named points at which a test can make a process die, to see how the others cope.
//
// Threads:  set the hook before any other thread runs.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_FAULTS_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_FAULTS_H_

#include <atomic>

namespace remoteobj::transport_internal {

enum class FaultPoint {
  kCallerWaitsForSlot,  // All are taken; about to sleep until one is free.
  kCallerReclaiming,    // A dead owner's slot is the caller's, its state is not yet settled.
  kCallerHasSlot,       // The slot is the caller's, nothing is written.
  kCallerWriting,       // The request is half written.
  kCallerPublished,     // The request is in its slot, not yet announced.
  kCallerAnnounced,     // The bit is set.
  kCallerRinging,       // The listener is marked as rung, and not yet woken.
  kCallerBeforeSleep,   // About to sleep for the outcome.
  kCallerHasOutcome,    // The outcome is there, not yet read.
  kListenerOpening,     // It is the listener, but not yet open.
  kListenerSaw,         // One request is seen, the other slots are not yet looked at.
  kListenerTook,        // The request is taken, not yet evaluated.
  kListenerEvaluated,   // The outcome is written, not yet announced.
  kListenerSettled,     // The state says that it is there, the outcome does not name the call yet.
  kListenerFreeing,     // The caller has given up, its slot is not yet free.
  kListenerBeforeSleep,
  kListenerClosing,  // Closed, but the calls that had arrived are not yet answered.
  kListenerClosed,   // All is answered, it is still the listener.
};

using FaultHook = void (*)(FaultPoint);

// Null except in tests.
inline std::atomic<FaultHook> fault_hook{nullptr};

inline void At(FaultPoint point) {
  if (FaultHook hook = fault_hook.load(std::memory_order_relaxed); hook != nullptr) hook(point);
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_FAULTS_H_
