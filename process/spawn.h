// SPDX-License-Identifier: MIT
//
// Processes that are no copies of this one, but this program begun anew.
//
//   double Measure(std::string device, remoteobj::Except errors) { … }
//   REMOTEOBJ_REGISTER_FUNCTION(Measure)
//
//   int main(int argc, char** argv) {
//     remoteobj::Init(&argc, &argv);        // first: in a spawned process it does not return
//     remoteobj::Process process({.start = remoteobj::Start::kSpawn}, Measure, "/dev/video0",
//     errors);
//
// Such a process has nothing of this one's but the arguments: any type with a Codec, an Except, a
// Proxy. The function is registered under its name, so both are the same program.
//
// Start::kForkServer begins the program anew only once: that process waits, and is forked for each
// process that is started from then on. So starting is quick, whatever this one has of memory and
// threads. Environment and working directory are those of the first start.
//
// Threads:  thread-safe.
// Errors:   std::logic_error from starting if Init() was not called or the function is not
//           registered: it would be this program's main() that runs in the new process.
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

// Runs what this process was started for, if it was, and ends it. Else returns at once.
void Init(int* argc, char*** argv);

// Makes a function one that can be spawned; at namespace scope, after the function.
#define REMOTEOBJ_REGISTER_FUNCTION(...)                                             \
  [[maybe_unused]] static const bool REMOTEOBJ_REGISTER_FUNCTION_NAME(__COUNTER__) = \
      ::remoteobj::process_internal::RegisterFunction<&__VA_ARGS__>();
#define REMOTEOBJ_REGISTER_FUNCTION_NAME(number) REMOTEOBJ_REGISTER_FUNCTION_NAME_(number)
#define REMOTEOBJ_REGISTER_FUNCTION_NAME_(number) remoteobj_registered_function_##number

namespace process_internal {

template <auto kFunction>
void CallSpawned(Body& body, std::string_view packed) {
  using F = decltype(kFunction);
  auto arguments = Unpack<ParametersOf<F>>(packed);
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
