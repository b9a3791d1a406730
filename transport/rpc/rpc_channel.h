// SPDX-License-Identifier: MIT
//
// A channel between processes that need not be related, nor be on one machine: over Cap'n Proto
// RPC.
//
//   auto channel = remoteobj::RpcChannel::Create({.address = Address::Parse("tcp:10.0.0.7:7000"),
//                                                 .key = key});
//   channel->listener().Open();                        // in the one process, at that address
//   channel->Call(write, read, deadline);              // in the others
//
// While it is open a thread accepts connections and takes requests; Serve evaluates them. Of the
// callers one that waits reads for all, so a caller needs no thread.
//
// Threads:  any number of threads and processes may call. One listens.
// Lifetime: the object outlives its PendingCalls. A forked child makes a connection of its own.
// Errors:   as channel.h, and AuthenticationError. The death of a peer on this machine is noticed
//           at once, the loss of another machine within about a minute.
// Not here: many objects, which a manager has (remoteobj/manager).
#ifndef REMOTEOBJ_TRANSPORT_RPC_RPC_CHANNEL_H_
#define REMOTEOBJ_TRANSPORT_RPC_RPC_CHANNEL_H_

#include <memory>
#include <string>

#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/rpc/address.h"

namespace remoteobj {

class RpcChannel : public Channel {
 public:
  struct Options {
    Address address;
    // Both sides must have the same. Needed to listen where other machines can connect.
    std::string key = {};
  };
  static std::shared_ptr<RpcChannel> Create(Options options);

  virtual Listener& listener() = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_RPC_RPC_CHANNEL_H_
