// SPDX-License-Identifier: MIT
//
// The typed views: what remote->count, remote->Inc and remote->data["a"] are.
//
// remote-> gives an Arrow: where the object is, and the described members as members of their own.
// Those are Attributes, which have no state: all of them lie at the Arrow's own address, where they
// find what they are attributes of. So reaching a member costs nothing, however many there are, and
// an Attribute can't be copied (`.Lazy()` gives what can be kept). Every other view holds what it
// needs, and can be.
//
// A view has a prefix, a View, and one operation more, which setting and deleting replace.
#ifndef REMOTEOBJ_PROXY_INTERNAL_MEMBERS_H_
#define REMOTEOBJ_PROXY_INTERNAL_MEMBERS_H_

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/proxy/evaluate.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/pending_results.h"
#include "remoteobj/proxy/internal/receive.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/internal/thread_end.h"

namespace remoteobj {

class Batch;
template <typename T>
class Proxy;

namespace proxy_internal {

// Where an object is: views on it begin with this.
struct Node {
  Session* session;
  View view;
  absl::Duration timeout = absl::InfiniteDuration();
};

// remote->: the described members of a T, at the node.
template <typename T>
constexpr void CheckDescribed() {
  static_assert(HasMembers<T>,
                "remoteobj: a Proxy<T> needs a described T: write REMOTEOBJ_DESCRIBE(T, "
                "members...) in the namespace of T, after the class. If T has a member function "
                "that uses a Proxy<T> with ->, define it after the description");
}

template <typename T>
class Arrow : public Node, public MembersOf<T> {
  static_assert(
      sizeof(MembersOf<T>) == 1,
      "remoteobj: a class (in T here) has a described base twice, by two ways. Describe it "
      "as a base of one class only, and name its members that the other needs there");

 public:
  explicit Arrow(Node node) : Node(std::move(node)) {}
  Arrow(const Arrow&) = delete;
  Arrow& operator=(const Arrow&) = delete;

  const MembersOf<T>* operator->() const { return this; }
};

// Makes proxies of objects that views lead to.
struct ProxyAccess {
  template <typename T>
  static Proxy<T> Make(std::shared_ptr<Session> session, View view, absl::Duration timeout) {
    return Proxy<T>(std::move(session), std::move(view), timeout);
  }
};

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

// Whether the view ends with the call of a method; and the view without all calls at its end. In
// the view of a proxy they are calls of methods that return *this.
bool EndsWithCall(const View& view);
View WithoutLastCalls(const View& view);

inline void ReceiveItself(absl::FunctionRef<void(ReadOutcome)> deliver) {
  deliver([](const OutcomeReader& outcome) {
    ThrowIfError(outcome);
    if (outcome.kind() != OutcomeKind::kItself) {
      throw BadValue("the method gave back another object than the one it was called on");
    }
  });
}

// What evaluate() returns; what fallback() does, if nobody listens.
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

// What evaluate() returns; an empty R, if nobody listens and the proxy has default values.
template <typename R, typename F>
R OrDefault(const Session& session, F&& evaluate) {
  if constexpr (std::is_void_v<R> || std::is_default_constructible_v<R>) {
    if (session.options().default_values) return OrElse(evaluate, [] { return R(); });
  }
  return evaluate();
}

template <typename R>
R ReceiveOrDefault(const Session& session, absl::FunctionRef<void(ReadOutcome)> deliver) {
  return OrDefault<R>(session, [&]() -> R { return Receive<R>(deliver); });
}

inline void ReceiveItselfOrDefault(const Session& session,
                                   absl::FunctionRef<void(ReadOutcome)> deliver) {
  OrDefault<void>(session, [&] { ReceiveItself(deliver); });
}

template <typename T>
using StatusOrValue =
    std::conditional_t<std::is_void_v<T>, absl::Status,
                       absl::StatusOr<std::conditional_t<std::is_void_v<T>, int, T>>>;

// Calls `f`; what it throws becomes a status.
template <typename T, typename F>
StatusOrValue<T> Try(F&& f) {
  try {
    if constexpr (std::is_void_v<T>) {
      std::forward<F>(f)();
      return absl::OkStatus();
    } else {
      return std::forward<F>(f)();
    }
  } catch (...) {
    if (transport_internal::ThreadEnds()) throw;
    return CurrentExceptionToStatus();
  }
}

// Writes the arguments of one operation, and keeps them for printing.
template <typename... T>
void EncodeAll(const ListWriter& out, std::size_t from, const T&... values) {
  (Encode<T>(values, out[from++]), ...);
}

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
    if (arguments.size() != 2 + sizeof...(A)) throw BadValue("PassTo with the wrong arguments");
    const ValueReader captured = arguments[1];
    if (captured.DataBytes() != sizeof(F)) throw BadValue("PassTo with the wrong captures");
    union Storage {
      Storage() {}
      ~Storage() {}
      F function;
    } storage;
    captured.CopyData(std::as_writable_bytes(std::span(&storage.function, 1)));
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

// What all views can do that have a value M to be got. D has:
//   Session& session() const; const View& prefix() const; Operation last() const;
//   Step step() const; const Operands* operands() const;    // Of the last.
//   absl::Duration timeout() const;
template <typename D, typename M>
class Readable {
 public:
  using value_type = M;

