// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/built_in_types.h"

namespace remoteobj::manager_internal {

void AddBuiltInTypes(Registry&) {}

}  // namespace remoteobj::manager_internal
