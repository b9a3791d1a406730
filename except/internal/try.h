// SPDX-License-Identifier: MIT
//
// Turns what a function throws into a status.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_TRY_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_TRY_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/transport/internal/thread_end.h"

namespace remoteobj::except_internal {

// absl::Status for void, else absl::StatusOr<T>.
template <typename T>
struct StatusOrValue {
  using type = absl::StatusOr<T>;
};
template <>
struct StatusOrValue<void> {
  using type = absl::Status;
};

// Calls `f`, which returns a T. An exception becomes a status, except the one that ends the thread.
template <typename T, typename F>
typename StatusOrValue<T>::type Try(F&& f) {
  try {
    if constexpr (std::is_void_v<T>) {
      std::forward<F>(f)();
      return absl::OkStatus();
    } else {
      return std::forward<F>(f)();
    }
  } catch (...) {
    if (transport_internal::ThreadEnds()) throw;
    return CurrentExceptionToStatus();
  }
}

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_TRY_H_
