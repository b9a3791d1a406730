// SPDX-License-Identifier: MIT
//
// The name of a described member, from a pointer to it: for code that compares the name that an
// operation has with a member that the compiler knows.
//
//   if (operation.name() == MemberName(&Root::ping)) …
//
// Errors: at compile time, unless the class describes a member of that type.
#ifndef REMOTEOBJ_PROXY_INTERNAL_MEMBER_NAME_H_
#define REMOTEOBJ_PROXY_INTERNAL_MEMBER_NAME_H_

#include <string_view>
#include <type_traits>

#include "remoteobj/proxy/internal/description.h"

namespace remoteobj::proxy_internal {

template <typename M, typename C>
std::string_view MemberName(M C::* member) {
  return [member]<typename... E>(TypeList<E...>) {
    static_assert((std::is_same_v<typename MemberTraits<C, E>::Pointer, M C::*> || ...),
                  "remoteobj: the class does not describe the member");
    std::string_view name;
    const auto look_at = [&]<typename Entry>(Tag<Entry>) {
      if constexpr (std::is_same_v<typename MemberTraits<C, Entry>::Pointer, M C::*>) {
        if (typename Entry::PointerTo{}(Tag<C>{}) == member) name = MemberTraits<C, Entry>::kName;
      }
    };
    (look_at(Tag<E>{}), ...);
    return name;
  }(typename DescriptionOf<C>::Entries{});
}

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_MEMBER_NAME_H_
