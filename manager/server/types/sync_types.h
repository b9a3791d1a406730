// SPDX-License-Identifier: MIT
//
// Registers the types of synchronization: Queue, JoinableQueue, Lock, RLock, Semaphore,
// BoundedSemaphore, Event, Condition, Barrier.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_SYNC_TYPES_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_SYNC_TYPES_H_

#include "remoteobj/manager/server/registry.h"

namespace remoteobj::manager_internal {

// The arguments of their constructors, which are optional except parties: Queue, JoinableQueue:
// maxsize. Semaphore, BoundedSemaphore: value. Condition: lock, or null. Barrier: parties, timeout.
void AddSyncTypes(Registry& registry);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_SYNC_TYPES_H_
