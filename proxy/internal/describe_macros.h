// SPDX-License-Identifier: MIT
//
// The expansion of REMOTEOBJ_DESCRIBE: a function, found by argument-dependent lookup, that returns
// a Description. Its types are local to it, so that nothing is added to the user's namespace, and a
// friend declaration of the one function is enough to reach private members.
//
// A description does not depend on its users. One of them is an Arrow, whose members have the names
// of the described ones. Only the macro can write these names, so the function has a generic lambda
// that makes such a class for the `Views` it is given: Views::Attribute<Class, Entry, index> is the
// type of each member.
#ifndef REMOTEOBJ_PROXY_INTERNAL_DESCRIBE_MACROS_H_
#define REMOTEOBJ_PROXY_INTERNAL_DESCRIBE_MACROS_H_

#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/for_each.h"

// head:  inline, or template <...>; [[maybe_unused]], since a class may be local to one file
// name:  the function's
// type:  (the class), in parentheses, for the commas
// bases: (its bases)
#define REMOTEOBJ_DESCRIBE_(head, name, type, bases, ...) \
  REMOTEOBJ_DESCRIBE__(name, type, bases, REMOTEOBJ_SEQUENCE(__VA_ARGS__), head)
#define REMOTEOBJ_DESCRIBE__(name, type, bases, members, ...)                                      \
  __VA_ARGS__ auto name(::remoteobj::Tag<REMOTEOBJ_UNWRAP type>) {                                 \
    using RemoteobjSelf = REMOTEOBJ_UNWRAP type;                                                   \
    using RemoteobjBases = ::remoteobj::proxy_internal::Bases<REMOTEOBJ_UNWRAP bases>;             \
    REMOTEOBJ_END(REMOTEOBJ_ENTRY members)                                                         \
    struct RemoteobjIndex {                                                                        \
      enum Place : unsigned { REMOTEOBJ_END(REMOTEOBJ_ENUMERATOR members) };                       \
    };                                                                                             \
    auto remoteobj_members = []<typename RemoteobjViews>(::remoteobj::Tag<RemoteobjViews>) {       \
      struct DescribedMembers                                                                      \
          : ::remoteobj::proxy_internal::BaseMembers<RemoteobjSelf, RemoteobjBases,                \
                                                     RemoteobjViews> {                             \
        REMOTEOBJ_END(REMOTEOBJ_ATTRIBUTE members)                                                 \
      };                                                                                           \
      return ::remoteobj::Tag<DescribedMembers>();                                                 \
    };                                                                                             \
    return ::remoteobj::proxy_internal::MakeDescription<RemoteobjSelf, RemoteobjBases>(            \
        remoteobj_members,                                                                         \
        REMOTEOBJ_END(REMOTEOBJ_ENTRY_VALUE members)::remoteobj::proxy_internal::NoMoreEntries{}); \
  }

// How each part walks over the members: see for_each.h.
#define REMOTEOBJ_ENTRY(member) REMOTEOBJ_ENTRY_OF(member) REMOTEOBJ_ENTRY_AGAIN
#define REMOTEOBJ_ENTRY_AGAIN(member) REMOTEOBJ_ENTRY_OF(member) REMOTEOBJ_ENTRY
#define REMOTEOBJ_ENTRY_END
#define REMOTEOBJ_ENTRY_AGAIN_END

#define REMOTEOBJ_ENUMERATOR(member) REMOTEOBJ_NAME(member), REMOTEOBJ_ENUMERATOR_AGAIN
#define REMOTEOBJ_ENUMERATOR_AGAIN(member) REMOTEOBJ_NAME(member), REMOTEOBJ_ENUMERATOR
#define REMOTEOBJ_ENUMERATOR_END
#define REMOTEOBJ_ENUMERATOR_AGAIN_END

#define REMOTEOBJ_ATTRIBUTE(member) REMOTEOBJ_ATTRIBUTE_OF(member) REMOTEOBJ_ATTRIBUTE_AGAIN
#define REMOTEOBJ_ATTRIBUTE_AGAIN(member) REMOTEOBJ_ATTRIBUTE_OF(member) REMOTEOBJ_ATTRIBUTE
#define REMOTEOBJ_ATTRIBUTE_END
#define REMOTEOBJ_ATTRIBUTE_AGAIN_END

#define REMOTEOBJ_ENTRY_VALUE(member) REMOTEOBJ_ENTRY_TYPE(member){}, REMOTEOBJ_ENTRY_VALUE_AGAIN
#define REMOTEOBJ_ENTRY_VALUE_AGAIN(member) REMOTEOBJ_ENTRY_TYPE(member){}, REMOTEOBJ_ENTRY_VALUE
#define REMOTEOBJ_ENTRY_VALUE_END
#define REMOTEOBJ_ENTRY_VALUE_AGAIN_END

#define REMOTEOBJ_ENTRY_TYPE(member) REMOTEOBJ_JOIN(RemoteobjEntry_, REMOTEOBJ_NAME(member))

#define REMOTEOBJ_ATTRIBUTE_OF(member)             \
  [[no_unique_address]]                            \
  typename RemoteobjViews::template Attribute<     \
      RemoteobjSelf, REMOTEOBJ_ENTRY_TYPE(member), \
      static_cast<unsigned>(RemoteobjIndex::REMOTEOBJ_NAME(member))> REMOTEOBJ_NAME(member);

// A type of its own for each entry keeps the names of what is made of it short.
#define REMOTEOBJ_ENTRY_OF(member) \
  REMOTEOBJ_ENTRY_(REMOTEOBJ_NAME(member), REMOTEOBJ_SIGNATURES(member))
#define REMOTEOBJ_ENTRY_(...) REMOTEOBJ_ENTRY__(__VA_ARGS__)
#define REMOTEOBJ_ENTRY__(member, ...)                                                             \
  auto remoteobj_entry_##member = ::remoteobj::proxy_internal::MakeEntry(                          \
      [] { return ::std::string_view(#member); },                                                  \
      []<typename RemoteobjT>(::remoteobj::Tag<RemoteobjT>) -> decltype(&RemoteobjT::member) {     \
        return &RemoteobjT::member;                                                                \
      },                                                                                           \
      [](auto& remoteobj_o, auto&&... remoteobj_a)                                                 \
          -> decltype(remoteobj_o.member(static_cast<decltype(remoteobj_a)>(remoteobj_a)...)) {    \
        return remoteobj_o.member(static_cast<decltype(remoteobj_a)>(remoteobj_a)...);             \
      },                                                                                           \
      []<typename RemoteobjT>(RemoteobjT& remoteobj_o, auto&&... remoteobj_a)                      \
          -> decltype(remoteobj_o.RemoteobjT::member(                                              \
              static_cast<decltype(remoteobj_a)>(remoteobj_a)...)) {                               \
        return remoteobj_o.RemoteobjT::member(static_cast<decltype(remoteobj_a)>(remoteobj_a)...); \
      },                                                                                           \
      ::remoteobj::proxy_internal::Signatures<__VA_ARGS__>{});                                     \
  struct RemoteobjEntry_##member : decltype(remoteobj_entry_##member) {};

#endif  // REMOTEOBJ_PROXY_INTERNAL_DESCRIBE_MACROS_H_
