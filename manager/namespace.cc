// SPDX-License-Identifier: MIT
#include "remoteobj/manager/namespace.h"

#include "remoteobj/manager/internal/containers.h"

namespace remoteobj {

AnyValue Namespace::Arguments(const Contents& attributes, Attachments& offers) {
  return manager_internal::OneArgument(attributes, offers);
}

bool Namespace::Has(std::string_view name) const { return (*this)->contains(std::string(name)); }
void Namespace::Delete(std::string_view name) const { (*this)->remove(std::string(name)); }
std::vector<std::string> Namespace::Names() const { return (*this)->names(); }

absl::StatusOr<bool> Namespace::TryHas(std::string_view name) const {
  return Try([&] { return Has(name); });
}
absl::Status Namespace::TryDelete(std::string_view name) const {
  return Try([&] { Delete(name); });
}
absl::StatusOr<std::vector<std::string>> Namespace::TryNames() const {
  return Try([&] { return Names(); });
}

}  // namespace remoteobj
