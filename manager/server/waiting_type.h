// SPDX-License-Identifier: MIT
//
// How a server knows a built-in type whose methods wait.
#ifndef REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_
#define REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_

#include <functional>
#include <memory>
#include <utility>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::manager_internal {

// T is a SharedObject that implements Interface, by which clients call it; a T itself if they call
// it by its own description. Without `make` clients can't make one.
template <typename T, typename Interface = T>
RegisteredType WaitingType(
    std::function<std::shared_ptr<Interface>(const ListReader&)> make = nullptr) {
  return {.name = TypeName<T>(),
          .info = &proxy_internal::TypeOf<Interface>(),
          .make = std::move(make),
          .shared = [](void* object) -> SharedObject* {
            return static_cast<T*>(static_cast<Interface*>(object));
          },
          .built_in = true};
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_
