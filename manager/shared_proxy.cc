// SPDX-License-Identifier: MIT
#include "remoteobj/manager/shared_proxy.h"

#include <stdexcept>

namespace remoteobj {

SharedProxyBase::SharedProxyBase(const Reference& reference, std::string_view type)
    : session_(proxy_internal::SessionOf(type, reference)) {}

void SharedProxyBase::ThrowEmpty() {
  throw std::logic_error("this proxy refers to no object: assign another one to it first");
}

}  // namespace remoteobj
