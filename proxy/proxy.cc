// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/proxy.h"

#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace remoteobj {

using proxy_internal::Operands;
using proxy_internal::Operation;

namespace proxy_internal {
namespace {

View FirstOf(const View& view, std::size_t size) {
  View first;
  for (std::size_t i = 0; i < size; ++i) first = std::move(first).Extend(view[i]);
  return first;
}

bool CallEndsAt(const View& view, std::size_t end) {
  return end >= 2 && view[end - 1].kind == OperationKind::kCall &&
         view[end - 2].kind == OperationKind::kGetAttribute;
}

}  // namespace

bool EndsWithCall(const View& view) { return CallEndsAt(view, view.size()); }

View WithoutLastCalls(const View& view) {
  std::size_t size = view.size();
  while (CallEndsAt(view, size)) size -= 2;
  return FirstOf(view, size);
}

}  // namespace proxy_internal

void UntypedView::Delete() const {
  Change(OperationKind::kDeleteAttribute, OperationKind::kDeleteItem, Last().operands);
}

absl::Status UntypedView::TryDelete() const {
  return proxy_internal::Try<void>([&] { Delete(); });
}

std::size_t UntypedView::Length() const { return Evaluate<std::size_t>(view_.Length()); }

absl::StatusOr<std::size_t> UntypedView::TryLength() const {
  return proxy_internal::Try<std::size_t>([&] { return Length(); });
}

bool UntypedView::Exists() const { return EvaluateBool(view_.Exists()); }

absl::StatusOr<bool> UntypedView::TryExists() const {
  return proxy_internal::Try<bool>([&] { return Exists(); });
}

bool UntypedView::EvaluateBool(const View& view) const { return Evaluate<bool>(view); }

Operation UntypedView::Last() const {
  if (view_.size() != 0) {
    const Operation& last = view_[view_.size() - 1];
    if (last.kind == OperationKind::kGetAttribute || last.kind == OperationKind::kGetItem) {
      return last;
    }
  }
  throw std::logic_error(absl::StrCat(view_.ToString(), " does not end with a member or an item"));
}

void UntypedView::Change(OperationKind attribute, OperationKind item,
                         std::shared_ptr<const Operands> operands) const {
  Operation last = Last();
  last.kind = last.kind == OperationKind::kGetItem ? item : attribute;
  last.operands = std::move(operands);
  Evaluate<void>(proxy_internal::FirstOf(view_, view_.size() - 1).Extend(std::move(last)));
}

}  // namespace remoteobj
