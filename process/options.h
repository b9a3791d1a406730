// SPDX-License-Identifier: MIT
//
// How a function is run elsewhere: the options of Process, Thread and Job.
//
//   remoteobj::Process camera({.name = "camera", .daemon = false, .timeout = absl::Seconds(5)},
//                             Capture, device);
#ifndef REMOTEOBJ_PROCESS_OPTIONS_H_
#define REMOTEOBJ_PROCESS_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "remoteobj/except/except.h"

namespace remoteobj {

// How a process comes to be.
enum class Start {
  // A copy of this one: any function, any arguments; the memory as it is now. Not for programs that
  // have threads: what another thread has locked at that moment stays locked in the copy.
  kFork,
  // This program, begun anew: a registered function with coded arguments, which inherits nothing
  // but
  // them (remoteobj/process/spawn.h).
  kSpawn,
  // The same, copied from a small process that has been begun anew once: quick to start also from a
  // program that is large or has threads.
  kForkServer,
};

// Where a process's stdout and stderr go.
enum class Output {
  kInherit,  // Where this process's do.
  kCapture,  // Into memory: output(), error_output(). It never waits for a reader.
  kForward,  // Where this process's do, each line with the name in front.
};

struct RunOptions {
  // Also its main thread's name, of which the kernel keeps 15 bytes. Empty: that of the function
  // and a number, "Add-1", or "process-1" for functions that have none.
  std::string name = {};
  // It is killed when the process that starts it ends, by whatever cause, executes another program,
  // or closes all its descriptors. One that is no daemon is waited for when that process exits.
  bool daemon = true;
  // For how long Join() waits, and the destructor before it ends the process.
  absl::Duration timeout = absl::InfiniteDuration();
  // Whether Join() and result() throw what the function threw, or ProcessDied.
  bool raises = true;
  // Whether what the function returns and yields is sent back. If not, result() stays empty, or
  // ends without a value; what it throws comes back in any case.
  bool results = true;
  // Called once, by whoever first joins, before it waits: to set a flag that ends the function,
  // say.
  std::function<void()> on_close = {};

  Start start = Start::kFork;
  Output output = Output::kInherit;
  // A function that has yielded so many bytes more than were read waits at its next yield, until
  // somebody joins. Without a limit what is not read takes memory.
  std::uint64_t max_backlog = std::numeric_limits<std::uint64_t>::max();
  // Between RequestStop(), SIGTERM and SIGKILL where the destructor has to end a process.
  absl::Duration grace = absl::Seconds(2);
  // Where it records what it throws. One of its own if there is none.
  std::optional<Except> errors = {};
  // Of a Job: on a thread instead of in a process.
  bool threaded = false;
};

using ProcessOptions = RunOptions;
using ThreadOptions = RunOptions;
using JobOptions = RunOptions;

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_OPTIONS_H_
