// SPDX-License-Identifier: MIT
#include "remoteobj/manager/errors.h"

#include "remoteobj/except/remote_error.h"

namespace remoteobj {

REMOTEOBJ_REGISTER_ERROR(QueueEmpty)
REMOTEOBJ_REGISTER_ERROR(QueueFull)
REMOTEOBJ_REGISTER_ERROR(QueueShutDown)
REMOTEOBJ_REGISTER_ERROR(WouldWait)
REMOTEOBJ_REGISTER_ERROR(BrokenBarrier)

}  // namespace remoteobj
