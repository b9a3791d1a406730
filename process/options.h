// SPDX-License-Identifier: MIT
//
// The options of Process, Thread and Job.
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
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/except/except.h"
#include "remoteobj/process/sandbox.h"

namespace remoteobj {

// How a process is started.
enum class Start {
  // A copy of this process: any function, any arguments; the memory as it is now. Not for programs
  // that have threads: a lock that another thread holds at that moment stays locked in the copy.
  kFork,
  // This program, executed again: a registered function with coded arguments, which inherits
  // nothing else (remoteobj/process/spawn.h).
  kSpawn,
  // Like kSpawn, but a fork of a small process that was spawned once: starts quickly also from a
  // program that is large or has threads.
  kForkServer,
};

// The destination of a process's stdout and stderr.
enum class Output {
  kInherit,  // To those of this process.
  kCapture,  // Into memory: output(), error_output(). Writing never blocks.
  kForward,  // To those of this process, each line with the name in front.
};

inline constexpr std::uint64_t kDefaultMaxOutput = std::uint64_t{64} << 20;

struct ProcessOptions {
  // Also the name of its main thread, of which the kernel keeps 15 bytes. Empty: that of the
  // function and a number, "Add-1", or "process-1" for functions that have none.
  std::string name = {};
  // A daemon is killed when the process that starts it ends, by whatever cause, executes another
  // program, or closes all its descriptors. A process that is no daemon is waited for when that
  // process exits.
  bool daemon = true;
  // How long Join() waits, and the destructor before it ends the process.
  absl::Duration timeout = absl::InfiniteDuration();
  // If false, Join() and the Generator of result() do not throw what the function threw, nor
  // ProcessDied. Get() does in any case.
  bool raises = true;
  // If false, what the function returns and yields is not sent back: result() stays empty, or ends
  // without a value; what the function throws comes back in any case.
  bool results = true;
  // Called once, by the thread that joins first, before it waits: for example, to set a flag that
  // ends the function.
  std::function<void()> on_close = {};

  Start start = Start::kFork;
  Output output = Output::kInherit;
  // The bytes of captured stdout, and of stderr, that output() and error_output() return at most. A
  // longer one is cut there, and a last line says so.
  std::uint64_t max_output = kDefaultMaxOutput;
  // A function with more than this many bytes of unread yields blocks at its next yield, until some
  // are read or its owner joins. Without a limit, unread yields take memory.
  std::uint64_t max_backlog = std::numeric_limits<std::uint64_t>::max();
  // The time between RequestStop(), SIGTERM and SIGKILL when the destructor has to end a process.
  absl::Duration grace = absl::Seconds(2);
  // Records what the function throws. If empty, the process has an Except of its own.
  std::optional<Except> errors = {};
  // For functions that handle what is not trusted: see remoteobj/process/sandbox.h.
  ProcessLimits limits = {};
  Sandbox sandbox = Sandbox::kNone;
};

// The options of a ProcessOptions that a thread has, too.
struct ThreadOptions {
  std::string name = {};  // "thread-1" for functions that have none.
  absl::Duration timeout = absl::InfiniteDuration();
  bool raises = true;
  bool results = true;
  std::function<void()> on_close = {};
  std::uint64_t max_backlog = std::numeric_limits<std::uint64_t>::max();
  // The time from RequestStop() to a line in the log, when the destructor has to end a thread.
  absl::Duration grace = absl::Seconds(2);
  std::optional<Except> errors = {};
};

// The options of a ProcessOptions, and the choice. A thread ignores `daemon`, `start`, `output` and
// `max_output`. It can't have limits and a sandbox: std::invalid_argument.
struct JobOptions {
  std::string name = {};
  bool daemon = true;
  absl::Duration timeout = absl::InfiniteDuration();
  bool raises = true;
  bool results = true;
  std::function<void()> on_close = {};
  Start start = Start::kFork;
  Output output = Output::kInherit;
  std::uint64_t max_output = kDefaultMaxOutput;
  std::uint64_t max_backlog = std::numeric_limits<std::uint64_t>::max();
  absl::Duration grace = absl::Seconds(2);
  std::optional<Except> errors = {};
  ProcessLimits limits = {};
  Sandbox sandbox = Sandbox::kNone;
  // Runs the function on a thread, not in a process.
  bool threaded = false;
};

namespace process_internal {

inline ProcessOptions AsProcessOptions(ThreadOptions options) {
  return {.name = std::move(options.name),
          .timeout = options.timeout,
          .raises = options.raises,
          .results = options.results,
          .on_close = std::move(options.on_close),
          .max_backlog = options.max_backlog,
          .grace = options.grace,
          .errors = std::move(options.errors)};
}

inline ProcessOptions AsProcessOptions(JobOptions options) {
  return {.name = std::move(options.name),
          .daemon = options.daemon,
          .timeout = options.timeout,
          .raises = options.raises,
          .results = options.results,
          .on_close = std::move(options.on_close),
          .start = options.start,
          .output = options.output,
          .max_output = options.max_output,
          .max_backlog = options.max_backlog,
          .grace = options.grace,
          .errors = std::move(options.errors),
          .limits = options.limits,
          .sandbox = options.sandbox};
}

}  // namespace process_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_OPTIONS_H_
