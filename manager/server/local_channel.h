// SPDX-License-Identifier: MIT
//
// The way to an object for who is in the same process as its server: a method of a user's type, a
// test. A call that waits takes the calling thread along.
#ifndef REMOTEOBJ_MANAGER_SERVER_LOCAL_CHANNEL_H_
#define REMOTEOBJ_MANAGER_SERVER_LOCAL_CHANNEL_H_

#include <memory>

#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/transport/channel.h"

namespace remoteobj::manager_internal {

class Entry;
class ObjectServer;

// To `entry`, which outlives it; as `client`, where 0 is the server itself.
std::unique_ptr<Channel> NewLocalChannel(ObjectServer& server, Entry& entry, ClientId client = 0);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_LOCAL_CHANNEL_H_
