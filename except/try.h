// SPDX-License-Identifier: MIT
//
// The status of an expression that may throw.
//
//   absl::Status added = remoteobj::Try([&] { d["a"] += 1; });
//   absl::StatusOr<int> sum = remoteobj::Try([&] {
//     int sum = 0;
//     for (const auto& [key, value] : d) sum += value;
//     return sum;
//   });
//   absl::StatusOr<Manager> manager = remoteobj::Try([&] { return Manager(address); });
//
// A function that throws has a twin with a status beside it: Get() and TryGet(), a described method
// f and remote->f.TryCall(). Try() is the twin of everything else: operators, loops, constructors.
//
// Threads:  thread-safe.
// Errors:   the codes are those of CurrentExceptionToStatus() (remote_error.h). Nothing is thrown,
//           but for the unwinding of a thread that ends (pthread_exit()).
#ifndef REMOTEOBJ_EXCEPT_TRY_H_
#define REMOTEOBJ_EXCEPT_TRY_H_

#include <type_traits>
#include <utility>

#include "remoteobj/except/internal/try.h"

namespace remoteobj {

// Calls f(). Returns an absl::StatusOr of its result, an absl::Status if it returns nothing. An
// exception becomes a status.
template <typename F>
auto Try(F&& f) {
  return except_internal::Try<std::remove_cvref_t<std::invoke_result_t<F>>>(std::forward<F>(f));
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_TRY_H_