  // The three ways to resolve a view. The value is a copy, and const, so that changing it here,
  // which would change nothing there, does not compile.
  const M Get() const { return Evaluated(); }
  const M operator*() const { return Get(); }

  // This instead, where nobody listens.
  template <typename U>
  M GetOr(U&& fallback) const {
    return GetOrElse([&]() -> M { return std::forward<U>(fallback); });
  }
  template <typename F>
  M GetOrElse(F&& fallback) const {
    return OrElse([&]() -> M { return Receive<M>([&](ReadOutcome read) { Call(read); }); },
                  std::forward<F>(fallback));
  }
  // The value that the local object has, where nobody listens.
  M GetOrLocal() const {
    return GetOrElse([&]() -> M {
      return Receive<M>([&](ReadOutcome read) {
        WithCall([&](const CallSpec& call) { self().session().CallLocal(call, read); });
      });
    });
  }

  // Never throws; see CurrentExceptionToStatus for the codes.
  StatusOrValue<M> TryGet() const {
    return Try<M>([&] { return Evaluated(); });
  }

  Future<M> Async() const {
    std::shared_ptr<PendingResult<M>> pending;
    WithCall([&](const CallSpec& call) {
      pending =
          std::make_shared<PendingResult<M>>(self().session().shared_from_this(), call, view());
    });
    return Future<M>(pending, &pending->result());
  }

  // The chain of operations, as data.
  View view() const { return self().prefix().Extend(self().last()); }

  friend std::ostream& operator<<(std::ostream& out, const Readable& readable) {
    return out << readable.view();
  }

 protected:
  const D& self() const { return static_cast<const D&>(*this); }

  M Evaluated() const {
    return ReceiveOrDefault<M>(self().session(), [&](ReadOutcome read) { Call(read); });
  }

  void Call(ReadOutcome read) const {
    WithCall([&](const CallSpec& call) { self().session().Call(call, read); });
  }

  // Calls use(CallSpec) with this view's operations.
  template <typename Use>
  void WithCall(Use&& use) const {
    const View& prefix = self().prefix();
    const auto write = [&](const OperationsWriter& out) {
      prefix.Write(out);
      WriteOperation(out, prefix.size(), self().step(), self().operands());
    };
    const auto print = [&] { return view().ToString(); };
    use(CallSpec{prefix.size() + 1, write, print, self().timeout()});
  }
};

// As a call of a function is printed.
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
    EncodeAll<Stored<A>...>(list, 2, arguments...);
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

template <typename M>
class ValueView;

// What views of data can do: members, items, and what is between them.
template <typename D, typename M>
class Settable : public Readable<D, M> {
 public:
  // Sets it, there.
  template <typename U = M>
  void Set(U&& value) const {
    CheckSettable<U>();
    SetTo(std::forward<U>(value));
  }

  // Makes what can be absent absent: an optional or a pointer, an item.
  void Delete() const {
    CheckDeletable();
    Change<void>(DeleteKind(), nullptr);
  }

  // Whether it is there.
  bool Exists() const {
    const View view = is_item()
                          ? this->self().prefix().Extend({.kind = OperationKind::kContains,
                                                          .operands = this->self().last().operands})
                          : this->view().Exists();
    return ReceiveOrDefault<bool>(this->self().session(), [&](ReadOutcome read) {
      CallWhole(this->self().session(), view, this->self().timeout(), read);
    });
  }

  // A view that can be kept, and that waits no longer than `timeout`.
  ValueView<M> Timeout(absl::Duration timeout) const { return Keep(timeout); }
  ValueView<M> Lazy() const { return Keep(this->self().timeout()); }

