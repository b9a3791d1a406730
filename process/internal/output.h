// SPDX-License-Identifier: MIT
//
// Where a process's stdout and stderr go.
//
// Captured, they are files in memory: the process never waits for a reader, and what it said before
// it was killed is there. Forwarded, they are pipes to a further small process, which puts the name
// in front of each line; it ends when the process has, even if others still hold the pipes.
//
// Threads:  thread-compatible, but for the reading, which is thread-safe.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_OUTPUT_H_
#define REMOTEOBJ_PROCESS_INTERNAL_OUTPUT_H_

#include <sys/types.h>

#include <string>

#include "absl/time/time.h"
#include "remoteobj/process/options.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj::process_internal {

class OutputOf {
 public:
  explicit OutputOf(Output where);
  ~OutputOf();
  OutputOf(const OutputOf&) = delete;
  OutputOf& operator=(const OutputOf&) = delete;

  // What is to be the new process's stdout and stderr; -1 if it keeps those that there are.
  int out() const { return write_[0].get(); }
  int err() const { return write_[1].get(); }
  // Makes them those of this process, which is the new one.
  void Redirect();
  // In the starting process, once the new one is there: `fd` is a pidfd of it. Without one, -1, the
  // forwarding lasts until nobody has the pipes.
  void Started(const std::string& name, int fd);
  // Waits until all is forwarded, which may wait for who reads that. Returns whether it is.
  // REQUIRES: the process has ended.
  bool Finish(absl::Duration timeout);

  // What was captured so far: all, or the end of it, in whole lines.
  std::string Out() const;
  std::string Err() const;
  std::string EndOfErr() const;

 private:
  const Output where_;
  transport_internal::OwnDescriptor write_[2];
  transport_internal::OwnDescriptor read_[2];  // Of the pipes.
  pid_t forwarder_ = 0;
  transport_internal::Identity starter_ = 0;  // Its parent.
};

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_OUTPUT_H_
