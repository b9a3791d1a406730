// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/rights.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/internal/relay_messages.h"
#include "remoteobj/manager/server/entry.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/proxy/internal/member_name.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {
namespace {

using proxy_internal::MemberName;

// The methods of those who serve a relay are protected by its secret.
bool EndsRelay(std::string_view method) {
  return method == MemberName(&RelayInterface::close) ||
         method == MemberName(&RelayInterface::terminate);
}

}  // namespace

Rights::Rights(std::string name, const Policy& policy)
    : name_(std::move(name)),
      policy_(policy),
      names_(policy.names.begin(), policy.names.end()),
      members_(policy.members.begin(), policy.members.end()) {}

void Rights::Refuse(const std::string& what) const { throw NotAllowed::By(name_, what); }

void Rights::CheckRoot(std::string_view method) const {
  if (method == MemberName(&Root::get) || method == MemberName(&Root::names) ||
      method == MemberName(&Root::ping)) {
    return;
  }
  const bool inspects =
      method == MemberName(&Root::inspect) || method == MemberName(&Root::object_count);
  if (inspects && names_.empty()) return;
  const bool creates =
      method == MemberName(&Root::create) || method == MemberName(&Root::get_or_create);
  if (creates && policy_.create && !policy_.read_only) return;
  Refuse(absl::StrCat("to call ", std::string(method), "() of the manager"));
}

void Rights::CheckChain(const Entry& object, const RequestReader& request, std::size_t begin,
                        std::size_t end) const {
  const RegisteredType& how = object.how();
  if (how.relay != nullptr && policy_.read_only) {
    Refuse("to call objects of other clients, which may change");
  }
  const bool relay = object.type_id() == "Pool" || object.type_id() == "Relay";
  for (std::size_t i = begin; i < end; ++i) {
    const OperationReader operation = request[i];
    const OperationKind kind = operation.kind();
    if (kind == OperationKind::kPassTo) Refuse("to pass code");
    if (!NamesMember(kind)) {
      const bool changes = kind == OperationKind::kSetItem || kind == OperationKind::kDeleteItem;
      if (!members_.empty() && (changes || kind == OperationKind::kSuper)) {
        Refuse("to change items, or to use bases: it may use some members only");
      }
      continue;
    }
    const std::string_view name = operation.name();
    if (object.id() == 0) {
      if (i == begin) CheckRoot(name);
      continue;
    }
    if (relay && EndsRelay(name) && !Made(object.id())) {
      Refuse(absl::StrCat("to call ", std::string(name), "() of a ", object.type()));
    }
    if (!members_.empty() && !members_.contains(name)) {
      Refuse(absl::StrCat("to use the member ", std::string(name), " of a ", object.type()));
    }
  }
}

void Rights::CheckObject(std::uint64_t id) {
  if (id == 0) return;
  {
    const absl::MutexLock lock(&mutex_);
    if (given_.contains(id)) return;
  }
  Refuse(absl::StrCat("to use object ", id, ", which it was not given"));
}

bool Rights::MayGet(const std::string& name, const std::vector<std::string>& allow) const {
  if (!allow.empty()) return std::ranges::find(allow, name_) != allow.end();
  return names_.empty() || names_.contains(name);
}

void Rights::CheckName(const std::string& name, const std::vector<std::string>& allow) const {
  if (!MayGet(name, allow)) Refuse(absl::StrCat("to get \"", name, "\""));
}

bool Rights::Made(std::uint64_t id) const {
  const absl::MutexLock lock(&mutex_);
  const auto at = given_.find(id);
  return at != given_.end() && at->second.made;
}

void Rights::Give(const std::shared_ptr<Referent>& object, bool made) {
  const absl::MutexLock lock(&mutex_);
  const auto [at, added] = given_.try_emplace(object->id(), Given{object});
  if (made) at->second.made = true;
  if (given_.size() < most_given_) return;
  std::erase_if(given_, [](const auto& one) { return one.second.object.expired(); });
  most_given_ = 2 * given_.size() + 64;
}

}  // namespace remoteobj::manager_internal
