// SPDX-License-Identifier: MIT
//
// The job description of a spawned (re-executed) process: serialized by its owner, read by it.
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_SPAWNED_H_
#define REMOTEOBJ_PROCESS_INTERNAL_SPAWNED_H_

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "remoteobj/except/except.h"
#include "remoteobj/process/internal/body.h"
#include "remoteobj/process/options.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/own_descriptor.h"
#include "remoteobj/transport/shared_memory/shared_log.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {

// For arguments of a process that is being started.
template <>
struct Codec<Except> {
  static void Encode(const Except& errors, ValueWriter out);
  static Except Decode(const ValueReader& in);
};

namespace process_internal {

// The parameters of a function as values, without a std::stop_token.
template <typename F>
struct Parameters {
  static constexpr bool kHaveCodecs = false;
};
template <typename R, typename... P>
struct Parameters<R (*)(P...)> {
  using Tuple = std::tuple<std::decay_t<P>...>;
  static constexpr bool kHaveCodecs = (HasCodec<std::decay_t<P>> && ...);
};
template <typename R, typename... P>
struct Parameters<R (*)(std::stop_token, P...)> : Parameters<R (*)(P...)> {};
template <typename R, typename... P>
struct Parameters<R (*)(P...) noexcept> : Parameters<R (*)(P...)> {};

template <typename F>
using ParametersOf = typename Parameters<F>::Tuple;
template <typename F>
concept Spawnable = Parameters<F>::kHaveCodecs;

using SpawnedCall = void (*)(Body& body, std::string_view packed_arguments,
                             Attachments& attachments);

// Ends the program, with a message, if another function has that name.
bool Register(const void* function, std::string_view name, SpawnedCall call);

// The job description in a memory file, and the descriptors that the new process needs: first that
// file, then the log's two, the lifeline's of a daemon, those of the arguments, and that of an
// Except.
class Dispatch {
 public:
  // Throws std::logic_error if `function` can't be spawned.
  Dispatch(const ProcessOptions& options, const std::string& name, const void* function,
           std::string arguments, const std::vector<int>& descriptors, const SharedLog& log,
           int lifeline);
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  const std::vector<int>& descriptors() const { return descriptors_; }

 private:
  transport_internal::OwnDescriptor memory_;
  std::vector<int> descriptors_;
};

// Runs the job that a Dispatch describes, in the new process.
[[noreturn]] void RunDispatched(const std::vector<int>& descriptors);

// Executes this program in a new process with these descriptors, whose numbers are the value of the
// environment variable, and returns its pid. `out` and `err` become its stdout and stderr if they
// are not negative.
inline constexpr char kDispatchVariable[] = "REMOTEOBJ_DISPATCH";
inline constexpr char kForkServerVariable[] = "REMOTEOBJ_FORK_SERVER";
pid_t SpawnThisProgram(const char* variable, const std::vector<int>& descriptors, int out, int err);

}  // namespace process_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_INTERNAL_SPAWNED_H_