  // Calls f(M&, arguments...) there. See Proxy::PassTo.
  template <typename F, typename... A>
  auto PassTo(const F& function, const A&... arguments) const {
    return PassToObject<M>(this->self().session(), this->view(), this->self().timeout(), function,
                           arguments...);
  }
  // Its members. Through a pointer or an optional, those of what it holds.
  auto operator->() const {
    if constexpr (HasMembers<M>) {
      return Arrow<M>(ToNode());
    } else {
      static_assert(PointerLike<M>, "remoteobj: this type has no described members");
      return Arrow<std::remove_cvref_t<decltype(*std::declval<M&>())>>(ToNode());
    }
  }

  template <typename K>
  auto operator[](K&& key) const {
    static_assert(HasItems<M>,
                  "remoteobj: this type has no items to be found by a key or an index");
    using Key = typename ItemsOf<M>::Key;
    return ValueView<typename ItemsOf<M>::Item>(
        this->self().session().shared_from_this(), this->view(),
        {.kind = OperationKind::kGetItem, .operands = MakeOperands(Key(std::forward<K>(key)))},
        this->self().timeout());
  }

 protected:
  void SetTo(const M& value) const { Change(SetKind(), &value); }

 private:
  friend Batch;

  template <typename U>
  static constexpr void CheckSettable() {
    static_assert(!D::kReadOnly, "remoteobj: this member is const, and can't be set");
    static_assert(std::is_convertible_v<U&&, M>,
                  "remoteobj: this value (U here) is not convertible to the member's type (M)");
  }
  static constexpr void CheckDeletable() {
    static_assert(
        PointerLike<M> || !D::kAttribute,
        "remoteobj: only what can be absent can be deleted: an optional, a smart pointer, "
        "or an item");
  }

  bool is_item() const { return this->self().step().kind == OperationKind::kGetItem; }
  OperationKind SetKind() const {
    return is_item() ? OperationKind::kSetItem : OperationKind::kSetAttribute;
  }
  OperationKind DeleteKind() const {
    return is_item() ? OperationKind::kDeleteItem : OperationKind::kDeleteAttribute;
  }

  // What sets or deletes it, in place of the last operation, as data.
  Operation Setting(M value) const {
    Operation operation = this->self().last();
    operation.kind = SetKind();
    operation.operands =
        std::make_shared<OperandsAnd<M>>(std::move(operation.operands), std::move(value));
    return operation;
  }
  Operation Deleting() const {
    Operation operation = this->self().last();
    operation.kind = DeleteKind();
    return operation;
  }

  Node ToNode() const { return {&this->self().session(), this->view(), this->self().timeout()}; }
  ValueView<M> Keep(absl::Duration timeout) const {
    return ValueView<M>(this->self().session().shared_from_this(), this->self().prefix(),
                        this->self().last(), timeout);
  }

  // Does `kind` in place of the last operation, with `value` as its last argument: an M, or void
  // for none.
  template <typename V>
  void Change(OperationKind kind, const V* value) const {
    constexpr bool kHasValue = !std::is_void_v<V>;
    const View& prefix = this->self().prefix();
    const auto write = [&](const OperationsWriter& out) {
      prefix.Write(out);
      const std::size_t i = prefix.size();
      const Step step = this->self().step();
      const Operands* const operands = this->self().operands();
      const std::size_t keys = operands == nullptr ? 0 : operands->size();
      out.Set(i, kind, step.name, step.hint);
      const ListWriter list = out.Arguments(i, keys + (kHasValue ? 1 : 0));
      if (keys != 0) operands->Write(list, 0);
      if constexpr (kHasValue) Encode<M>(*value, list[keys]);
    };
    const auto print = [&] {
      std::string text = this->view().ToString();
      if constexpr (kHasValue) {
        text.back() = ' ';
        text += "= ";
        PrintValue(text, *value);
        return text + ")";
      } else {
        return "(del " + text.substr(1);
      }
    };
    const CallSpec call{prefix.size() + 1, write, print, this->self().timeout()};
    Session& session = this->self().session();
    ReceiveOrDefault<void>(session, [&](ReadOutcome read) { session.Call(call, read); });
  }
};

// What a view that can be kept holds: the proxy, the way, the last step of it.
class Kept {
 public:
  Kept(std::shared_ptr<Session> session, View prefix, Operation last, absl::Duration timeout)
      : session_(std::move(session)),
        prefix_(std::move(prefix)),
        last_(std::move(last)),
        timeout_(timeout) {}

