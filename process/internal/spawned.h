// SPDX-License-Identifier: MIT
//
// What a process that is this program begun anew is to do, on both sides: written down by its
// owner, read by it.
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

// As an argument of a process that is being started.
template <>
struct Codec<Except> {
  static void Encode(const Except& errors, ValueWriter out);
  static Except Decode(const ValueReader& in);
};

namespace process_internal {

template <typename T>
concept HasCodec = requires { sizeof(Codec<T>); };

// What a function takes, but for a std::stop_token, as values.
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

using SpawnedCall = void (*)(Body& body, std::string_view packed_arguments);

// Ends the program, with a message, if another function has that name.
bool Register(const void* function, std::string_view name, SpawnedCall call);

// All that the new process has to know, as bytes in memory, and the descriptors that it needs:
// first that memory, then the log's two, the lifeline's of a daemon, those of the arguments, and
// that of an Except.
class Dispatch {
 public:
  // Throws std::logic_error if `function` can't be spawned.
  Dispatch(const RunOptions& options, const std::string& name, const void* function,
           std::string arguments, const std::vector<int>& descriptors, const SharedLog& log,
           int lifeline);
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  const std::vector<int>& descriptors() const { return descriptors_; }

 private:
  transport_internal::OwnDescriptor memory_;
  std::vector<int> descriptors_;
};

// Does what a Dispatch says, in the new process.
[[noreturn]] void RunDispatched(const std::vector<int>& descriptors);

// Begins this program anew, with these descriptors, which the variable of the environment tells it.
// Gives its pid. `out` and `err` are its stdout and stderr if they are not negative.
inline constexpr char kDispatchVariable[] = "REMOTEOBJ_DISPATCH";
inline constexpr char kForkServerVariable[] = "REMOTEOBJ_FORK_SERVER";
pid_t BeginAnew(const char* variable, const std::vector<int>& descriptors, int out, int err);

}  // namespace process_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_INTERNAL_SPAWNED_H_
