// SPDX-License-Identifier: MIT
//
// A channel between the threads of one process, and the way of a call that needs no channel at all.
//
//   remoteobj::CallDirectly(write, handler, read);   // evaluates here, in this thread
//
// Requests and outcomes are the same messages as everywhere, in private memory: what works here
// works between processes, but for speed.
//
// Threads:  as channel.h. CallDirectly runs the handler in the caller's thread.
// Errors:   as channel.h; ListenerDied never.
#ifndef REMOTEOBJ_TRANSPORT_IN_PROCESS_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_IN_PROCESS_CHANNEL_H_

#include <memory>

#include "remoteobj/transport/channel.h"

namespace remoteobj {

class InProcessChannel : public Channel {
 public:
  static std::shared_ptr<InProcessChannel> Create();
  virtual Listener& listener() = 0;
};

// Writes a request, evaluates it with `handler` and reads the outcome.
void CallDirectly(WriteRequest write, Listener::Handler handler, ReadOutcome read);

// The same, with the outcome kept for later.
std::unique_ptr<PendingCall> StartDirectly(WriteRequest write, Listener::Handler handler);

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_IN_PROCESS_CHANNEL_H_
