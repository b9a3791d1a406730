// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <iterator>

namespace remoteobj::transport_internal {

std::string NetworkOf(const std::string& host) {
  constexpr int kNetworkBytes = 8;
  in6_addr address = {};
  if (inet_pton(AF_INET6, host.c_str(), &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address)) {
    return host;
  }
  std::fill(std::begin(address.s6_addr) + kNetworkBytes, std::end(address.s6_addr), 0);
  char network[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, &address, network, sizeof network);
  return network;
}

}  // namespace remoteobj::transport_internal
