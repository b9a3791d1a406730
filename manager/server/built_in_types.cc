// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/built_in_types.h"

#include "remoteobj/manager/server/relay_object.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/server/types/sync_types.h"

namespace remoteobj::manager_internal {

void AddBuiltInTypes(Registry& registry) {
  AddDataTypes(registry);
  AddSyncTypes(registry);
  AddRelayTypes(registry);
}

}  // namespace remoteobj::manager_internal
