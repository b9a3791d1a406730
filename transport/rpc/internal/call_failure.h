// SPDX-License-Identifier: MIT
//
// The errors that calls throw for failures that the server reports and for exceptions of KJ.
//
// Threads: thread-safe functions.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CALL_FAILURE_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CALL_FAILURE_H_

#include <exception>
#include <string>

#include "kj/exception.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj::transport_internal {

// `address` is the server's, for the text. The second one returns null for a lost connection.
std::exception_ptr ErrorOf(const schema::Failure::Reader& failure, const std::string& address);
std::exception_ptr ErrorOf(const kj::Exception& e, const std::string& address);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_CALL_FAILURE_H_
