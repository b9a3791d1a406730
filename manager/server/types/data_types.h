// SPDX-License-Identifier: MIT
//
// Registers the data types: Dict, List, Set, Namespace, Value, Array.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_DATA_TYPES_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_DATA_TYPES_H_

#include "remoteobj/manager/server/registry.h"

namespace remoteobj::manager_internal {

void AddDataTypes(Registry& types);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_DATA_TYPES_H_