  Session& session() const { return *session_; }
  const View& prefix() const { return prefix_; }
  const Operation& last() const { return last_; }
  Step step() const { return last_.step(); }
  const Operands* operands() const { return last_.operands.get(); }
  absl::Duration timeout() const { return timeout_; }

 private:
  std::shared_ptr<Session> session_;
  View prefix_;
  Operation last_;
  absl::Duration timeout_;
};

// A view of data that can be kept: an item, or what Lazy and Timeout give.
template <typename M>
class ValueView : public Kept, public Settable<ValueView<M>, M> {
 public:
  static constexpr bool kAttribute = false;
  static constexpr bool kReadOnly = false;

  using Kept::Kept;
  ValueView(const ValueView&) = default;
  ValueView(ValueView&&) = default;

  // Sets it, there. Assigning another view gets that one's value first.
  ValueView& operator=(const M& value) {
    this->SetTo(value);
    return *this;
  }
  ValueView& operator=(const ValueView& other) {
    this->SetTo(other.Get());
    return *this;
  }
  template <typename D2>
  ValueView& operator=(const Readable<D2, M>& other) {
    this->SetTo(other.Get());
    return *this;
  }
};

// A call that is not made until it is asked for its value.
template <typename R>
class CallView : public Kept, public Readable<CallView<R>, R> {
 public:
  using Kept::Kept;
};

// Chooses an overload as a call would: Choose::Pick(arguments...) is a std::integral_constant.
template <std::size_t I, typename Arguments>
struct Candidate;
template <std::size_t I, typename... A>
struct Candidate<I, std::tuple<A...>> {
  static std::integral_constant<std::size_t, I> Pick(A...);
};
template <typename Overloads, typename Indices>
struct Candidates;
template <typename... Parts, std::size_t... I>
struct Candidates<std::tuple<Parts...>, std::index_sequence<I...>>
    : Candidate<I, typename Parts::Arguments>... {
  using Candidate<I, typename Parts::Arguments>::Pick...;
};

// Takes the parameters themselves, for arguments in braces: remote->data->insert({"c", 1}).
template <typename D, typename Arguments>
class CallableInBraces;
template <typename D, typename... P>
class CallableInBraces<D, std::tuple<P...>> {
 public:
  auto operator()(const Stored<P>&... arguments) const {
    return static_cast<const D&>(*this).template CallWith<const Stored<P>&...>(arguments...);
  }
};

// What views of a method can do. D has what Readable asks for, where last() is the getting of the
// method.
template <typename D, typename C, typename E>
class Callable
    : public CallableInBraces<
          D, typename std::tuple_element_t<0, typename MemberTraits<C, E>::Overloads>::Arguments> {
  using InBraces = CallableInBraces<
      D, typename std::tuple_element_t<0, typename MemberTraits<C, E>::Overloads>::Arguments>;
  friend InBraces;
  friend Batch;
  using Overloads = typename MemberTraits<C, E>::Overloads;

  template <typename... A>
  static constexpr std::size_t Overload() {
    if constexpr (std::tuple_size_v<Overloads> == 1) {
      return 0;
    } else {
      using All = Candidates<Overloads, std::make_index_sequence<std::tuple_size_v<Overloads>>>;
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
  using PartsFor = std::tuple_element_t<Overload<A...>(), Overloads>;

 public:
  // Calls it, there. What it throws is thrown here. A method that returns *this gives the object
  // back, to go on with.
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
      return CallView<R>(self().session().shared_from_this(), Prefix(),
                         CallOperation(std::forward<A>(arguments)...), self().timeout());
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
      ReceiveItselfOrDefault(session, [&](ReadOutcome read) { CallNow(read, arguments...); });
      return ProxyAccess::Make<C>(session.shared_from_this(), self().prefix(), self().timeout());
    } else {
      return ReceiveOrDefault<R>(self().session(),
                                 [&](ReadOutcome read) { CallNow(read, arguments...); });
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
      return std::forward<A>(argument);  // As it is: what can't be copied can be sent.
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
        static_assert(std::is_invocable_v<typename E::CallOf, C&,
                                          std::tuple_element_t<I, typename Parts::Arguments>...>,
                      "remoteobj: too few arguments for this method");
      }(std::index_sequence_for<A...>());
    }
  }

