// SPDX-License-Identifier: MIT
//
// The mutex of remoteobj/transport/internal/fork_safe_mutex.h, for this module and those above it.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_FORK_SAFE_MUTEX_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_FORK_SAFE_MUTEX_H_

#include "remoteobj/transport/internal/fork_safe_mutex.h"

namespace remoteobj::except_internal {

using transport_internal::ForkSafeMutex;

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_FORK_SAFE_MUTEX_H_
