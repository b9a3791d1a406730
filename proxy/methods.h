// SPDX-License-Identifier: MIT
//
// Views of methods: what remote->Inc is.
//
//   remote->Inc(2);                                            // calls it
//   absl::StatusOr<int> maybe = remote->Inc.TryCall(2);
//   remoteobj::Future<int> later = remote->Inc.Async(2);
//   remote->Inc.Timeout(absl::Seconds(1))(2);
//   auto call = remote->Inc.Lazy(2);  call.Get();  call.Get();  // evaluated each time
//
// Threads:  thread-safe, as their proxy is.
// Lifetime: remote->Inc itself lives to the end of the statement; the results of Timeout() and
//           Lazy() can be kept.
// Errors:   as those of views.h.
#ifndef REMOTEOBJ_PROXY_METHODS_H_
#define REMOTEOBJ_PROXY_METHODS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/proxy/internal/calls.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/resolve.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/proxy/views.h"
#include "remoteobj/transport/interruption.h"

namespace remoteobj {

class Batch;
template <typename T>
class Proxy;

namespace proxy_internal {

// A parameter that says how long its call may take: a time that the object waits, plus the way
// there and back. If kWhileListening is true the object may have to wait for others after that.
template <typename P>
concept LimitsItsCall = requires(const P& parameter) {
  { parameter.CallLimit() } -> std::same_as<absl::Duration>;
  { P::kWhileListening } -> std::convertible_to<bool>;
};

// A method that a thread which was asked to stop still has to call: C says which.
template <typename C, typename E>
constexpr bool NeverInterrupted() {
  if constexpr (requires { C::NeverInterrupted(MemberTraits<C, E>::kName); }) {
    return C::NeverInterrupted(MemberTraits<C, E>::kName);
  } else {
    return false;
  }
}

// Chooses an overload as a call does: Pick(arguments...) returns a std::integral_constant.
template <std::size_t I, typename Arguments>
struct Candidate;
template <std::size_t I, typename... A>
struct Candidate<I, TypeList<A...>> {
  static std::integral_constant<std::size_t, I> Pick(A...);
};
template <typename Overloads, typename Indices>
struct Candidates;
template <typename... Parts, std::size_t... I>
struct Candidates<TypeList<Parts...>, std::index_sequence<I...>>
    : Candidate<I, typename Parts::Arguments>... {
  using Candidate<I, typename Parts::Arguments>::Pick...;
};

// Takes the parameters themselves, for arguments in braces: remote->data->insert({"c", 1}).
template <typename D, typename Arguments>
class CallableInBraces;
template <typename D, typename... P>
class CallableInBraces<D, TypeList<P...>> {
 public:
  auto operator()(const Stored<P>&... arguments) const {
    return static_cast<const D&>(*this).template CallWith<const Stored<P>&...>(arguments...);
  }
};
// The first one alone, too, where the others have default arguments.
template <typename D, typename First, typename Second, typename... P>
class CallableInBraces<D, TypeList<First, Second, P...>> {
 public:
  auto operator()(const Stored<First>& first) const {
    return static_cast<const D&>(*this).template CallWith<const Stored<First>&>(first);
  }
  auto operator()(const Stored<First>& first, const Stored<Second>& second,
                  const Stored<P>&... others) const {
    return static_cast<const D&>(*this)
        .template CallWith<const Stored<First>&, const Stored<Second>&, const Stored<P>&...>(
            first, second, others...);
  }
};

// Operations of views of a method. D has what Readable asks for; last() gets the method.
template <typename D, typename C, typename E>
class Callable
    : public CallableInBraces<D,
                              typename MemberTraits<C, E>::Overloads::template At<0>::Arguments> {
  using InBraces =
      CallableInBraces<D, typename MemberTraits<C, E>::Overloads::template At<0>::Arguments>;
  friend InBraces;
  friend Batch;
  using Overloads = typename MemberTraits<C, E>::Overloads;

  template <typename... A>
  static constexpr std::size_t Overload() {
    if constexpr (Overloads::kSize == 1) {
      return 0;
    } else {
      using All = Candidates<Overloads, std::make_index_sequence<Overloads::kSize>>;
      if constexpr (requires { All::Pick(std::declval<A>()...); }) {
        return decltype(All::Pick(std::declval<A>()...))::value;
      } else {
        static_assert(
            requires { All::Pick(std::declval<A>()...); },
            "remoteobj: of the described signatures of this method none fits the "
            "arguments (A here), or more than one does as well");
        return 0;
      }
    }
  }
  template <typename... A>
  using PartsFor = typename Overloads::template At<Overload<A...>()>;

 public:
  // Calls it in the process that has the object. An exception that it throws is thrown here. For
  // a method that returns *this the result is a proxy of the object.
  using InBraces::operator();
  template <typename... A>
  auto operator()(A&&... arguments) const {
    return CallWith<A...>(std::forward<A>(arguments)...);
  }

  // Never throws; see CurrentExceptionToStatus for the codes.
  template <typename... A>
  auto TryCall(A&&... arguments) const {
    using R = decltype((*this)(std::forward<A>(arguments)...));
    return Try<R>([&] { return (*this)(std::forward<A>(arguments)...); });
  }

  // The call as a view, which is not evaluated yet.
  template <typename... A>
  auto Lazy(A&&... arguments) const {
    using R = ReceivedAs<typename PartsFor<A...>::Result, C>;
    if constexpr (std::is_same_v<R, Proxy<C>>) {
      return ProxyAccess::Make<C>(self().session().shared_from_this(),
                                  Prefix().Extend(CallOperation(std::forward<A>(arguments)...)),
                                  self().timeout());
    } else {
      MethodCall limit{.hint = 0, .timeout = self().timeout()};
      Limit<A...>(limit, arguments...);
      return CallView<R>(self().session().shared_from_this(), Prefix(),
                         CallOperation(std::forward<A>(arguments)...),
                         limit.while_listening ? self().timeout() : limit.timeout);
    }
  }

  // Begins the call, and returns.
  template <typename... A>
  auto Async(A&&... arguments) const {
    return Lazy(std::forward<A>(arguments)...).Async();
  }

  // The method, to be called with a deadline: remote->Slow.Timeout(absl::Seconds(1))().
  auto Timeout(absl::Duration timeout) const;

  friend std::ostream& operator<<(std::ostream& out, const Callable& callable) {
    return out << callable.Prefix();
  }

 private:
  template <typename... A>
  auto CallWith(A&&... arguments) const {
    using Parts = PartsFor<A...>;
    using R = ReceivedAs<typename Parts::Result, C>;
    if constexpr (std::is_same_v<R, Proxy<C>>) {
      Session& session = self().session();
      if (session.options().lazy_chains) {
        return ProxyAccess::Make<C>(session.shared_from_this(),
                                    Prefix().Extend(CallOperation(std::forward<A>(arguments)...)),
                                    self().timeout());
      }
      CallNow(&ReceiveItselfOfCall, arguments...);
      return ProxyAccess::Make<C>(session.shared_from_this(), self().prefix(), self().timeout());
    } else {
      return CallNow(&ReceiveCall<R>, arguments...);
    }
  }

  const D& self() const { return static_cast<const D&>(*this); }
  View Prefix() const { return self().prefix().Extend(self().last()); }

  template <typename P, typename A>
  static decltype(auto) Converted(A&& argument) {
    using Wanted = Stored<P>;
    constexpr bool kSame = std::is_same_v<std::remove_cvref_t<A>, Wanted>;
    static_assert(kSame || std::is_convertible_v<A&&, std::remove_cvref_t<P>> ||
                      std::is_convertible_v<A&&, Wanted>,
                  "remoteobj: an argument (A) is not convertible to the method's parameter (P)");
    static_assert(!kPointerParameter<P>,
                  "remoteobj: this method has a parameter (P) that is a pointer or a non-const "
                  "reference, which mean nothing in another process: it can't be called remotely");
    static_assert(kValueParameter<P>,
                  "remoteobj: this method has a parameter (P) that can't be received by value: it "
                  "can't be moved, or is described and has no default constructor");
    if constexpr (kSame) {
      return std::forward<A>(argument);  // Unchanged: a value that can't be copied can be sent.
    } else if constexpr (std::is_convertible_v<A&&, Wanted>) {
      return static_cast<Wanted>(std::forward<A>(argument));
    } else {
      return Wanted(static_cast<std::remove_cvref_t<P>>(std::forward<A>(argument)));
    }
  }

  template <typename Parts, typename... A>
  static constexpr void CheckCount() {
    static_assert(sizeof...(A) <= Parts::kArity, "remoteobj: too many arguments for this method");
    if constexpr (sizeof...(A) <= Parts::kArity) {
      []<std::size_t... I>(std::index_sequence<I...>) {
        static_assert(
            requires(const typename E::CallOf& call, C& object) {
              call(object, std::declval<typename Parts::Arguments::template At<I>>()...);
            }, "remoteobj: too few arguments for this method");
      }(std::index_sequence_for<A...>());
    }
  }

  template <typename... A>
  static Operation CallOperation(A&&... arguments) {
    using Parts = PartsFor<A...>;
    CheckCount<Parts, A...>();
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return Operation{.kind = OperationKind::kCall,
                       .hint = Overload<A...>() + 1,
                       .operands = MakeOperands(Stored<typename Parts::Arguments::template At<I>>(
                           Converted<typename Parts::Arguments::template At<I>>(
                               std::forward<A>(arguments)))...)};
    }(std::index_sequence_for<A...>());
  }