  template <typename... A>
  static Operation CallOperation(A&&... arguments) {
    using Parts = PartsFor<A...>;
    CheckCount<Parts, A...>();
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return Operation{
          .kind = OperationKind::kCall,
          .hint = Overload<A...>() + 1,
          .operands = MakeOperands(Stored<std::tuple_element_t<I, typename Parts::Arguments>>(
              Converted<std::tuple_element_t<I, typename Parts::Arguments>>(
                  std::forward<A>(arguments)))...)};
    }(std::index_sequence_for<A...>());
  }

  template <typename... A>
  void CallNow(ReadOutcome read, A&... arguments) const {
    using Parts = PartsFor<A&...>;
    CheckCount<Parts, A...>();
    const View& prefix = self().prefix();
    const auto write = [&](const OperationsWriter& out) {
      prefix.Write(out);
      const std::size_t i = prefix.size();
      WriteOperation(out, i, self().step(), self().operands());
      out.Set(i + 1, OperationKind::kCall, {}, Overload<A&...>() + 1);
      if constexpr (sizeof...(A) != 0) {
        [&]<std::size_t... I>(std::index_sequence<I...>, const ListWriter& list) {
          (Encode<Stored<std::tuple_element_t<I, typename Parts::Arguments>>>(
               Converted<std::tuple_element_t<I, typename Parts::Arguments>>(arguments), list[I]),
           ...);
        }(std::index_sequence_for<A...>(), out.Arguments(i + 1, sizeof...(A)));
      }
    };
    const auto print = [&] {
      std::string text = Prefix().ToString();
      text.back() = '(';
      [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((text += I == 0 ? "" : ", ",
          PrintValue<Stored<std::tuple_element_t<I, typename Parts::Arguments>>>(
              text, Converted<std::tuple_element_t<I, typename Parts::Arguments>>(arguments))),
         ...);
      }(std::index_sequence_for<A...>());
      return text + "))";
    };
    self().session().Call(CallSpec{prefix.size() + 2, write, print, self().timeout()}, read);
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

// What an Attribute has in common, whatever it is.
template <typename C, typename E, unsigned I>
class AttributeBase {
 public:
  AttributeBase() = default;
  AttributeBase(const AttributeBase&) = delete;
  AttributeBase& operator=(const AttributeBase&) = delete;

  Session& session() const { return *node().session; }
  const View& prefix() const { return node().view; }
  Operation last() const {
    return {.kind = OperationKind::kGetAttribute, .hint = I + 1, .name = MemberTraits<C, E>::kName};
  }
  static constexpr Step step() {
    return {OperationKind::kGetAttribute, I + 1, MemberTraits<C, E>::kName};
  }
  static constexpr const Operands* operands() { return nullptr; }
  absl::Duration timeout() const { return node().timeout; }

 private:
  // The Arrow of which this is an empty member, at its very address.
  const Node& node() const {
    return *reinterpret_cast<const Node*>(reinterpret_cast<std::uintptr_t>(this));
  }
};

// A described member of C, at an Arrow: remote->count, remote->Inc.
template <typename C, typename E, unsigned I, bool kIsData = MemberTraits<C, E>::kIsData>
class Attribute;

template <typename C, typename E, unsigned I>
class Attribute<C, E, I, true>
    : public AttributeBase<C, E, I>,
      public Settable<Attribute<C, E, I, true>, ValueOf<typename MemberTraits<C, E>::Member>> {
 public:
  using Member = typename MemberTraits<C, E>::Member;
  using M = ValueOf<Member>;
  static constexpr bool kAttribute = true;
  static constexpr bool kReadOnly = std::is_const_v<Member>;

  Attribute() = default;
  Attribute(const Attribute&) = delete;  // remoteobj: .Get() is the value, .Lazy() a view

  // Sets it, there. Assigning another view gets that one's value first.
  const Attribute& operator=(const M& value) const {
    static_assert(!kReadOnly, "remoteobj: this member is const, and can't be set");
    this->SetTo(value);
    return *this;
  }
  // A template, so that braces mean a value: remote->data = {}.
  template <std::same_as<Attribute> A>
  const Attribute& operator=(const A& other) const {
    return *this = other.Get();
  }
  template <typename D2>
  const Attribute& operator=(const Readable<D2, M>& other) const {
    return *this = other.Get();
  }
};

template <typename C, typename E, unsigned I>
class Attribute<C, E, I, false> : public AttributeBase<C, E, I>,
                                  public Callable<Attribute<C, E, I, false>, C, E> {
 public:
  Attribute() = default;
  Attribute(const Attribute&) = delete;  // remoteobj: .Lazy(arguments...) can be kept
};

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_MEMBERS_H_
