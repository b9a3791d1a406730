// SPDX-License-Identifier: MIT
//
// What a caller is told if the thread that evaluates its call ends: by pthread_exit, or cancelled.
// Such a thread unwinds its stack with what catch (...) catches, and must throw on; it is no C++
// exception, so std::current_exception() is null. (An abi::__forced_unwind that is caught by
// reference is a reference to null, which UndefinedBehaviorSanitizer refuses.)
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_THREAD_END_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_THREAD_END_H_

#include <unistd.h>

#include <optional>
#include <tuple>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/packed.h"

namespace remoteobj::transport_internal {

// A ListenerDied.
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
