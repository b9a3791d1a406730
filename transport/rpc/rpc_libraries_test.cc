// SPDX-License-Identifier: MIT
//
// Checks that the libraries below the RPC transport are there and fit together: a capability goes
// through a connection.
#include <capnp/capability.h>
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/memory.h>

#include <cstdint>

#include "gtest/gtest.h"

namespace remoteobj {
namespace {

class Nothing final : public capnp::Capability::Server {
 public:
  DispatchCallResult dispatchCall(
      std::uint64_t interface_id, std::uint16_t method_id,
      capnp::CallContext<capnp::AnyPointer, capnp::AnyPointer>) override {
    return internalUnimplemented("Nothing", interface_id, method_id);
  }
};

TEST(RpcLibrariesTest, ACapabilityGoesThroughAConnection) {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::TwoWayPipe pipe = io.provider->newTwoWayPipe();
  capnp::TwoPartyVatNetwork server_side(*pipe.ends[0], capnp::rpc::twoparty::Side::SERVER);
  auto server = capnp::makeRpcServer(server_side, capnp::Capability::Client(kj::heap<Nothing>()));
  capnp::TwoPartyClient client(*pipe.ends[1]);
  client.bootstrap().whenResolved().wait(io.waitScope);
}

}  // namespace
}  // namespace remoteobj
