// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/namespace_object.h"

#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/server/types/values.h"

namespace remoteobj::manager_internal {
namespace {

[[noreturn]] void ThrowNoAttribute(const std::string& name) {
  throw std::out_of_range(absl::StrCat("no attribute ", Shown(AnyValue::Of(name))));
}

}  // namespace

NamespaceObject::NamespaceObject(Attributes attributes) {
  for (auto& [name, value] : attributes) set(name, std::move(value));
}

AnyValue NamespaceObject::at(const std::string& name) const {
  const auto at = attributes_.find(name);
  if (at == attributes_.end()) ThrowNoAttribute(name);
  return at->second;
}

std::vector<std::string> NamespaceObject::names() const {
  std::vector<std::string> names;
  names.reserve(attributes_.size());
  for (const auto& [name, value] : attributes_) names.push_back(name);
  return names;
}

std::string NamespaceObject::to_string() const {
  Listing listing("Namespace(");
  for (const auto& [name, value] : attributes_) {
    if (!listing.Next()) break;
    listing.Add(name).Add("=").Add(value);
  }
  return listing.Close(")");
}

void NamespaceObject::set(const std::string& name, AnyValue value) {
  if (name.empty() || name[0] == '_') {
    throw std::invalid_argument(absl::StrCat("an attribute can't be called ",
                                             Shown(AnyValue::Of(name)),
                                             ": its name begins with another character than _"));
  }
  attributes_.insert_or_assign(name, std::move(value));
}

void NamespaceObject::remove(const std::string& name) {
  if (attributes_.erase(name) == 0) ThrowNoAttribute(name);
}

}  // namespace remoteobj::manager_internal
