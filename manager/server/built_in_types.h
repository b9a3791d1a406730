// SPDX-License-Identifier: MIT
//
// The types that every manager can make: those of data, and those by which clients wait for one
// another.
#ifndef REMOTEOBJ_MANAGER_SERVER_BUILT_IN_TYPES_H_
#define REMOTEOBJ_MANAGER_SERVER_BUILT_IN_TYPES_H_

#include "remoteobj/manager/server/registry.h"

namespace remoteobj::manager_internal {

void AddBuiltInTypes(Registry& registry);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_BUILT_IN_TYPES_H_
