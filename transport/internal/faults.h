// SPDX-License-Identifier: MIT
//
// Named points at which a test can have a process die, to see what the others make of it.
//
// Threads:  set the hook before any other thread runs.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_FAULTS_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_FAULTS_H_

#include <atomic>

namespace remoteobj::transport_internal {

enum class FaultPoint {
  kClientWaitsForSlot,  // All are taken; about to sleep until one is free.
  kClientReclaiming,    // A dead owner's slot is the client's, its state is not yet settled.
  kClientHasSlot,       // The slot is the client's, nothing is written.
  kClientWriting,       // The request is half written.
  kClientPublished,     // The request is in its slot, not yet announced.
  kClientAnnounced,     // The bit is set.
  kClientRinging,       // The listener is said to be rung, and not yet woken.
  kClientBeforeSleep,   // About to sleep for the outcome.
  kClientHasOutcome,    // The outcome is there, not yet read.
  kListenerOpening,     // It is the listener, but not yet open.
  kListenerSaw,         // A request is seen, the others are not yet.
  kListenerTook,        // The request is taken, not yet evaluated.
  kListenerEvaluated,   // The outcome is written, not yet announced.
  kListenerSettled,     // The state says that it is there, the answer does not yet.
  kListenerFreeing,     // The client has given up, its slot is not yet free.
  kListenerBeforeSleep,
  kListenerClosing,  // Closed, but what had arrived is not yet answered.
  kListenerClosed,   // All is answered, it is still the listener.
};

using FaultHook = void (*)(FaultPoint);

// Null but in tests.
inline std::atomic<FaultHook> fault_hook{nullptr};

inline void At(FaultPoint point) {
  if (FaultHook hook = fault_hook.load(std::memory_order_relaxed); hook != nullptr) hook(point);
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_FAULTS_H_
