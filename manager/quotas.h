// SPDX-License-Identifier: MIT
//
// How much of a manager one client may take.
//
//   Manager manager({.quotas = {.objects = 1'000'000}});
//
// A client is a process of this machine (all of its connections together), or, by TCP, the machine
// that it is on. A process whose pid the manager can't see, in another pid namespace, counts as
// one with all processes of its user.
//
// A call that exceeds a quota throws QuotaExceeded (remoteobj/transport/errors.h), which names the
// quota, and has no effect, with one exception: a call whose outcome exceeds `message_bytes` was
// evaluated. An item of a queue, or a lock, then goes to another client; what pop() of a List or a
// Dict has removed, or a method of a user's type has done, is lost to the caller. Other clients are
// not affected. A connection that exceeds its quota is refused: NotListening, "the server is busy".
// A request that exceeds `message_bytes` as it arrives ends its connection: ListenerDied, which
// names the quota.
//
// Calls that a method of a manager's object makes to other objects are charged to the client whose
// call the method serves.
//
// Not here: what the values in objects take. It belongs to nobody once it is stored; bound the
//           manager's process as a whole, by a cgroup or RLIMIT_AS.
#ifndef REMOTEOBJ_MANAGER_QUOTAS_H_
#define REMOTEOBJ_MANAGER_QUOTAS_H_

#include <cstdint>

#include "remoteobj/proxy/describe.h"

namespace remoteobj {

struct Quotas {
  std::uint64_t connections = 1000;
  // Calls that wait, that run on a thread or wait for one, or whose outcome hands something over
  // which the client has not acknowledged. Other calls are answered at once, and do not count.
  std::uint64_t calls = 32'768;
  // Bytes of the requests of these calls. One call may exceed it if the client has no other.
  std::uint64_t call_bytes = std::uint64_t{256} << 20;
  // Bytes of messages in the manager's memory: requests as they arrive, and outcomes until the
  // client has read them. 64 KiB of each connection are free. The default is the largest message,
  // and half as much for others.
  std::uint64_t message_bytes = std::uint64_t{1536} << 20;
  // Objects that exist and that a call of the client has made, for itself or for others. They count
  // until they are destroyed, also after the client has ended.
  std::uint64_t objects = 100'000;
  // Names that the client has published.
  std::uint64_t names = 10'000;
  // Objects that the client has sent to another process within the last minute.
  std::uint64_t kept = 100'000;
  // Threads that run its calls at the same time, to objects with Run::kOnThread. Further ones wait.
  // A call that a method makes to another object, and waits for, runs on the method's own thread;
  // with a deadline, or asynchronously, on a further one, which does not count. While a thread
  // waits for such a call, the manager may have a further thread in its place, up to 1,024. 0: half
  // of ManagerOptions::max_threads.
  std::uint64_t threads = 0;
};
REMOTEOBJ_DESCRIBE(Quotas, connections, calls, call_bytes, message_bytes, objects, names, kept,
                   threads)

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_QUOTAS_H_
