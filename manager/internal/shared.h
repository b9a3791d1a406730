// SPDX-License-Identifier: MIT
//
// The base of the client types of a manager's built-in objects (Dict, Queue, Lock, ...): a
// reference to the object, and an arrow to its described interface, by which it is called as a
// Proxy calls a described class.
//
//   class Box final : public SharedProxy<Box, BoxInterface> {
//    public:
//     static constexpr std::string_view kTypeId = "Box";
//     static std::string Type() { return "Box"; }
//     using SharedProxy::SharedProxy;
//   };
//
//   box->get();                      // as BoxInterface describes it
//   box->get.Async();
//   box->get.Timeout(absl::Seconds(1))();
#ifndef REMOTEOBJ_MANAGER_INTERNAL_SHARED_H_
#define REMOTEOBJ_MANAGER_INTERNAL_SHARED_H_

#include <algorithm>
#include <concepts>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace manager_internal {

// A default-constructed proxy refers to no object, so that a struct with such a member can be
// received. Its calls throw std::logic_error.
class Shared {
 public:
  // Returns true if both refer to the same object.
  friend bool operator==(const Shared& a, const Shared& b) {
    return a.referent()->Same(*b.referent());
  }
  // <Remote Dict<std::string, int> 3>
  friend std::ostream& operator<<(std::ostream& out, const Shared& shared) {
    return out << "<Remote " << shared.referent()->type() << " " << shared.referent()->id() << ">";
  }

  // Throws std::logic_error if the proxy refers to no object.
  const std::shared_ptr<Referent>& referent() const { return session()->referent(); }

 protected:
  Shared() = default;
  // Throws BadValue if the object is not of that type.
  Shared(const Reference& reference, std::string_view type);

  const std::shared_ptr<proxy_internal::Session>& session() const {
    if (session_ == nullptr) ThrowEmpty();
    return session_;
  }
  proxy_internal::Node node() const { return {session().get(), View(), timeout_}; }
  absl::Duration timeout() const { return timeout_; }
  void set_timeout(absl::Duration timeout) { timeout_ = timeout; }

 private:
  [[noreturn]] static void ThrowEmpty();

  std::shared_ptr<proxy_internal::Session> session_;
  absl::Duration timeout_ = absl::InfiniteDuration();
};

// D is the client type, Interface the described class, ArrowType what `->` returns: an Arrow of the
// interface, or a class derived from that which adds operations made of several calls.
template <typename D, typename Interface, typename ArrowType = proxy_internal::Arrow<Interface>>
class SharedProxy : public Shared {
 public:
  // Refers to no object, until another proxy is assigned to it.
  SharedProxy() = default;
  // Throws BadValue if the object is of another type.
  explicit SharedProxy(const Reference& reference) : Shared(reference, D::Type()) {}

  // The object's operations.
  ArrowType operator->() const { return ArrowType(node()); }

  // The same object, by a proxy whose calls wait no longer than `timeout`.
  D Timeout(absl::Duration timeout) const {
    D copy = static_cast<const D&>(*this);
    copy.set_timeout(timeout);
    return copy;
  }

 protected:
  // For an object whose type has another name.
  SharedProxy(const Reference& reference, std::string_view type) : Shared(reference, type) {}

  // The object as `I`, another form of its interface.
  template <typename I>
  Proxy<I> As() const {
    return proxy_internal::ProxyAccess::Make<I>(session(), View(), timeout());
  }
};

// An arrow with operations of its own: a class derived from it calls object() as often as it needs.
template <typename Interface>
class ArrowWithMore : public proxy_internal::Arrow<Interface> {
 public:
  using proxy_internal::Arrow<Interface>::Arrow;

 protected:
  // Keeps the object alive.
  Proxy<Interface> object() const {
    return proxy_internal::ProxyAccess::Make<Interface>(this->session->shared_from_this(), View(),
                                                        this->timeout);
  }
};

// How long a call may wait in the manager: an absl::Duration, without limit by default. If the
// manager has not answered two seconds later, the call throws DeadlineExceeded: a failed network
// would otherwise be noticed only after a minute.
class WaitTime {
 public:
  static constexpr bool kWhileListening = false;

  WaitTime() = default;
  WaitTime(absl::Duration duration) : duration_(duration) {}  // NOLINT: converts.
  operator absl::Duration() const { return duration_; }       // NOLINT: converts.

  absl::Duration CallLimit() const {
    return std::max(duration_, absl::ZeroDuration()) + absl::Seconds(2);
  }

 private:
  absl::Duration duration_ = absl::InfiniteDuration();
};

// The same for a call that may wait longer than that: a condition's for its lock, a barrier's for
// the action of the round before. It waits without limit while the manager answers pings, which the
// client sends every two seconds.
class WaitTimeThenOthers : public WaitTime {
 public:
  static constexpr bool kWhileListening = true;
  using WaitTime::WaitTime;
};

template <typename T>
concept SharedType = std::derived_from<T, Shared> && requires { T::kTypeId; };

}  // namespace manager_internal

// A proxy of a manager's object as a part of any value that is sent to that manager or received
// from it.
template <manager_internal::SharedType T>
struct Codec<T> {
  static void Encode(const T& shared, ValueWriter out) {
    Codec<Reference>::Encode({shared.referent()}, out);
  }
  static T Decode(const ValueReader& in) { return T(Codec<Reference>::Decode(in)); }
};

template <std::derived_from<manager_internal::WaitTime> T>
struct Codec<T> {
  static void Encode(const T& time, ValueWriter out) { Codec<absl::Duration>::Encode(time, out); }
  static T Decode(const ValueReader& in) { return T(Codec<absl::Duration>::Decode(in)); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_INTERNAL_SHARED_H_
