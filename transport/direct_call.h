// SPDX-License-Identifier: MIT
//
// A call that needs no channel, since the object is in this process.
//
//   remoteobj::CallDirectly(write, handler, read);   // evaluates here, in this thread
//
// Requests and outcomes are the same messages as in a channel, in private memory.
//
// Threads:  runs the handler in the caller's thread.
// Errors:   as channel.h, except NotListening, ListenerDied and DeadlineExceeded.
#ifndef REMOTEOBJ_TRANSPORT_DIRECT_CALL_H_
#define REMOTEOBJ_TRANSPORT_DIRECT_CALL_H_

#include <memory>

#include "remoteobj/transport/channel.h"

namespace remoteobj {

// Writes a request, evaluates it with `handler` and reads the outcome.
void CallDirectly(WriteRequest write, Listener::Handler handler, ReadOutcome read);

// The same, with the outcome kept for later.
std::unique_ptr<PendingCall> StartDirectly(WriteRequest write, Listener::Handler handler);

namespace transport_internal {

class HeapMessage;

// Evaluates a request that was written in this process.
void EvaluateDirectly(HeapMessage& request, Listener::Handler handler, HeapMessage& outcome);
// Reads its outcome.
void ReadDirectly(HeapMessage& outcome, ReadOutcome read);

}  // namespace transport_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_DIRECT_CALL_H_
