// SPDX-License-Identifier: MIT
//
// The calls that views make. A view's class knows the types of its value and of the arguments; the
// rest of a call is the same for all of them and is not a template, which keeps what a program
// compiles for each described member small.
#ifndef REMOTEOBJ_PROXY_INTERNAL_CALLS_H_
#define REMOTEOBJ_PROXY_INTERNAL_CALLS_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/internal/receive.h"
#include "remoteobj/proxy/internal/resolve.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::proxy_internal {

// An argument of a call, without its type. The value outlives it.
class Argument {
 public:
  template <typename T>
  explicit Argument(const T& value) : value_(&value), type_(&kType<T>) {}

  void Encode(ValueWriter out) const { type_->encode(value_, out); }
  void Print(std::string& out) const { type_->print(value_, out); }

 private:
  struct Type {
    void (*encode)(const void* value, ValueWriter out);
    void (*print)(const void* value, std::string& out);
  };
  template <typename T>
  static constexpr Type kType = {[](const void* value, ValueWriter out) {
                                   remoteobj::Encode<T>(*static_cast<const T*>(value), out);
                                 },
                                 [](const void* value, std::string& out) {
                                   PrintValue<T>(out, *static_cast<const T*>(value));
                                 }};

  const void* value_;
  const Type* type_;
};

// The call of a method.
struct MethodCall {
  std::uint16_t hint;  // See message.capnp.
  absl::Duration timeout;
  bool while_listening = false;  // See CallSpec.
  bool uninterrupted = false;
};

// The parts of a view. All of them outlive this.
struct ViewParts {
  Session& session;
  const View& prefix;
  Step step;                 // The last operation, with
  const Operands* operands;  // its arguments, or null for none.
  absl::Duration timeout;

  // Gets the value there.
  void Get(ReadOutcome read) const;
  // Gets the value of this process's own object.
  void GetLocal(ReadOutcome read) const;
  // Asks if there is one.
  void Exists(ReadOutcome read) const;
  // Does `kind` in place of the last operation, with `value` as its last argument; null for none.
  void Change(OperationKind kind, const Argument* value, ReadOutcome read) const;
  // Calls the method that the view leads to.
  void Call(const MethodCall& call, std::initializer_list<Argument> arguments,
            ReadOutcome read) const;

  // The view; it refers to the operands.
  View view() const;
  // Calls use() with the call that Get() makes.
  void WithGet(absl::FunctionRef<void(const CallSpec&)> use) const;
};

template <typename M>
M ReceiveView(const ViewParts& view) {
  return ReceiveOrDefault<M>(view.session, [&](ReadOutcome read) { view.Get(read); });
}

template <typename R>
R ReceiveCall(const ViewParts& view, const MethodCall& call,
              std::initializer_list<Argument> arguments) {
  return ReceiveOrDefault<R>(view.session,
                             [&](ReadOutcome read) { view.Call(call, arguments, read); });
}

// The call of a method that returns its object.
void ReceiveItselfOfCall(const ViewParts& view, const MethodCall& call,
                         std::initializer_list<Argument> arguments);

void ReceiveChange(const ViewParts& view, OperationKind kind, const Argument* value);

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_CALLS_H_
