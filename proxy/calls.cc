// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/internal/calls.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::proxy_internal {
namespace {

// Without a share in them: the result is used while they exist.
std::shared_ptr<const Operands> Unowned(const Operands* operands) {
  return std::shared_ptr<const Operands>(std::shared_ptr<const Operands>(), operands);
}

void EncodeArguments(std::initializer_list<Argument> arguments, const ListWriter& out) {
  std::size_t i = 0;
  try {
    for (const Argument& argument : arguments) argument.Encode(out[i++]);
  } catch (const BadValue& e) {
    transport_internal::ThrowInArgument(e, i - 1);
  }
}

[[gnu::noinline]] void CallUninterrupted(Session& session, const CallSpec& call, ReadOutcome read) {
  const transport_internal::Uninterrupted uninterrupted;
  session.Call(call, read);
}

}  // namespace

View ViewParts::view() const {
  return prefix.Extend(
      {.kind = step.kind, .hint = step.hint, .name = step.name, .operands = Unowned(operands)});
}

void ViewParts::WithGet(absl::FunctionRef<void(const CallSpec&)> use) const {
  const auto write = [this](const OperationsWriter& out) {
    prefix.Write(out);
    WriteOperation(out, prefix.size(), step, operands);
  };
  const auto print = [this] { return view().ToString(); };
  use(CallSpec{prefix.size() + 1, write, print, timeout});
}

void ViewParts::Get(ReadOutcome read) const {
  const auto call = [&](const CallSpec& get) { session.Call(get, read); };
  WithGet(call);
}

void ViewParts::GetLocal(ReadOutcome read) const {
  const auto call = [&](const CallSpec& get) { session.CallLocal(get, read); };
  WithGet(call);
}

void ViewParts::Exists(ReadOutcome read) const {
  const View asked =
      step.kind == OperationKind::kGetItem
          ? prefix.Extend({.kind = OperationKind::kContains, .operands = Unowned(operands)})
          : view().Exists();
  CallWhole(session, asked, timeout, read);
}

void ViewParts::Change(OperationKind kind, const Argument* value, ReadOutcome read) const {
  const auto write = [&](const OperationsWriter& out) {
    prefix.Write(out);
    const std::size_t i = prefix.size();
    const std::size_t keys = operands == nullptr ? 0 : operands->size();
    out.Set(i, kind, step.name, step.hint);
    const ListWriter list = out.Arguments(i, keys + (value != nullptr ? 1 : 0));
    if (keys != 0) operands->Write(list, 0);
    if (value != nullptr) value->Encode(list[keys]);
  };
  const auto print = [&] {
    std::string text = view().ToString();
    if (value == nullptr) return "(del " + text.substr(1);
    text.back() = ' ';
    text += "= ";
    value->Print(text);
    return text + ")";
  };
  session.Call(CallSpec{prefix.size() + 1, write, print, timeout}, read);
}

void ViewParts::Call(const MethodCall& call, std::initializer_list<Argument> arguments,
                     ReadOutcome read) const {
  const auto write = [&](const OperationsWriter& out) {
    prefix.Write(out);
    const std::size_t i = prefix.size();
    WriteOperation(out, i, step, operands);
    out.Set(i + 1, OperationKind::kCall, {}, call.hint);
    if (arguments.size() == 0) return;
    EncodeArguments(arguments, out.Arguments(i + 1, arguments.size()));
  };
  const auto print = [&] {
    std::string text = view().ToString();
    text.back() = '(';
    const char* separator = "";
    for (const Argument& argument : arguments) {
      text += std::exchange(separator, ", ");
      argument.Print(text);
    }
    return text + "))";
  };
  const CallSpec spec{prefix.size() + 2, write, print, call.timeout, call.while_listening};
  call.uninterrupted ? CallUninterrupted(session, spec, read) : session.Call(spec, read);
}

void ReceiveItselfOfCall(const ViewParts& view, const MethodCall& call,
                         std::initializer_list<Argument> arguments) {
  ReceiveItselfOrDefault(view.session, [&](ReadOutcome read) { view.Call(call, arguments, read); });
}

void ReceiveChange(const ViewParts& view, OperationKind kind, const Argument* value) {
  ReceiveOrDefault<void>(view.session, [&](ReadOutcome read) { view.Change(kind, value, read); });
}

}  // namespace remoteobj::proxy_internal
