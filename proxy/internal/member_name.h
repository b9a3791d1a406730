// SPDX-License-Identifier: MIT
//
// The name of a described member, from a pointer to it: for code that compares the name that an
// operation has with a member that the compiler knows.
//
//   if (operation.name() == MemberName<&Root::ping>()) …
//
// Errors: at compile time, for a member that its class does not describe, or describes overloaded.
#ifndef REMOTEOBJ_PROXY_INTERNAL_MEMBER_NAME_H_
#define REMOTEOBJ_PROXY_INTERNAL_MEMBER_NAME_H_

#include <string_view>
#include <type_traits>

#include "remoteobj/proxy/internal/description.h"

namespace remoteobj::proxy_internal {

// Pointers to virtual members can't be compared in a constant expression, but these types can.
template <auto kMember>
struct MemberConstant {};

template <typename C, auto kMember, typename E>
constexpr bool IsMember() {
  if constexpr (std::is_same_v<typename MemberTraits<C, E>::Pointer, decltype(kMember)>) {
    return std::is_same_v<MemberConstant<typename E::PointerTo{}(Tag<C>{})>,
                          MemberConstant<kMember>>;
  } else {
    return false;
  }
}

template <auto kMember, typename M, typename C>
consteval std::string_view MemberNameIn(M C::*) {
  return []<typename... E>(TypeList<E...>) {
    static_assert((IsMember<C, kMember, E>() || ...), "remoteobj: the member is not described");
    std::string_view name;
    ((IsMember<C, kMember, E>() ? void(name = MemberTraits<C, E>::kName) : void()), ...);
    return name;
  }(typename DescriptionOf<C>::Entries{});
}

template <auto kMember>
consteval std::string_view MemberName() {
  return MemberNameIn<kMember>(kMember);
}

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_MEMBER_NAME_H_
