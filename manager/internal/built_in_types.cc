// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/built_in_types.h"

#include "remoteobj/manager/internal/data_types.h"
#include "remoteobj/manager/internal/relay_object.h"
#include "remoteobj/manager/internal/sync_types.h"

namespace remoteobj::manager_internal {

void AddBuiltInTypes(Registry& registry) {
  AddDataTypes(registry);
  AddSyncTypes(registry);
  AddRelayTypes(registry);
}

}  // namespace remoteobj::manager_internal
