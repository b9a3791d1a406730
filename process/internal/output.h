// SPDX-License-Identifier: MIT
//
// Redirects stdout and stderr of a process.
//
// Captured, they are files in memory: writing never blocks, and the output survives the process.
// The process may give them any size, so no more is read than is asked for. Forwarded, they are
// pipes to a small helper process, which puts the name in front of each line; it ends with the
// process, even if other processes still hold the pipes.
//
// Threads:  thread-compatible; reading the captured output is thread-safe.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_OUTPUT_H_
#define REMOTEOBJ_PROCESS_INTERNAL_OUTPUT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "remoteobj/process/options.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"

namespace remoteobj::process_internal {

class OutputOf {
 public:
  // Captured output is read up to `most` bytes of each stream.
  OutputOf(Output where, std::uint64_t most);
  ~OutputOf();
  OutputOf(const OutputOf&) = delete;
  OutputOf& operator=(const OutputOf&) = delete;

  // Descriptors for stdout and stderr of the new process; -1 if it inherits them.
  int out() const { return write_[0].get(); }
  int err() const { return write_[1].get(); }
  // Called in the new process: replaces its stdout and stderr.
  void Redirect();
  // Called in the parent after the start; `fd` is a pidfd of the new process. If that is -1,
  // forwarding lasts until every process has closed the pipes.
  void Started(const std::string& name, int fd);
  // Waits until all output is forwarded, which may block on the reader of this process's output.
  // Returns false if it is not within `timeout`. REQUIRES: the process has ended.
  bool Finish(absl::Duration timeout);

  // The captured output so far, cut at `most` bytes, or its end in whole lines.
  std::string Out() const;
  std::string Err() const;
  std::string EndOfErr() const;

 private:
  const Output where_;
  const std::uint64_t most_;
  transport_internal::OwnDescriptor write_[2];
  transport_internal::OwnDescriptor read_[2];  // The read ends of the pipes.
  pid_t forwarder_ = 0;
  transport_internal::Identity starter_ = 0;  // The parent of the forwarder.
};

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_OUTPUT_H_
