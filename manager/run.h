// SPDX-License-Identifier: MIT
//
// The thread on which a manager runs the methods of a user's type: see Manager::Register.
#ifndef REMOTEOBJ_MANAGER_RUN_H_
#define REMOTEOBJ_MANAGER_RUN_H_

namespace remoteobj {

// The thread on which the methods of a type run.
enum class Run {
  // On a thread of the manager's pool, one call at a time for each object. A method may block, and
  // call other objects: only callers of this object wait for it.
  kOnThread,
  // On the thread that serves all clients: fast, since nothing is handed over. For short methods
  // that do not block: all clients wait while one runs.
  kInServer,
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_RUN_H_
