// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/shared.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::manager_internal {

Shared::Shared(const Reference& reference, std::string_view type) {
  if (reference.referent == nullptr) throw BadValue("a reference to no object");
  if (reference.referent->type() != type) {
    throw BadValue(absl::StrCat("expected a proxy of ", std::string(type), ", got one of ",
                                reference.referent->type()));
  }
  session_ = std::make_shared<proxy_internal::Session>(reference.referent);
}

void Shared::ThrowEmpty() {
  throw std::logic_error("a proxy of no object: it was made by its default constructor");
}

}  // namespace remoteobj::manager_internal
