// SPDX-License-Identifier: MIT
//
// A thread that ends within a call that it evaluates: by pthread_exit, or cancelled. It unwinds its
// stack with what catch (...) catches, and must throw on.
//
//   } catch (...) {
//     if (ThreadEnds()) throw;
//     …
//   }
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_THREAD_END_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_THREAD_END_H_

#include <unistd.h>

#include <exception>
#include <optional>
#include <tuple>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::transport_internal {

// Returns true if the end of this thread is being handled, and no C++ exception. (Catching it as an
// abi::__forced_unwind would make a reference to null, which UndefinedBehaviorSanitizer refuses.)
inline bool ThreadEnds() noexcept { return std::current_exception() == nullptr; }

// The error for the caller: a ListenerDied.
inline ErrorInfo EvaluatingThreadEnded() {
  const std::tuple<pid_t, std::optional<int>, std::optional<int>, bool> fields(getpid(), {}, {},
                                                                               true);
  return {.type = "remoteobj::ListenerDied",
          .message = "the thread that evaluated the call has ended (by pthread_exit, or cancelled)",
          .pid = getpid(),
          .fields = Pack(fields)};
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_THREAD_END_H_
