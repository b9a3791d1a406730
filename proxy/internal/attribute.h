// SPDX-License-Identifier: MIT
//
// The members of an Arrow, one for each described member: remote->count, remote->Inc.
#ifndef REMOTEOBJ_PROXY_INTERNAL_ATTRIBUTE_H_
#define REMOTEOBJ_PROXY_INTERNAL_ATTRIBUTE_H_

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "absl/time/time.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/session.h"
#include "remoteobj/proxy/methods.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/proxy/views.h"

namespace remoteobj::proxy_internal {

// The common part of attributes of data and of methods.
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
  // The Arrow of which this is an empty member, at the same address: the Itanium ABI lays out empty
  // members of different types so, Arrow's static_assert checks the size, and the standard does not
  // promise it. describe_large_test has an Arrow of 300 members.
  const Node& node() const {
    return *reinterpret_cast<const Node*>(reinterpret_cast<std::uintptr_t>(this));
  }
};

// A described data member of C, at an Arrow: remote->count.
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

// A described method of C, at an Arrow: remote->Inc.
template <typename C, typename E, unsigned I>
class Attribute<C, E, I, false> : public AttributeBase<C, E, I>,
                                  public Callable<Attribute<C, E, I, false>, C, E> {
 public:
  Attribute() = default;
  Attribute(const Attribute&) = delete;  // remoteobj: .Lazy(arguments...) can be kept
};

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_ATTRIBUTE_H_
