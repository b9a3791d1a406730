// SPDX-License-Identifier: MIT
// The consumer's own proxy, which has the same path and the same names as ours.
#ifndef PROXY_PROXY_H_
#define PROXY_PROXY_H_

namespace proxy {

template <typename T>
class Proxy {
 public:
  static const char* Kind() { return "of the network"; }
};

}  // namespace proxy

#endif  // PROXY_PROXY_H_
