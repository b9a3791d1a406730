// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace remoteobj {

View UntypedView::Parent() const {
  View parent;
  for (std::size_t i = 0; i + 1 < view_.size(); ++i) {
    parent = std::move(parent).Extend(view_[i]);
  }
  return parent;
}

std::string_view UntypedView::Last() const {
  if (view_.size() == 0 || view_[view_.size() - 1].kind != OperationKind::kGetAttribute) {
    throw std::logic_error(absl::StrCat(view_.ToString(), " does not end with a member"));
  }
  return view_[view_.size() - 1].name;
}

}  // namespace remoteobj
