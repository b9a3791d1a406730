// SPDX-License-Identifier: MIT
//
// A Proxy<T> lets a process use a T that lives in another one as if it were here.
//
//   app::Counter counter;                                // app::Counter is described
//   remoteobj::Proxy<app::Counter> remote(counter);      // before the processes part
//
//   // in the process that is to have the object         // in any other
//   auto listening = remote.ListenInBackground();        remote->Toggle(true);
//                                                        int x = *remote->count;
//
// The dot is the proxy, the arrow is the object: remote.X is an operation of the proxy itself,
// remote->x is the member x of the object on the other side.
//
// Threads:  thread-safe: any number of processes and threads may use one proxy at the same time.
//           Calls are evaluated one after the other, under the proxy's lock, which the owner of the
//           object takes for its own accesses: std::scoped_lock lock(remote).
// Lifetime: the object outlives the proxy, and what listens. Copies are the same proxy. A class can
//           have its own as a member, Proxy<T> remote{*this}: a copy of such an object has the
//           proxy of the first, so delete or write its copy constructor.
// Errors:   NotListening, ListenerDied, DeadlineExceeded, NotDescribed and BadValue, which name the
//           operation and the object; exceptions of the object, as their own types. Each operation
//           that may throw has a twin, Try…, which returns an absl::Status or absl::StatusOr.
// Not here: processes that are not related by fork, see remoteobj/manager.
#ifndef REMOTEOBJ_PROXY_PROXY_H_
#define REMOTEOBJ_PROXY_PROXY_H_

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/internal/attribute.h"
#include "remoteobj/proxy/internal/pass_to.h"
#include "remoteobj/proxy/internal/resolve.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/listening.h"
#include "remoteobj/proxy/methods.h"  // IWYU pragma: export
#include "remoteobj/proxy/options.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/proxy/views.h"  // IWYU pragma: export
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

// A view whose types are known only at run time, made of names; for tools. The twins Try… return a
// status, and never throw.
class UntypedView {
 public:
  UntypedView(std::shared_ptr<proxy_internal::Session> session, View view, absl::Duration timeout)
      : session_(std::move(session)), view_(std::move(view)), timeout_(timeout) {}

  // Evaluates it. Throws BadValue if what comes is not an R.
  template <typename R>
  R Get() const {
    return Evaluate<R>(view_);
  }
  template <typename R>
  absl::StatusOr<R> TryGet() const {
    return proxy_internal::Try<R>([&] { return Get<R>(); });
  }
  template <typename R, typename... A>
  R Call(A&&... arguments) const {
    return Evaluate<R>(view_.Call(std::forward<A>(arguments)...));
  }
  template <typename R, typename... A>
  auto TryCall(A&&... arguments) const {
    return proxy_internal::Try<R>([&] { return Call<R>(std::forward<A>(arguments)...); });
  }
  // Sets the last member or item of the view. Throws std::logic_error if it ends with another
  // operation.
  template <typename T>
  void Set(T&& value) const {
    using V = proxy_internal::Stored<T>;
    proxy_internal::Operation last = Last();
    const auto operands = std::make_shared<proxy_internal::OperandsAnd<V>>(
        std::move(last.operands), V(std::forward<T>(value)));
    Change(OperationKind::kSetAttribute, OperationKind::kSetItem, operands);
  }
  template <typename T>
  [[nodiscard]] absl::Status TrySet(T&& value) const {
    return proxy_internal::Try<void>([&] { Set(std::forward<T>(value)); });
  }
  // Deletes it.
  void Delete() const;
  [[nodiscard]] absl::Status TryDelete() const;
  template <typename K>
  bool Contains(K&& key) const {
    return EvaluateBool(view_.Contains(std::forward<K>(key)));
  }
  template <typename K>
  absl::StatusOr<bool> TryContains(K&& key) const {
    return proxy_internal::Try<bool>([&] { return Contains(std::forward<K>(key)); });
  }
  std::size_t Length() const;
  absl::StatusOr<std::size_t> TryLength() const;
  bool Exists() const;
  absl::StatusOr<bool> TryExists() const;

  UntypedView Attrs(std::string_view path) const {
    return {session_, view_.Attributes(path), timeout_};
  }
  template <typename K>
  UntypedView Item(K&& key) const {
    return {session_, view_.GetItem(std::forward<K>(key)), timeout_};
  }

  const View& view() const { return view_; }
  friend std::ostream& operator<<(std::ostream& out, const UntypedView& view) {
    return out << view.view_;
  }

 private:
  template <typename R>
  R Evaluate(const View& view) const {
    return proxy_internal::ReceiveOrDefault<R>(*session_, [&](ReadOutcome read) {
      proxy_internal::CallWhole(*session_, view, timeout_, read);
    });
  }
  bool EvaluateBool(const View& view) const;
  // The last operation, which gets a member or an item.
  proxy_internal::Operation Last() const;
  // Does the one of both that fits in place of the last operation.
  void Change(OperationKind attribute, OperationKind item,
              std::shared_ptr<const proxy_internal::Operands> operands) const;

