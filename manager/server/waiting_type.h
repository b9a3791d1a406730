// SPDX-License-Identifier: MIT
//
// The registry entry of a built-in type whose methods wait.
#ifndef REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_
#define REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_

#include <functional>
#include <memory>
#include <utility>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::manager_internal {

// T is a SharedObject that implements Interface, the described class that clients call; T itself if
// it is described. Without `make` clients can't create objects of the type.
template <typename T, typename Interface = T>
RegisteredType WaitingType(
    std::function<std::shared_ptr<Interface>(const ListReader&)> make = nullptr) {
  return {.name = TypeName<T>(),
          .info = &proxy_internal::TypeOf<Interface>(),
          .make = std::move(make),
          .shared = [](void* object) -> SharedObject* {
            return static_cast<T*>(static_cast<Interface*>(object));
          },
          .scan = ScanOf<T, Interface>(),
          .built_in = true};
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_WAITING_TYPE_H_
