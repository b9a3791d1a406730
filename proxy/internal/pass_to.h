// SPDX-License-Identifier: MIT
//
// How a function travels to an object (PassTo): by a number that names its code, and the bytes of
// its captures.
#ifndef REMOTEOBJ_PROXY_INTERNAL_PASS_TO_H_
#define REMOTEOBJ_PROXY_INTERNAL_PASS_TO_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/internal/evaluate.h"
#include "remoteobj/proxy/internal/pending_results.h"
#include "remoteobj/proxy/internal/resolve.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/proxy/view.h"

namespace remoteobj {

template <typename T>
class Proxy;

namespace proxy_internal {

// A function is passed by its address, as it is with & in front of it.
template <typename F>
using Passable = std::conditional_t<std::is_function_v<F>, F*, F>;

// The code of one function that is passed to an object of type T.
template <typename F, typename T, typename... A>
struct Passed {
  static_assert(std::is_trivially_copyable_v<F>,
                "remoteobj: what is passed to PassTo has captures that are not trivially copyable. "
                "They travel as bytes: capture numbers, not strings, containers or references, and "
                "pass the rest as further arguments.");

  static void Run(void* object, const ListReader& arguments, CallResult& result) {
    CheckPassed(arguments, sizeof...(A), sizeof(F));
    union Storage {
      Storage() {}
      ~Storage() {}
      F function;
    } storage;
    arguments[1].CopyData(std::as_writable_bytes(std::span(&storage.function, 1)));
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      std::tuple<A...> received{Decode<A>(arguments[2 + I])...};
      GiveResult<std::invoke_result_t<F&, T&, A&...>>(result, [&]() -> decltype(auto) {
        return std::invoke(storage.function, *static_cast<T*>(object), std::get<I>(received)...);
      });
    }(std::index_sequence_for<A...>());
  }

  static constexpr PassedFunction kFunction = {&TypeOf<T>, &Run};
  static inline const std::uint64_t code = RegisterPassedFunction(&kFunction);
};

// The view as which a call of a function is printed.
inline View PassingTo(const View& prefix) {
  return prefix.Extend({.kind = OperationKind::kPassTo, .name = "PassTo"});
}

// Calls use(CallSpec) with a call of a function where the object is. `prefix` leads to the object,
// of type T.
template <typename T, typename Use, typename F, typename... A>
void WithPassed(const View& prefix, absl::Duration timeout, const Use& use, const F& f,
                const A&... arguments) {
  const Passable<F>& function = f;
  static_assert(std::is_invocable_v<const F&, T&, Stored<A>&...>,
                "remoteobj: what is passed to PassTo (F here) can't be called with the object (T&) "
                "and these arguments; a lambda must not be mutable");
  using Code = Passed<Passable<F>, T, Stored<A>...>;
  const auto write = [&](const OperationsWriter& out) {
    prefix.Write(out);
    const std::size_t i = prefix.size();
    out.Set(i, OperationKind::kPassTo, {}, 0);
    const ListWriter list = out.Arguments(i, 2 + sizeof...(A));
    list[0].UInt(Code::code);
    list[1].Data(std::as_bytes(std::span(&function, 1)));
    transport_internal::EncodeArguments<Stored<A>...>(list, 2, arguments...);
  };
  const auto print = [&] { return PassingTo(prefix).ToString(); };
  use(CallSpec{prefix.size() + 1, write, print, timeout});
}

template <typename F, typename T, typename... A>
using PassedResult = ReceivedAs<std::invoke_result_t<const F&, T&, Stored<A>&...>, T>;

// Calls a function where the object is.
template <typename T, typename F, typename... A>
auto PassToObject(Session& session, const View& prefix, absl::Duration timeout, const F& function,
                  const A&... arguments) {
  using Result = PassedResult<F, T, A...>;
  const auto deliver = [&](ReadOutcome read) {
    const auto use = [&](const CallSpec& call) { session.Call(call, read); };
    WithPassed<T>(prefix, timeout, use, function, arguments...);
  };
  if constexpr (std::is_same_v<Result, Proxy<T>>) {
    ReceiveItselfOrDefault(session, deliver);
    return ProxyAccess::Make<T>(session.shared_from_this(), prefix, timeout);
  } else {
    return ReceiveOrDefault<Result>(session, deliver);
  }
}

// The same, not waited for.
template <typename T, typename F, typename... A>
Future<PassedResult<F, T, A...>> StartPassTo(Session& session, const F& function,
                                             const A&... arguments) {
  using R = PassedResult<F, T, A...>;
  std::shared_ptr<PendingResult<R>> pending;
  const auto use = [&](const CallSpec& call) {
    pending = std::make_shared<PendingResult<R>>(session.shared_from_this(), call, PassingTo({}));
  };
  WithPassed<T>(View(), absl::InfiniteDuration(), use, function, arguments...);
  return Future<R>(pending, &pending->result());
}

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_PASS_TO_H_
