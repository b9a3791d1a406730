// SPDX-License-Identifier: MIT
//
// The base of arrows that have operations besides those of the interface: DictArrow, BarrierArrow,
// ... They call object() as often as they need.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_ARROW_WITH_MORE_H_
#define REMOTEOBJ_MANAGER_INTERNAL_ARROW_WITH_MORE_H_

#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/proxy/view.h"

namespace remoteobj::manager_internal {

template <typename Interface>
class ArrowWithMore : public proxy_internal::Arrow<Interface> {
 public:
  using proxy_internal::Arrow<Interface>::Arrow;

 protected:
  // Keeps the object alive.
  Proxy<Interface> object() const {
    return proxy_internal::ProxyAccess::Make<Interface>(this->session->shared_from_this(), View(),
                                                        this->timeout);
  }
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_ARROW_WITH_MORE_H_
