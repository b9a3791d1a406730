// SPDX-License-Identifier: MIT
//
// The registered types, of which a manager can make objects.
#ifndef REMOTEOBJ_MANAGER_SERVER_REGISTRY_H_
#define REMOTEOBJ_MANAGER_SERVER_REGISTRY_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "remoteobj/manager/run.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/proxy/internal/type_info.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {

namespace manager_internal {

class ReferenceScan;

struct RegisteredType {
  std::string name = {};  // A Proxy<T> asks for it; the registry's key is the typeid.
  const proxy_internal::TypeInfo* info = nullptr;
  std::function<std::shared_ptr<void>(const ListReader& arguments)> make = {};
  // Handles a request in place of the evaluator: null for most.
  void (*relay)(void* object, const RequestReader& request, OutcomeWriter& outcome) = nullptr;
  // Null for a type that does not wait.
  SharedObject* (*shared)(void* object) = nullptr;
  // Null for a type that stores no values of clients.
  void (*scan)(const void* object, ReferenceScan& scan) = nullptr;
  // Empty: all that is described.
  std::optional<std::set<std::string, std::less<>>> exposed = {};
  Run run = Run::kOnThread;
  bool built_in = false;

  // The place at which the constructor and the methods are evaluated.
  Place place() const {
    if (built_in) return Place::kUnderLock;
    return run == Run::kInServer ? Place::kInServer : Place::kOnThread;
  }
};

class Registry {
 public:
  // Throws std::logic_error if the id is registered already.
  void Add(std::string type_id, RegisteredType type);
  // Throws std::invalid_argument if the id is not registered.
  const RegisteredType& Find(std::string_view type_id) const;
  // The first user's type of that name, with its id. Throws std::invalid_argument.
  std::pair<std::string_view, const RegisteredType&> FindByName(std::string_view name) const;

 private:
  std::map<std::string, RegisteredType, std::less<>> types_;
};

}  // namespace manager_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SERVER_REGISTRY_H_
