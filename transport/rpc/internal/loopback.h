// SPDX-License-Identifier: MIT
//
// Tests if an internet address is one of this machine's own.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_LOOPBACK_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_LOOPBACK_H_

#include <arpa/inet.h>
#include <netinet/in.h>

namespace remoteobj::transport_internal {

inline bool IsLoopback(const in_addr& address) { return ntohl(address.s_addr) >> 24 == 127; }

inline bool IsLoopback(const in6_addr& address) {
  return IN6_IS_ADDR_LOOPBACK(&address) ||
         // An IPv4 address in the clothes of IPv6 (RFC 4291, 2.5.5.2).
         (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_LOOPBACK_H_
