// SPDX-License-Identifier: MIT
//
// The root object of a manager, number 0: makes the other objects, publishes them by name, and
// lists them.
#ifndef REMOTEOBJ_MANAGER_SERVER_ROOT_H_
#define REMOTEOBJ_MANAGER_SERVER_ROOT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/server/account.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/rights.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

class ObjectServer;

class Root {
 public:
  explicit Root(ObjectServer& server) : server_(server) {}

  // Makes an object. `type` is the name of its proxies' type, `arguments` a list.
  Reference create(const std::string& type_id, const std::string& type, const AnyValue& arguments);

  // Throws std::invalid_argument if another object has the name.
  void publish(const std::string& name, const Reference& object) { publish_for(name, object, {}); }
  // `allow`: PublishOptions::allow.
  void publish_for(const std::string& name, const Reference& object,
                   const std::vector<std::string>& allow);
  // Throws std::out_of_range if no object has the name, as does unpublish.
  Reference get(const std::string& name) const;
  Reference get_or_create(const std::string& name, const std::string& type_id,
                          const std::string& type, const AnyValue& arguments);
  void unpublish(const std::string& name);
  std::vector<std::string> names() const;

  Inspection inspect() const;
  std::uint64_t object_count() const;
  // Does nothing: the caller learns that the manager answers.
  void ping() const {}
  // Asks the manager to end.
  void shutdown();
  // Called by shutdown(), which throws std::logic_error without it.
  void set_on_shutdown(std::function<void()> on_shutdown) { on_shutdown_ = std::move(on_shutdown); }

  // The names of the objects that have one, by number.
  std::map<std::uint64_t, std::string> ids() const;

 private:
  ObjectServer& server_;
  std::function<void()> on_shutdown_;
  struct Published {
    std::shared_ptr<Referent> object;
    std::vector<std::string> allow;
    Charge charge;
  };
  static const Rights* CallerRights();

  mutable absl::Mutex mutex_;
  std::map<std::string, Published> names_ ABSL_GUARDED_BY(mutex_);
};
REMOTEOBJ_DESCRIBE(Root, create, publish, publish_for, get, get_or_create, unpublish, names,
                   inspect, object_count, ping, shutdown)

RegisteredType RootType();

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_ROOT_H_
