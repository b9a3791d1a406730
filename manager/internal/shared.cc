// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/shared.h"

#include <stdexcept>

namespace remoteobj::manager_internal {

Shared::Shared(const Reference& reference, std::string_view type)
    : session_(proxy_internal::SessionOf(type, reference)) {}

void Shared::ThrowEmpty() {
  throw std::logic_error("this proxy refers to no object: assign another one to it first");
}

}  // namespace remoteobj::manager_internal
