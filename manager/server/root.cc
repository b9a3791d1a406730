// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/root.h"

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/proxy/internal/type_info_of.h"

namespace remoteobj::manager_internal {

Reference Root::create(const std::string& type_id, const std::string& type,
                       const AnyValue& arguments) {
  // To make an object of a user's type is to run its constructor.
  CurrentCall().ContinueAt(server_.registry().Find(type_id).place());
  std::shared_ptr<Entry> entry;
  arguments.Read([&](const ValueReader& in) { entry = server_.Make(type_id, type, in.AsList()); });
  if (!arguments.references().empty()) server_.MayStore(*entry);
  return {std::move(entry)};
}

const Rights* Root::CallerRights() {
  return ObjectServer::IsEvaluating() ? CurrentCall().rights() : nullptr;
}

void Root::publish_for(const std::string& name, const Reference& object,
                       const std::vector<std::string>& allow) {
  const absl::MutexLock lock(&mutex_);
  const auto at = names_.find(name);
  if (at == names_.end()) {
    names_.emplace(
        name, Published{object.referent, allow, ObjectServer::ChargeToCaller(&Account::names)});
  } else if (at->second.object != object.referent) {
    throw std::invalid_argument(absl::StrCat("another object is published as \"", name, "\""));
  } else if (!allow.empty()) {
    at->second.allow = allow;  // Otherwise as before: to publish it again does not open it.
  }
}

Reference Root::get(const std::string& name) const {
  const Rights* const rights = CallerRights();
  const absl::MutexLock lock(&mutex_);
  const auto at = names_.find(name);
  if (rights != nullptr) {
    // Before it says if there is such a name.
    rights->CheckName(name, at == names_.end() ? std::vector<std::string>() : at->second.allow);
  }
  if (at == names_.end()) {
    throw std::out_of_range(absl::StrCat("no object is published as \"", name, "\""));
  }
  return {at->second.object};
}

Reference Root::get_or_create(const std::string& name, const std::string& type_id,
                              const std::string& type, const AnyValue& arguments) {
  const Rights* const rights = CallerRights();
  {
    const absl::MutexLock lock(&mutex_);
    const auto at = names_.find(name);
    if (rights != nullptr) {
      if (at == names_.end()) rights->Refuse("to publish an object");
      rights->CheckName(name, at->second.allow);
    }
    if (at != names_.end()) return {at->second.object};
  }
  // Without the lock: it may run a user's constructor. If two calls race, the first one's object is
  // published.
  Reference made = create(type_id, type, arguments);
  const absl::MutexLock lock(&mutex_);
  const auto at = names_.find(name);
  if (at != names_.end()) return {at->second.object};
  names_.emplace(name, Published{made.referent, {}, ObjectServer::ChargeToCaller(&Account::names)});
  return made;
}

void Root::unpublish(const std::string& name) {
  Published last;
  const absl::MutexLock lock(&mutex_);
  const auto at = names_.find(name);
  if (at == names_.end()) {
    throw std::out_of_range(absl::StrCat("no object is published as \"", name, "\""));
  }
  last = std::move(at->second);
  names_.erase(at);
  server_.Released();
}

std::vector<std::string> Root::names() const {
  const Rights* const rights = CallerRights();
  const absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  for (const auto& [name, published] : names_) {
    if (rights == nullptr || rights->MayGet(name, published.allow)) names.push_back(name);
  }
  return names;
}

std::map<std::uint64_t, std::string> Root::ids() const {
  const absl::MutexLock lock(&mutex_);
  std::map<std::uint64_t, std::string> ids;
  for (const auto& [name, published] : names_) ids.emplace(published.object->id(), name);
  return ids;
}

Inspection Root::inspect() const { return server_.Inspect(); }

std::uint64_t Root::object_count() const { return server_.object_count(); }

void Root::shutdown() {
  if (on_shutdown_ == nullptr) throw std::logic_error("clients can't end this manager");
  on_shutdown_();
}

RegisteredType RootType() {
  return {.name = TypeName<Root>(), .info = &proxy_internal::TypeOf<Root>(), .built_in = true};
}

}  // namespace remoteobj::manager_internal
