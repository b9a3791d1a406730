// SPDX-License-Identifier: MIT
//
// Queues and what else processes meet at, as types of a manager: Queue, JoinableQueue, Lock, RLock,
// Semaphore, BoundedSemaphore, Event, Condition, Barrier.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_SYNC_TYPES_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_SYNC_TYPES_H_

#include "remoteobj/manager/server/registry.h"

namespace remoteobj::manager_internal {

// They are made of lists of these arguments, all of which may be left out, from the last on:
// Queue, JoinableQueue: maxsize. Semaphore, BoundedSemaphore: value. Condition: lock, or null.
// Barrier: parties (which may not), timeout.
void AddSyncTypes(Registry& registry);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_SYNC_TYPES_H_
