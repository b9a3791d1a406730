// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/lockable.h"

#include "remoteobj/transport/interruption.h"

namespace remoteobj::manager_internal {

bool Lockable::Acquire(absl::Duration timeout) const {
  return CallFor<bool>(timeout, "acquire", ThisThread(), timeout);
}

void Lockable::Release() const {
  // Who is asked to stop still has to release it.
  const transport_internal::Uninterrupted uninterrupted;
  Call<void>("release", ThisThread());
}

void Lockable::unlock() const noexcept {
  const transport_internal::Uninterrupted uninterrupted;
  try {
    Call<void>("unlock", ThisThread());
  } catch (...) {
  }
}

}  // namespace remoteobj::manager_internal
