// SPDX-License-Identifier: MIT
//
// What the typed proxies of built-in objects (Dict, Queue, Lock, …) have in common: a reference,
// and calls by name.
//
//   template <typename T>
//   class Box : public Shared {
//    public:
//     static constexpr std::string_view kTypeId = "Box";
//     static std::string Type() { return absl::StrCat("Box<", TypeName<T>(), ">"); }
//     explicit Box(const Reference& reference) : Shared(reference, Type()) {}
//     T get() const { return Call<T>("get"); }
//   };
#ifndef REMOTEOBJ_MANAGER_INTERNAL_SHARED_H_
#define REMOTEOBJ_MANAGER_INTERNAL_SHARED_H_

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/proxy/internal/members.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj::manager_internal {

// A default-constructed proxy is of no object: so a struct that has one as a member can be
// received. Its calls throw std::logic_error.
class Shared {
 public:
  // Two are equal if they are of the same object, whatever it has in it.
  friend bool operator==(const Shared& a, const Shared& b) {
    return a.referent()->Same(*b.referent());
  }
  // <Remote Dict<std::string, int> 3>
  friend std::ostream& operator<<(std::ostream& out, const Shared& shared) {
    return out << "<Remote " << shared.referent()->type() << " " << shared.referent()->id() << ">";
  }

  // Throws std::logic_error if it was made without an object.
  const std::shared_ptr<Referent>& referent() const {
    if (referent_ == nullptr) ThrowEmpty();
    return referent_;
  }

 protected:
  Shared() = default;
  // Throws BadValue if the object is of another type.
  Shared(const Reference& reference, std::string_view type);

  // Calls a method, and gives what it returns. Throws what it throws, as its own type.
  template <typename R, typename... A>
  R Call(std::string_view method, const A&... arguments) const {
    return CallUntil<R>(Deadline::Never(), method, arguments...);
  }
  // One that waits in the manager for `timeout`, which is among the arguments, too. Throws
  // DeadlineExceeded where the manager does not say by then how that has ended: a network may have
  // failed, and that be known only after a minute.
  template <typename R, typename... A>
  R CallFor(absl::Duration timeout, std::string_view method, const A&... arguments) const {
    return CallUntil<R>(LimitOf(timeout), method, arguments...);
  }
  // One that waits in the manager for `timeout`, and may have to wait for others besides: the
  // condition's for its lock, the barrier's for the action of the round before. That takes as long
  // as it takes, if only the manager is there: it is asked when CallFor would give up, and from
  // then on every other second. Throws DeadlineExceeded where it does not say in five seconds that
  // it is; the call is given up then.
  template <typename R, typename... A>
  R CallForAtLeast(absl::Duration timeout, std::string_view method, const A&... arguments) const {
    if (timeout == absl::InfiniteDuration()) return Call<R>(method, arguments...);
    return WithRequest<R>(
        [&](WriteRequest write, ReadOutcome read) {
          CallNamedWhileThere(method, write, read, LimitOf(timeout));
        },
        method, arguments...);
  }

 private:
  [[noreturn]] static void ThrowEmpty();

  // When a call that waits for `timeout` has been answered, on a network that works: long before.
  static Deadline LimitOf(absl::Duration timeout);

  template <typename R, typename... A>
  R CallUntil(Deadline deadline, std::string_view method, const A&... arguments) const {
    return WithRequest<R>(
        [&](WriteRequest write, ReadOutcome read) { CallNamed(method, write, read, deadline); },
        method, arguments...);
  }
  template <typename R, typename... A>
  static R WithRequest(absl::FunctionRef<void(WriteRequest, ReadOutcome)> call,
                       std::string_view method, const A&... arguments) {
    const auto write = [&](RequestWriter request) {
      const OperationsWriter operations = request.Operations(2);
      operations.Set(0, OperationKind::kGetAttribute, method, 0);
      operations.Set(1, OperationKind::kCall, {}, 0);
      if constexpr (sizeof...(A) != 0) {
        proxy_internal::EncodeAll<std::decay_t<const A&>...>(operations.Arguments(1, sizeof...(A)),
                                                             0, arguments...);
      }
    };
    return proxy_internal::Receive<R>([&](ReadOutcome read) { call(write, read); });
  }
  void CallNamed(std::string_view method, WriteRequest write, ReadOutcome read,
                 Deadline deadline) const;
  void CallNamedWhileThere(std::string_view method, WriteRequest write, ReadOutcome read,
                           Deadline deadline) const;
  // Errors of the way say what was called.
  void Naming(std::string_view method, absl::FunctionRef<void()> call) const;

  std::shared_ptr<Referent> referent_;
};

// Names the calling thread to locks that know their owner: unique in this process, never reused.
std::uint64_t ThisThread();

template <typename T>
concept SharedType = std::derived_from<T, Shared> && requires { T::kTypeId; };

}  // namespace remoteobj::manager_internal

namespace remoteobj {

// A proxy of a manager's object as a part of any value that goes to that manager, or comes from it.
template <manager_internal::SharedType T>
struct Codec<T> {
  static void Encode(const T& shared, ValueWriter out) {
    Codec<Reference>::Encode({shared.referent()}, out);
  }
  static T Decode(const ValueReader& in) { return T(Codec<Reference>::Decode(in)); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_INTERNAL_SHARED_H_
