// SPDX-License-Identifier: MIT
//
// The part of an address that stands for a machine, where machines share something in turns or by
// quotas.
//
// Threads:  no state.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_NETWORK_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_NETWORK_H_

#include <string>

namespace remoteobj::transport_internal {

// The host itself; with IPv6 its network, the first 64 bits: a machine has as many addresses in it
// as it likes. A host that is no IP address is returned unchanged.
std::string NetworkOf(const std::string& host);

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_NETWORK_H_
