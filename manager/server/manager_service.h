// SPDX-License-Identifier: MIT
//
// Adapts an ObjectServer to the interface that an RPC server serves.
#ifndef REMOTEOBJ_MANAGER_SERVER_MANAGER_SERVICE_H_
#define REMOTEOBJ_MANAGER_SERVER_MANAGER_SERVICE_H_

#include <memory>

#include "absl/time/time.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/rpc/internal/rpc_service.h"

namespace remoteobj::manager_internal {

class ManagerService final : public transport_internal::RpcService {
 public:
  explicit ManagerService(ObjectServer& server) : server_(server) {}

  std::unique_ptr<transport_internal::RpcSession> Connected(
      const transport_internal::PeerInfo& peer) override;
  bool MayConnect(const transport_internal::PeerInfo& peer) override;
  Deadline NextTimeout() override { return server_.NextTimeout(); }
  void RunTimeouts() override { server_.RunTimeouts(); }

 private:
  ObjectServer& server_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_MANAGER_SERVICE_H_
