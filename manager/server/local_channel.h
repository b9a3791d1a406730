// SPDX-License-Identifier: MIT
//
// A channel to an object of a server in the same process: for methods of users' types, and tests. A
// call that waits blocks the calling thread.
#ifndef REMOTEOBJ_MANAGER_SERVER_LOCAL_CHANNEL_H_
#define REMOTEOBJ_MANAGER_SERVER_LOCAL_CHANNEL_H_

#include <memory>

#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/transport/channel.h"

namespace remoteobj::manager_internal {

class Entry;
class ObjectServer;

// REQUIRES: `entry` outlives it. `client` 0 is the server itself.
std::unique_ptr<Channel> NewLocalChannel(ObjectServer& server, Entry& entry, ClientId client = 0);

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_LOCAL_CHANNEL_H_
