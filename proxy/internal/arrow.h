// SPDX-License-Identifier: MIT
//
// The result of `remote->`: the place of the object, with the described members as data members.
//
// An Arrow has one empty data member (an Attribute, see attribute.h) per described member; all of
// them share the Arrow's address, so an Attribute finds its session with a cast from `this`. Access
// therefore costs nothing, however many members there are, and an Attribute must never be copied.
#ifndef REMOTEOBJ_PROXY_INTERNAL_ARROW_H_
#define REMOTEOBJ_PROXY_INTERNAL_ARROW_H_

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/view.h"

namespace remoteobj {

template <typename T>
class Proxy;

namespace proxy_internal {

// The way to an object. The views on it begin with this.
struct Node {
  Session* session;
  View view;
  absl::Duration timeout = absl::InfiniteDuration();
};

// A described member E of C, the Ith of its description. Defined in attribute.h.
template <typename C, typename E, unsigned I, bool kIsData = MemberTraits<C, E>::kIsData>
class Attribute;

// Makes the members of an Arrow: see describe_macros.h.
struct ProxyViews {
  template <typename C, typename E, unsigned I>
  using Attribute = proxy_internal::Attribute<C, E, I>;
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
class Arrow : protected Node, public MembersOf<T, ProxyViews> {
  using Members = MembersOf<T, ProxyViews>;
  static_assert(
      sizeof(Members) == 1,
      "remoteobj: a class (in T here) has a described base twice, by two ways. Describe it "
      "as a base of one class only, and name its members that the other needs there");

 public:
  explicit Arrow(Node node) : Node(std::move(node)) {}
  Arrow(const Arrow&) = delete;
  Arrow& operator=(const Arrow&) = delete;

  const Members* operator->() const { return this; }
};

// Makes proxies of objects that views lead to.
struct ProxyAccess {
  template <typename T>
  static Proxy<T> Make(std::shared_ptr<Session> session, View view, absl::Duration timeout) {
    return Proxy<T>(std::move(session), std::move(view), timeout);
  }
  // The same object, by another description of it.
  template <typename T, typename U>
  static Proxy<T> As(const Proxy<U>& proxy) {
    return Proxy<T>(proxy.session_, proxy.view_, proxy.timeout_);
  }
};

}  // namespace proxy_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_INTERNAL_ARROW_H_
