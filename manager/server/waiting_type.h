// SPDX-License-Identifier: MIT
//
// How a server knows a built-in type whose methods wait.
#ifndef REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_
#define REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_

#include <functional>
#include <memory>
#include <utility>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/call.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::manager_internal {

// T is a SharedObject. Without `make` clients can't make one.
template <typename T>
RegisteredType WaitingType(std::function<std::shared_ptr<void>(const ListReader&)> make = nullptr) {
  return {.name = TypeName<T>(),
          .info = &proxy_internal::TypeOf<T>(),
          .make = std::move(make),
          .shared = [](void* object) -> SharedObject* { return static_cast<T*>(object); },
          .built_in = true};
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_
