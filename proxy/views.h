// SPDX-License-Identifier: MIT
//
// Views of data: what remote->count, remote->data["a"] and the results of Lazy() and Timeout() are.
//
//   int now = *remote->count;                  // or remote->count.Get()
//   remote->count = 5;                         // or remote->count.Set(5)
//   remote->count.GetOr(0);                    // 0 if no process listens
//   absl::StatusOr<int> maybe = remote->count.TryGet();
//   remoteobj::Future<int> later = remote->count.Async();
//   auto view = remote->data["a"].Timeout(absl::Seconds(1));   // can be kept
//   view = 3; view.Delete(); view.Exists();
//
// Readable has what all views with a value can do, Settable what views of data can do besides;
// views of methods are in methods.h.
//
// Threads:  thread-safe, as their proxy is.
// Lifetime: a ValueView keeps the proxy's object; remote->count itself lives as long as its Arrow,
//           which is to the end of the statement.
// Errors:   those of the proxy (NotListening, ListenerDied, DeadlineExceeded, NotDescribed,
//           BadValue), and what the object throws.
#ifndef REMOTEOBJ_PROXY_VIEWS_H_
#define REMOTEOBJ_PROXY_VIEWS_H_

#include <memory>
#include <ostream>
#include <type_traits>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/internal/calls.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/pass_to.h"
#include "remoteobj/proxy/internal/pending_results.h"
#include "remoteobj/proxy/internal/receive.h"
#include "remoteobj/proxy/internal/resolve.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/view.h"

namespace remoteobj {

class Batch;
template <typename T>
class Proxy;

namespace proxy_internal {

// Operations of all views that have a value of type M.
//
// A view has a prefix, a View, and one operation more, which setting and deleting replace. D has:
//   Session& session() const; const View& prefix() const; Operation last() const;
//   Step step() const; const Operands* operands() const;    // Those of last().
//   absl::Duration timeout() const;
template <typename D, typename M>
class Readable {
 public:
  using value_type = M;

  // Gets the value: a copy.
  M Get() const { return ReceiveView<M>(parts()); }
  // The same. It is const, so that `*remote->count = 5`, which would change only the copy, does not
  // compile.
  const M operator*() const { return Get(); }

  // The fallback, if no process listens.
  template <typename U>
  M GetOr(U&& fallback) const {
    return GetOrElse([&]() -> M { return std::forward<U>(fallback); });
  }
  template <typename F>
  M GetOrElse(F&& fallback) const {
    const auto get = [&](ReadOutcome read) { parts().Get(read); };
    return OrElse([&]() -> M { return Receive<M>(get); }, std::forward<F>(fallback));
  }
  // The value that this process's own object has, if no process listens.
  M GetOrLocal() const {
    const auto get = [&](ReadOutcome read) { parts().GetLocal(read); };
    return GetOrElse([&]() -> M { return Receive<M>(get); });
  }

  // Never throws; see CurrentExceptionToStatus for the codes.
  auto TryGet() const {
    return Try<M>([&] { return Get(); });
  }

  // Sends the request, and returns at once.
  Future<M> Async() const {
    std::shared_ptr<PendingResult<M>> pending;
    const auto begin = [&](const CallSpec& call) {
      pending =
          std::make_shared<PendingResult<M>>(self().session().shared_from_this(), call, view());
    };
    parts().WithGet(begin);
    return Future<M>(pending, &pending->result());
  }

  // The chain of operations, as data.
  View view() const { return self().prefix().Extend(self().last()); }

  friend std::ostream& operator<<(std::ostream& out, const Readable& readable) {
    return out << readable.view();
  }

 protected:
  const D& self() const { return static_cast<const D&>(*this); }

  ViewParts parts() const {
    return {self().session(), self().prefix(), self().step(), self().operands(), self().timeout()};
  }
};

template <typename M>
class ValueView;

// Operations of views of data, that is of members and items. Changes are made to the object in the
// other process.
template <typename D, typename M>
class Settable : public Readable<D, M> {
 public:
  // Sets the member or item.
  template <typename U = M>
  void Set(U&& value) const {
    CheckSettable<U>();
    SetTo(std::forward<U>(value));
  }
  // The same, with a status. Never throws.
  template <typename U = M>
  [[nodiscard]] absl::Status TrySet(U&& value) const {
    return Try<void>([&] { Set(std::forward<U>(value)); });
  }

  // Empties an optional or a pointer, or removes an item.
  void Delete() const {
    CheckDeletable();
    ReceiveChange(this->parts(), DeleteKind(), nullptr);
  }
  // The same, with a status. Never throws.
  [[nodiscard]] absl::Status TryDelete() const {
    return Try<void>([&] { Delete(); });
  }

  // Returns true if the item is there, or the optional or pointer has a value.
  bool Exists() const {
    return ReceiveOrDefault<bool>(this->self().session(),
                                  [&](ReadOutcome read) { this->parts().Exists(read); });
  }
  // The same, with a status. Never throws.
  absl::StatusOr<bool> TryExists() const {
    return Try<bool>([&] { return Exists(); });
  }

  // A view that can be kept, and that waits no longer than `timeout`.
  ValueView<M> Timeout(absl::Duration timeout) const { return Keep(timeout); }
  // A view that can be kept.
  ValueView<M> Lazy() const { return Keep(this->self().timeout()); }

  // Calls function(M&, arguments...) where the object is. See Proxy::PassTo.
  template <typename F, typename... A>
  auto PassTo(const F& function, const A&... arguments) const {
    return PassToObject<M>(this->self().session(), this->view(), this->self().timeout(), function,
                           arguments...);
  }
  // The same, with a status. Never throws.
  template <typename F, typename... A>
  auto TryPassTo(const F& function, const A&... arguments) const {
    return Try<decltype(PassTo(function, arguments...))>(
        [&] { return PassTo(function, arguments...); });
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
  void SetTo(const M& value) const {
    const Argument argument(value);
    ReceiveChange(this->parts(), SetKind(), &argument);
  }

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

  // The operation that sets or deletes it, which replaces the last one.
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
};

// The state of a view that can be kept.
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

// A view of data that can be kept: an item, or the result of Lazy() and Timeout().
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

// A call that is made when its value is asked for, each time.
template <typename R>
class CallView : public Kept, public Readable<CallView<R>, R> {
 public:
  using Kept::Kept;
};

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_VIEWS_H_
