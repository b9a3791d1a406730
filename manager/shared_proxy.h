// SPDX-License-Identifier: MIT
//
// The operations that all proxies of a manager's built-in objects (Dict, Queue, Lock, ...) have.
//
//   Dict<std::string, int> d = manager.Dict<std::string, int>();
//   d->size();                                           // the arrow: the object's operations
//   d->size.Async(); d->size.TryCall();                  // as with any described class
//   auto hurried = d.Timeout(absl::Seconds(1));          // whose calls wait no longer
//   d == hurried;                                        // true: the same object
//   std::cout << d;                                      // <Remote Dict<std::string, int> 3>
//
// A proxy is a counted reference: copying one, also into another object or as an argument, keeps
// the object alive. Making, copying and comparing proxies calls nothing; each operation by the
// arrow is one call, of some microseconds on one machine. Its TryCall is the twin that returns a
// status; that of operators, loops and guards is remoteobj::Try (remoteobj/except/try.h).
//
// A proxy that is default-constructed refers to no object until another is assigned to it, so that
// a struct with such a member can be received.
//
// A proxy of a built-in type is declared so (users' types have Proxy<T>):
//
//   class Box final : public SharedProxy<Box, BoxInterface> {
//    public:
//     static constexpr std::string_view kTypeId = "Box";
//     static std::string Type() { return "Box"; }
//     using SharedProxy::SharedProxy;
//   };
//
// Threads:  thread-safe, but for assignment. Proxies may be used in forks.
// Lifetime: the object lives as long as a proxy of it, or a name or another object that contains
//           it. A proxy that a fork has inherited counts from its first use there.
// Errors:   every call can throw NotListening if the manager has ended; ListenerDied if it ends
//           during the call; StaleReference if it was restarted; DeadlineExceeded at the time-out;
//           std::logic_error if the proxy refers to no object.
#ifndef REMOTEOBJ_MANAGER_SHARED_PROXY_H_
#define REMOTEOBJ_MANAGER_SHARED_PROXY_H_

#include <concepts>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// A proxy of a built-in object of any type.
class SharedProxyBase {
 public:
  // Returns true if both refer to the same object. Compares no values, and calls nothing. Throws
  // std::logic_error if one refers to no object.
  friend bool operator==(const SharedProxyBase& a, const SharedProxyBase& b) {
    return a.referent()->Same(*b.referent());
  }
  // Writes type and number: <Remote Dict<std::string, int> 3>. For the contents, which are a call,
  // write `d->to_string()`. Throws std::logic_error if it refers to no object.
  friend std::ostream& operator<<(std::ostream& out, const SharedProxyBase& proxy) {
    return out << "<Remote " << proxy.referent()->type() << " " << proxy.referent()->id() << ">";
  }

  // The object as a Reference holds it: its manager, type and number. The result keeps the object
  // alive. Throws std::logic_error if the proxy refers to no object.
  const std::shared_ptr<Referent>& referent() const { return session()->referent(); }

 protected:
  SharedProxyBase() = default;
  // Throws BadValue if the object is not of that type.
  SharedProxyBase(const Reference& reference, std::string_view type);

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

// D is the proxy's class, Interface the described class that the object implements, ArrowType what
// `->` returns: an Arrow of the interface, or a class derived from that, with operations made of
// several calls.
template <typename D, typename Interface, typename ArrowType = proxy_internal::Arrow<Interface>>
class SharedProxy : public SharedProxyBase {
 public:
  // Refers to no object, until another proxy is assigned to it.
  SharedProxy() = default;
  // A proxy of the object that was received as a reference. Throws BadValue if it is of another
  // type.
  explicit SharedProxy(const Reference& reference) : SharedProxyBase(reference, D::Type()) {}

  // The object's operations, as the interface documents them: each can be called, and has TryCall,
  // Async, Timeout and Lazy (remoteobj/proxy/methods.h). The result lives to the end of the
  // statement. Throws std::logic_error if the proxy refers to no object.
  ArrowType operator->() const { return ArrowType(node()); }

  // The same object, by a proxy whose calls throw DeadlineExceeded after `timeout`, measured here.
  // A call may be evaluated nevertheless.
  D Timeout(absl::Duration timeout) const {
    D copy = static_cast<const D&>(*this);
    copy.set_timeout(timeout);
    return copy;
  }

 protected:
  // For an object whose type has another name.
  SharedProxy(const Reference& reference, std::string_view type)
      : SharedProxyBase(reference, type) {}

  // The object as `I`, another form of its interface.
  template <typename I>
  Proxy<I> As() const {
    return proxy_internal::ProxyAccess::Make<I>(session(), View(), timeout());
  }
};

// T is the proxy type of a built-in type: Dict<K, V>, Queue<T>, ...
template <typename T>
concept SharedType = std::derived_from<T, SharedProxyBase> && requires { T::kTypeId; };

// A proxy of a manager's object as a part of any value that is sent to that manager or received
// from it. Another manager's is refused, with BadValue.
template <SharedType T>
struct Codec<T> {
  static void Encode(const T& shared, ValueWriter out) {
    Codec<Reference>::Encode({shared.referent()}, out);
  }
  static T Decode(const ValueReader& in) { return T(Codec<Reference>::Decode(in)); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_SHARED_PROXY_H_
