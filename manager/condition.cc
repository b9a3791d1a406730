// SPDX-License-Identifier: MIT
#include "remoteobj/manager/condition.h"

namespace remoteobj {

void ConditionArrow::Wait(absl::Duration limit) const { wait(limit); }

}  // namespace remoteobj