  std::shared_ptr<proxy_internal::Session> session_;
  View view_;
  absl::Duration timeout_;
};

template <typename T>
class Proxy {
 public:
  // REQUIRES: `object` outlives every use of the proxy in this process and its forks.
  // Throws std::system_error if the shared memory cannot be had.
  explicit Proxy(T& object, ProxyOptions options = {})
      : Proxy(std::make_shared<proxy_internal::Session>(&object, Type(), options)) {}

  // A proxy of an object of a manager. Throws BadValue if the object is not a T.
  explicit Proxy(const Reference& reference, ProxyOptions options = {})
      : Proxy(proxy_internal::SessionOf(Type(), reference, options)) {}

  // Gives the proxy an object in this process, to listen with: in one that was re-executed
  // (Start::kSpawn) and got the proxy as an argument there is none yet.
  // REQUIRES: this process does not listen; `object` outlives every use of the proxy in it.
  void Bind(T& object) { session_->Bind(&object); }

  // The object on the other side.
  proxy_internal::Arrow<T> operator->() const {
    proxy_internal::CheckDescribed<T>();
    return proxy_internal::Arrow<T>(proxy_internal::Node{session_.get(), view_, timeout_});
  }

  // The object as its base B, whose methods are called without virtual dispatch.
  template <typename B>
  Proxy<B> Super() const {
    static_assert(std::is_base_of_v<B, T> && !std::is_same_v<B, T>,
                  "remoteobj: Super names a base of the class");
    static_assert(proxy_internal::IsDescribedBase<T, B>(),
                  "remoteobj: Super names a base that is not described as one: write "
                  "REMOTEOBJ_DESCRIBE_DERIVED(T, (B), members...)");
    static_assert(!std::is_abstract_v<B>,
                  "remoteobj: Super can't call the methods of an abstract base: they may be pure");
    return Proxy<B>(session_, view_.Super(TypeName<B>()), timeout_);
  }

  // The same proxy, whose calls wait no longer than `timeout`.
  Proxy Timeout(absl::Duration timeout) const { return Proxy(session_, view_, timeout); }

  // Sends the calls that wait for the next operation (see ProxyOptions::lazy_chains, and Lazy), and
  // returns the proxy without them.
  Proxy Get() const {
    if (!proxy_internal::EndsWithCall(view_)) return *this;
    proxy_internal::ReceiveItselfOrDefault(*session_, [&](ReadOutcome read) {
      proxy_internal::CallWhole(*session_, view_, timeout_, read);
    });
    return Proxy(session_, proxy_internal::WithoutLastCalls(view_), timeout_);
  }
  // The same, with a status. Never throws.
  absl::StatusOr<Proxy> TryGet() const {
    return proxy_internal::Try<Proxy>([&] { return Get(); });
  }

  // Calls f(T&, arguments...) where the object is, and returns what it returns. `function` is a
  // lambda, a function or a member function; its captures travel as bytes and are trivially
  // copyable. Between forks of one program only.
  template <typename F, typename... A>
  auto PassTo(const F& function, const A&... arguments) const {
    return proxy_internal::PassToObject<T>(*session_, view_, timeout_, function, arguments...);
  }

  // The same, with a status. Never throws.
  template <typename F, typename... A>
  auto TryPassTo(const F& function, const A&... arguments) const {
    return proxy_internal::Try<decltype(PassTo(function, arguments...))>(
        [&] { return PassTo(function, arguments...); });
  }

  // The members that a path names: "config.timeout".
  UntypedView Attrs(std::string_view path) const {
    return UntypedView(session_, view_.Attributes(path), timeout_);
  }
  // Any view on the object.
  UntypedView Of(const View& view) const {
    return UntypedView(session_, view_.Extend(view), timeout_);
  }

  // The lock under which calls are evaluated. Recursive. Another process is not kept out: it has an
  // object of its own.
  void lock() { session_->mutex().lock(); }
  void unlock() { session_->mutex().unlock(); }
  bool try_lock() { return session_->mutex().try_lock(); }

