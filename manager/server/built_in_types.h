// SPDX-License-Identifier: MIT
//
// Registers the built-in types: data, synchronization, relays.
#ifndef REMOTEOBJ_MANAGER_SERVER_BUILT_IN_TYPES_H_
#define REMOTEOBJ_MANAGER_SERVER_BUILT_IN_TYPES_H_

#include "remoteobj/manager/server/registry.h"

namespace remoteobj::manager_internal {

void AddBuiltInTypes(Registry& registry);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_BUILT_IN_TYPES_H_
