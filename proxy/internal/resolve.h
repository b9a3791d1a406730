// SPDX-License-Identifier: MIT
//
// How a view is evaluated: its outcome becomes a value, a default or a status.
#ifndef REMOTEOBJ_PROXY_INTERNAL_RESOLVE_H_
#define REMOTEOBJ_PROXY_INTERNAL_RESOLVE_H_

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "remoteobj/except/internal/try.h"  // IWYU pragma: export
#include "remoteobj/except/remote_error.h"
#include "remoteobj/proxy/internal/receive.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {

template <typename T>
class Proxy;

namespace proxy_internal {

// How what a call returned is received: R is what the method returns, C the class that has it.
template <typename R, typename C>
struct Received {
  using type = Stored<R>;
};
template <typename C>
struct Received<void, C> {
  using type = void;
};
template <typename C>
struct Received<C&, C> {
  using type = Proxy<C>;
};
template <typename C>
struct Received<const C&, C> {
  using type = Proxy<C>;
};
template <typename R, typename C>
using ReceivedAs = typename Received<R, C>::type;

// Evaluates a view as it is.
inline void CallWhole(Session& session, const View& view, absl::Duration timeout,
                      ReadOutcome read) {
  const auto write = [&](const OperationsWriter& out) { view.Write(out); };
  const auto print = [&] { return view.ToString(); };
  session.Call(CallSpec{view.size(), write, print, timeout}, read);
}

// Returns true if the view ends with the call of a method.

bool EndsWithCall(const View& view);
// The view without the calls at its end. In the view of a proxy these are calls of methods that
// return *this.
View WithoutLastCalls(const View& view);

inline void ReceiveItself(absl::FunctionRef<void(ReadOutcome)> deliver) {
  deliver([](const OutcomeReader& outcome) { ThrowUnlessItself(outcome); });
}

// Returns evaluate(), or fallback() if nobody listens.
template <typename F, typename G>
std::invoke_result_t<F> OrElse(F&& evaluate, G&& fallback) {
  try {
    return evaluate();
  } catch (const CallError& e) {
    const bool nobody_listens =
        e.kind() == CallError::Kind::kNotListening || e.kind() == CallError::Kind::kListenerDied;
    // An object that makes calls itself may have thrown the same.
    if (!nobody_listens || RemoteErrorOf(e) != nullptr) throw;
  }
  return std::forward<G>(fallback)();
}

// Returns evaluate(), or an empty R if nobody listens and the proxy has default values.
template <typename R, typename F>
R OrDefault(const Session& session, F&& evaluate) {
  if constexpr (std::is_void_v<R> || std::is_default_constructible_v<R>) {
    if (session.options().default_values) return OrElse(evaluate, [] { return R(); });
  }
  return evaluate();
}

template <typename R, std::invocable<ReadOutcome> F>
R ReceiveOrDefault(const Session& session, const F& deliver) {
  return OrDefault<R>(session, [&]() -> R { return Receive<R>(deliver); });
}

inline void ReceiveItselfOrDefault(const Session& session,
                                   absl::FunctionRef<void(ReadOutcome)> deliver) {
  OrDefault<void>(session, [&] { ReceiveItself(deliver); });
}

using except_internal::Try;

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_RESOLVE_H_
