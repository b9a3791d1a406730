// SPDX-License-Identifier: MIT
//
// For tests: the simplest Channel, between the threads of one process. Requests and outcomes are
// the same messages as in every channel, in private memory.
//
//   const auto channel = InProcessChannel::Create();
//
// Threads:  as channel.h.
// Errors:   as channel.h; never ListenerDied.
#ifndef REMOTEOBJ_TRANSPORT_IN_PROCESS_CHANNEL_TESTING_H_
#define REMOTEOBJ_TRANSPORT_IN_PROCESS_CHANNEL_TESTING_H_

#include <memory>

#include "remoteobj/transport/channel.h"

namespace remoteobj {

class InProcessChannel : public Channel {
 public:
  static std::shared_ptr<InProcessChannel> Create();
  virtual Listener& listener() = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_IN_PROCESS_CHANNEL_TESTING_H_
