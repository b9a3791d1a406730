// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/view.h"

#include <exception>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/internal/thread_end.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {

using proxy_internal::Operands;
using proxy_internal::Operation;

namespace proxy_internal {

// Views are printed in error messages: whatever goes wrong here must not replace the error.
void PrintEncoded(std::string& out, const std::string& (*type)(),
                  absl::FunctionRef<void(ValueWriter)> write) {
  try {
    UnpackValue(PackValue(write), [&](const ValueReader& in) {
      constexpr std::string_view kText = "text ";
      std::string text = in.DebugString();
      // In a view a text is what is in quotes.
      if (in.IsShortText()) text.erase(0, kText.size());
      out += text;
    });
  } catch (...) {
    if (transport_internal::ThreadEnds()) throw;
    absl::StrAppend(&out, "<", type(), ">");
  }
}

namespace {

std::string Printed(const Operation& operation, std::size_t index) {
  std::string out;
  if (operation.operands != nullptr) operation.operands->Print(out, index);
  return out;
}

// The arguments from `from` on, separated by commas.
std::string PrintedFrom(const Operation& operation, std::size_t from) {
  std::string out;
  if (operation.operands == nullptr) return out;
  for (std::size_t i = from; i < operation.operands->size(); ++i) {
    if (i > from) out += ", ";
    operation.operands->Print(out, i);
  }
  return out;
}

std::string Print(const std::string& on, const Operation& operation) {
  const std::string name(operation.name);
  switch (operation.kind) {
    case OperationKind::kGetAttribute:
      return absl::StrCat(on, ".", name);
    case OperationKind::kSetAttribute:
      return absl::StrCat(on, ".", name, " = ", Printed(operation, 0));
    case OperationKind::kDeleteAttribute:
      return absl::StrCat("del ", on, ".", name);
    case OperationKind::kGetItem:
      return absl::StrCat(on, "[", Printed(operation, 0), "]");
    case OperationKind::kSetItem:
      return absl::StrCat(on, "[", Printed(operation, 0), "] = ", Printed(operation, 1));
    case OperationKind::kDeleteItem:
      return absl::StrCat("del ", on, "[", Printed(operation, 0), "]");
    case OperationKind::kCall:
      return absl::StrCat(on, "(", PrintedFrom(operation, 0), ")");
    case OperationKind::kContains:
      return absl::StrCat(Printed(operation, 0), " in ", on);
    case OperationKind::kLength:
      return absl::StrCat("len(", on, ")");
    case OperationKind::kPassTo: {
      const std::string more = PrintedFrom(operation, 0);
      return absl::StrCat(name, "(", on, more.empty() ? "" : ", ", more, ")");
    }
    case OperationKind::kSuper:
      return absl::StrCat("super<", name, ">(", on, ")");
    case OperationKind::kExists:
      return absl::StrCat("exists(", on, ")");
    case OperationKind::kNext:  // Between views, and in none.
      break;
  }
  return on;
}

// Setting and deleting end a view.
bool Ends(OperationKind kind) {
  return kind == OperationKind::kSetAttribute || kind == OperationKind::kDeleteAttribute ||
         kind == OperationKind::kSetItem || kind == OperationKind::kDeleteItem;
}

}  // namespace
}  // namespace proxy_internal

View View::GetAttribute(std::string name) const {
  return Extend(OperationKind::kGetAttribute, std::move(name), nullptr);
}

View View::DeleteAttribute(std::string name) const {
  return Extend(OperationKind::kDeleteAttribute, std::move(name), nullptr);
}

View View::Length() const { return Extend(OperationKind::kLength, {}, nullptr); }

View View::Super(std::string base) const {
  return Extend(OperationKind::kSuper, std::move(base), nullptr);
}

View View::Exists() const { return Extend(OperationKind::kExists, {}, nullptr); }

View View::Attributes(std::string_view path) const {
  View view = *this;
  const std::string_view whole = path;
  while (!path.empty()) {
    const std::size_t dot = path.find('.');
    const std::string_view name = path.substr(0, dot);
    if (name.empty() || dot + 1 == path.size()) {
      throw std::invalid_argument(
          absl::StrCat("a path with an empty name: \"", std::string(whole), "\""));
    }
    view = view.GetAttribute(std::string(name));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return view;
}

std::string View::ToString() const {
  std::string text = "?";
  for (const Operation& operation : operations_) text = proxy_internal::Print(text, operation);
  return absl::StrCat("(", text, ")");
}

void View::CheckOpen() const {
  if (!operations_.empty() && proxy_internal::Ends(operations_.back().kind)) {
    throw std::logic_error(absl::StrCat("the view ", ToString(), " can't be extended"));
  }
}

View View::Extend(Operation operation) const& {
  View longer = *this;
  return std::move(longer).Extend(std::move(operation));
}

View View::Extend(Operation operation) && {
  CheckOpen();
  operations_.push_back(std::move(operation));
  return std::move(*this);
}

View View::Extend(const View& view) const {
  View longer = *this;
  for (const Operation& operation : view.operations_) {
    longer = std::move(longer).Extend(operation);
  }
  return longer;
}

View View::Extend(OperationKind kind, std::string name,
                  std::shared_ptr<const Operands> operands) const {
  Operation operation{.kind = kind, .operands = std::move(operands)};
  if (!name.empty()) {
    operation.own_name = std::make_shared<const std::string>(std::move(name));
    operation.name = *operation.own_name;
  }
  return Extend(std::move(operation));
}

void View::Write(const OperationsWriter& out) const {
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    proxy_internal::WriteOperation(out, i, operations_[i].step(), operations_[i].operands.get());
  }
}

std::ostream& operator<<(std::ostream& out, const View& view) { return out << view.ToString(); }

}  // namespace remoteobj
