// SPDX-License-Identifier: MIT
//
// An object of an RPC server as its clients use it: a Referent whose channel sends calls over the
// client's connection, through shared memory where that is possible.
//
//   std::shared_ptr<Referent> root = MakeRemoteObject(client, 0, "Root", connection, handle);
//
// Threads:  thread-safe.
// Lifetime: releases its capability at the server when it is destroyed.
// Errors:   those of channel.h; StaleReference if the server was restarted.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_REMOTE_OBJECT_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_REMOTE_OBJECT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/rpc_connection.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::transport_internal {

// `handle` is the object's capability on `connection`.
std::shared_ptr<Referent> MakeRemoteObject(std::shared_ptr<RpcClient> client, std::uint64_t id,
                                           std::string type,
                                           std::shared_ptr<RpcConnection> connection,
                                           Handle handle);

// Calls `write` with attachments by which values can refer to objects of `client`'s server, and to
// those of this process that it offers to the server.
void WriteForServer(const std::shared_ptr<RpcClient>& client,
                    absl::FunctionRef<void(Attachments&)> write);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_REMOTE_OBJECT_H_