  // Begins to listen in this process; the caller's own loop calls ProcessRequests or Poll. Throws
  // std::logic_error if a living process listens already.
  [[nodiscard]] Listening Listen() const { return Listening(session_, /*in_background=*/false); }
  // The same, with a thread that answers.
  [[nodiscard]] Listening ListenInBackground() const {
    return Listening(session_, /*in_background=*/true);
  }
  // The same, with a status: FailedPrecondition if a living process listens already.
  [[nodiscard]] absl::StatusOr<Listening> TryListen() const {
    return proxy_internal::Try<Listening>([&] { return Listen(); });
  }
  [[nodiscard]] absl::StatusOr<Listening> TryListenInBackground() const {
    return proxy_internal::Try<Listening>([&] { return ListenInBackground(); });
  }
  // Answers the calls that have arrived, until there are none, and returns how many.
  // REQUIRES: listening in this process, not in background.
  int ProcessRequests() const {
    int count = 0;
    while (Poll()) ++count;
    return count;
  }
  // Answers at most one call, for which it waits at most `timeout`. Returns true if it did.
  bool Poll(absl::Duration timeout = absl::ZeroDuration()) const {
    return session_->Serve(timeout <= absl::ZeroDuration() ? Deadline::Passed()
                                                           : Deadline::After(timeout));
  }

  // The manager's object that it refers to; null for an object of a process.
  const std::shared_ptr<Referent>& referent() const { return session_->referent(); }

  // Returns true if a living process listens.
  bool listening() const { return session_->listening(); }
  // Its pid, or 0.
  pid_t listener_pid() const { return session_->listener_pid(); }

  // Returns when a process listens. Throws DeadlineExceeded.
  void WaitUntilListening(absl::Duration timeout = absl::InfiniteDuration()) const {
    session_->WaitUntilListening(0, timeout);
  }
  // The same for `process` (whatever has a pid()), or a pid: throws ListenerDied at once if it ends
  // before it listens.
  template <typename P>
    requires requires(const P& process) {
      { process.pid() } -> std::convertible_to<pid_t>;
    }
  void WaitUntilListening(const P& process,
                          absl::Duration timeout = absl::InfiniteDuration()) const {
    session_->WaitUntilListening(process.pid(), timeout);
  }
  void WaitUntilListening(pid_t process, absl::Duration timeout = absl::InfiniteDuration()) const {
    session_->WaitUntilListening(process, timeout);
  }

  // The same, with a status: DeadlineExceeded, or Aborted if the process ended before it listened.
  template <typename... A>
  [[nodiscard]] absl::Status TryWaitUntilListening(const A&... process_and_timeout) const {
    return proxy_internal::Try<void>([&] { WaitUntilListening(process_and_timeout...); });
  }

  // <Remote app::Counter pid=123 listening>
  friend std::ostream& operator<<(std::ostream& out, const Proxy& proxy) {
    const pid_t pid = proxy.listener_pid();
    out << "<Remote " << TypeName<T>();
    if (proxy.view_.size() != 0) out << " " << proxy.view_;
    // Not as a number, which a locale may group.
    return pid == 0 ? out << " not listening>"
                    : out << " pid=" << std::to_string(pid) << " listening>";
  }

 private:
  friend Codec<Proxy>;
  friend proxy_internal::ProxyAccess;
  template <typename U>
  friend class Proxy;

  explicit Proxy(std::shared_ptr<proxy_internal::Session> session, View view = {},
                 absl::Duration timeout = absl::InfiniteDuration())
      : session_(std::move(session)), view_(std::move(view)), timeout_(timeout) {}

  static const proxy_internal::TypeInfo& Type() {
    proxy_internal::CheckDescribed<T>();
    return proxy_internal::TypeOf<T>();
  }

  std::shared_ptr<proxy_internal::Session> session_;
  View view_;  // Leads to the object: empty for the session's own.
  absl::Duration timeout_;
};

// A proxy as an argument of a process that is being started; also as a part of any value that goes
// to a manager, whose objects call it then, as long as a process listens, or that comes from it.
template <typename T>
struct Codec<Proxy<T>> {
  static void Encode(const Proxy<T>& proxy, ValueWriter out) {
    if (proxy.view_.size() != 0) {
      throw BadValue(
          "a proxy of a part of an object, or one with calls that were not sent yet, can't "
          "be sent: " +
          proxy.view_.ToString());
    }
    const std::shared_ptr<Referent>& referent = proxy.session_->referent();
    if (referent != nullptr) return Codec<Reference>::Encode({referent}, out);
    Attachments& attachments = out.attachments();
    if (attachments.takes_descriptors()) return proxy.session_->Send(out);
    Codec<Reference>::Encode(
        {attachments.Offer(proxy.session_->type().name(), proxy.session_->AsChannel())}, out);
  }
  static Proxy<T> Decode(const ValueReader& in) {
    if (in.kind() == ValueKind::kObject) return Proxy<T>(Codec<Reference>::Decode(in));
    return Proxy<T>(std::make_shared<proxy_internal::Session>(proxy_internal::TypeOf<T>(), in));
  }
};

template <typename T>
Proxy(T&) -> Proxy<T>;
template <typename T>
Proxy(T&, ProxyOptions) -> Proxy<T>;

// remoteobj::Get(remote->count) is remote->count.Get().
template <typename D, typename M>
M Get(const proxy_internal::Readable<D, M>& view) {
  return view.Get();
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_PROXY_H_
