// SPDX-License-Identifier: MIT
//
// The capabilities of a client: its session, and from there objects and receipts.
//
// Threads: used in the loop only.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_SESSION_CAP_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_SESSION_CAP_H_

#include <memory>

#include "remoteobj/transport/rpc/internal/client_link.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj::transport_internal {

// Returns the bootstrap object of a connection.
schema::Session::Client MakeSession(std::shared_ptr<Link> link);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_SESSION_CAP_H_