  template <typename R, typename... A>
  R CallNow(R (*receive)(const ViewParts&, const MethodCall&, std::initializer_list<Argument>),
            A&... arguments) const {
    using Parts = PartsFor<A&...>;
    CheckCount<Parts, A...>();
    MethodCall call{.hint = Overload<A&...>() + 1,
                    .timeout = self().timeout(),
                    .uninterrupted = NeverInterrupted<C, E>()};
    Limit<A&...>(call, arguments...);
    return [&]<std::size_t... I>(std::index_sequence<I...>) -> R {
      return receive(
          {self().session(), self().prefix(), self().step(), self().operands(), self().timeout()},
          call, {Argument(Converted<typename Parts::Arguments::template At<I>>(arguments))...});
    }(std::index_sequence_for<A...>());
  }

  // Limits the call's time by the arguments that are limits themselves.
  template <typename... A>
  static void Limit(MethodCall& call, const std::remove_reference_t<A>&... arguments) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (LimitBy<typename PartsFor<A...>::Arguments::template At<I>>(call, arguments), ...);
    }(std::index_sequence_for<A...>());
  }
  template <typename P, typename A>
  static void LimitBy(MethodCall& call, const A& argument) {
    if constexpr (LimitsItsCall<Stored<P>>) {
      const Stored<P> parameter = argument;
      call.timeout = std::min(call.timeout, parameter.CallLimit());
      call.while_listening = Stored<P>::kWhileListening;
    }
  }
};

// A method with a deadline.
template <typename C, typename E>
class MethodView : public Kept, public Callable<MethodView<C, E>, C, E> {
 public:
  using Kept::Kept;
};

template <typename D, typename C, typename E>
auto Callable<D, C, E>::Timeout(absl::Duration timeout) const {
  return MethodView<C, E>(self().session().shared_from_this(), self().prefix(), self().last(),
                          timeout);
}

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_METHODS_H_
