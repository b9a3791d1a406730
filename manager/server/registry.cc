// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/registry.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace remoteobj::manager_internal {

void Registry::Add(std::string type_id, RegisteredType type) {
  const auto [at, added] = types_.try_emplace(std::move(type_id), std::move(type));
  if (!added) {
    throw std::logic_error(absl::StrCat("the type ", at->first, " is registered already"));
  }
}

const RegisteredType& Registry::Find(std::string_view type_id) const {
  const auto at = types_.find(type_id);
  if (at == types_.end()) {
    throw std::invalid_argument(
        absl::StrCat("the manager has no type \"", std::string(type_id), "\": register it"));
  }
  return at->second;
}

std::pair<std::string_view, const RegisteredType&> Registry::FindByName(
    std::string_view name) const {
  for (const auto& [type_id, type] : types_) {
    if (type.name == name && !type.built_in) return {type_id, type};
  }
  throw std::invalid_argument(
      absl::StrCat("the manager has no type ", std::string(name), ": register it"));
}

}  // namespace remoteobj::manager_internal
