// SPDX-License-Identifier: MIT
//
// Where a manager runs the methods of a user's type: see Manager::Register.
#ifndef REMOTEOBJ_MANAGER_RUN_H_
#define REMOTEOBJ_MANAGER_RUN_H_

namespace remoteobj {

// Where the methods of a type run.
enum class Run {
  // On a thread of the server's own pool, one call at a time for each object. It may take its time,
  // and call others: nobody but the callers of this object waits for it.
  kOnThread,
  // Where the server serves everybody: quick, since nothing is handed over. For methods that
  // neither wait nor take long: while one runs, all wait.
  kInServer,
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_RUN_H_
