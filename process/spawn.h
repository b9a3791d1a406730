// SPDX-License-Identifier: MIT
//
// Processes that are no copies of this one, but execute this program again.
//
//   double Measure(std::string device, remoteobj::Except errors) { … }
//   REMOTEOBJ_REGISTER_FUNCTION(Measure)
//
//   int main(int argc, char** argv) {
//     remoteobj::Init(&argc, &argv);        // first: in a spawned process it does not return
//     remoteobj::Process process({.start = remoteobj::Start::kSpawn}, Measure, "/dev/0", errors);
//
// Such a process receives nothing but the arguments: any type with a Codec, an Except, a Proxy. The
// function is registered under its name, so both processes must execute the same program.
//
// Start::kForkServer executes the program only once: that process, the fork server, forks each
// process that is started from then on. Starting is quick, independent of the memory and threads of
// this process. Environment and working directory are those of the first start.
//
// Threads:  thread-safe.
// Errors:   std::logic_error from starting a process if Init() was not called (main() would run in
//           the new process), or the function is not registered; std::system_error (EPERM) in a
//           set-user-ID program, whose caller chooses its environment.
#ifndef REMOTEOBJ_PROCESS_SPAWN_H_
#define REMOTEOBJ_PROCESS_SPAWN_H_

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "remoteobj/process/internal/body.h"
#include "remoteobj/process/internal/spawned.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {

// In a spawned process: runs its function, and ends the process. Otherwise returns at once.
void Init(int* argc, char*** argv);

// Registers a function for kSpawn and kForkServer; at namespace scope, after the function.
#define REMOTEOBJ_REGISTER_FUNCTION(...)                                             \
  [[maybe_unused]] static const bool REMOTEOBJ_REGISTER_FUNCTION_NAME(__COUNTER__) = \
      ::remoteobj::process_internal::RegisterFunction<&__VA_ARGS__>();
#define REMOTEOBJ_REGISTER_FUNCTION_NAME(number) REMOTEOBJ_REGISTER_FUNCTION_NAME_(number)
#define REMOTEOBJ_REGISTER_FUNCTION_NAME_(number) remoteobj_registered_function_##number

namespace process_internal {

template <auto kFunction>
void CallSpawned(Body& body, std::string_view packed, Attachments& attachments) {
  using F = decltype(kFunction);
  auto arguments = Unpack<ParametersOf<F>>(packed, attachments);
  auto call = std::tuple_cat(std::tuple<F>(kFunction), std::move(arguments));
  CallIn(body, call);
}

template <auto kFunction>
bool RegisterFunction() {
  static_assert(Spawnable<decltype(kFunction)>,
                "remoteobj: a function that is registered takes what has a Codec, by value or by "
                "const reference");
  return Register(reinterpret_cast<const void*>(kFunction), __PRETTY_FUNCTION__,
                  &CallSpawned<kFunction>);
}

}  // namespace process_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_SPAWN_H_
