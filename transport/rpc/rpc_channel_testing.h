// SPDX-License-Identifier: MIT
//
// For tests: one object over the RPC server and client, as a Channel, so that the conformance suite
// of channels runs over them.
//
//   auto channel = RpcChannel::Create({.address = Address::Parse("tcp:10.0.0.7:7000"), .key =
//   key}); channel->listener().Open();              // in one process, which listens at that
//   address channel->Call(write, read, deadline);    // in the others
//
// While it is open, a thread accepts connections and queues requests; Serve evaluates them.
//
// Threads:  any number of threads and processes may call. One listens.
// Lifetime: the object outlives its PendingCalls. A forked child makes a connection of its own.
// Errors:   as channel.h, and AuthenticationError.
#ifndef REMOTEOBJ_TRANSPORT_RPC_RPC_CHANNEL_TESTING_H_
#define REMOTEOBJ_TRANSPORT_RPC_RPC_CHANNEL_TESTING_H_

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

#endif  // REMOTEOBJ_TRANSPORT_RPC_RPC_CHANNEL_TESTING_H_
