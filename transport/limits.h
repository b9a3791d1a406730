// SPDX-License-Identifier: MIT
//
// The largest size of a message: a call with all its arguments, or its outcome. A larger message is
// refused with BadValue before it is sent; a value that may be larger goes in parts.
#ifndef REMOTEOBJ_TRANSPORT_LIMITS_H_
#define REMOTEOBJ_TRANSPORT_LIMITS_H_

#include <cstddef>

namespace remoteobj {

// To and from a proxy's listener.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{4} << 30;

// To and from an RPC server, which serves other clients in between.
inline constexpr std::size_t kMaxRpcMessageBytes = std::size_t{1} << 30;

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_LIMITS_H_
