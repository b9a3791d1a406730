// SPDX-License-Identifier: MIT
//
// The processes of a pool, in the process that made it.
//
// They are children of a supervisor, which waits for them and replaces one that dies. It is a
// process of its own because the one that made the pool may have threads when a process must be
// replaced.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_POOL_WORKERS_H_
#define REMOTEOBJ_MANAGER_INTERNAL_POOL_WORKERS_H_

#include <memory>
#include <string>

#include "remoteobj/manager/internal/serving.h"
#include "remoteobj/process/options.h"

namespace remoteobj::manager_internal {

class PoolWorkers {
 public:
  // Starts `count` processes, which evaluate the calls of `relay`. Throws std::invalid_argument for
  // options that they can't have, std::system_error if they can't be started.
  PoolWorkers(RelayProxy relay, std::string secret, int count, const ProcessOptions& options);
  // Ends them, in the process that started them.
  ~PoolWorkers();
  PoolWorkers(const PoolWorkers&) = delete;
  PoolWorkers& operator=(const PoolWorkers&) = delete;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_POOL_WORKERS_H_
