// SPDX-License-Identifier: MIT
//
// The description of a class, as types: a Description, which has an Entry for each member.
// Everything here is known at compile time and has no state.
#ifndef REMOTEOBJ_PROXY_INTERNAL_DESCRIPTION_H_
#define REMOTEOBJ_PROXY_INTERNAL_DESCRIPTION_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "remoteobj/transport/wire/codec.h"

namespace remoteobj::proxy_internal {

// Types, and nothing else: cheaper to compile than a std::tuple, which has a value of each.
template <typename... T>
struct TypeList {
  static constexpr std::size_t kSize = sizeof...(T);
  template <std::size_t I>
  using At = std::tuple_element_t<I, std::tuple<T...>>;
};

template <typename... Signature>
struct Signatures {};

template <typename... Base>
struct Bases {};

// One member: functions without state which name it, take its address, call it, and call it without
// virtual dispatch.
template <typename Name, typename Pointer, typename Call, typename CallHere, typename Chosen>
struct Entry {
  using NameOf = Name;
  using PointerTo = Pointer;
  using CallOf = Call;
  using CallHereOf = CallHere;
  using ChosenSignatures = Chosen;
};

template <typename Name, typename Pointer, typename Call, typename CallHere, typename Chosen>
constexpr Entry<Name, Pointer, Call, CallHere, Chosen> MakeEntry(Name, Pointer, Call, CallHere,
                                                                 Chosen) {
  return {};
}

struct NoMoreEntries {};

// MakeMembers is the type of a function that takes a Tag<Views> and returns the Tag of a class with
// a member for each entry.
template <typename T, typename BaseList, typename EntryListOf, typename MakeMembers>
struct Description {
  using Type = T;
  using BaseTypes = BaseList;
  using Entries = EntryListOf;
  template <typename Views>
  using Members = typename decltype(std::declval<MakeMembers>()(Tag<Views>()))::type;
};

template <typename Types, std::size_t... I>
constexpr auto DropLast(std::index_sequence<I...>) {
  return TypeList<typename Types::template At<I>...>();
}

// `entries` end with NoMoreEntries, for the comma after each.
template <typename T, typename BaseList, typename MakeMembers, typename... E>
constexpr auto MakeDescription(MakeMembers, E...) {
  using List = decltype(DropLast<TypeList<E...>>(std::make_index_sequence<sizeof...(E) - 1>()));
  return Description<T, BaseList, List, MakeMembers>();
}

// The standard containers are described, too, but travel as what they are, not as records.
template <typename T>
concept DescribedContainer = requires { RemoteobjDescribeContainer(Tag<T>{}); };

template <typename T>
concept HasMembers = Described<T> || DescribedContainer<T>;

template <typename T>
struct DescriptionFor {
  using type = decltype(RemoteobjDescribe(Tag<T>{}));
};
template <typename T>
  requires(DescribedContainer<T> && !Described<T>)
struct DescriptionFor<T> {
  using type = decltype(RemoteobjDescribeContainer(Tag<T>{}));
};
template <typename T>
using DescriptionOf = typename DescriptionFor<T>::type;

template <typename T, typename Views>
using MembersOf = typename DescriptionOf<T>::template Members<Views>;

// The members that the bases of a class T describe. A type of its own for each T: one that is a
// base twice can't be twice at one address, which is where all Attributes have to be.
template <typename T, typename BaseList, typename Views>
struct BaseMembersFor;
template <typename T, typename... Base, typename Views>
struct BaseMembersFor<T, Bases<Base...>, Views> {
  static_assert((HasMembers<Base> && ...),
                "remoteobj: a base named in REMOTEOBJ_DESCRIBE_DERIVED (in Base here) is not "
                "described: describe it first");
  struct type : MembersOf<Base, Views>... {};
};
template <typename T, typename BaseList, typename Views>
using BaseMembers = typename BaseMembersFor<T, BaseList, Views>::type;

// Returns true if B is T, or a described base of T or of its bases.
template <typename T, typename B>
constexpr bool IsDescribedBase() {
  if constexpr (std::is_same_v<T, B>) {
    return true;
  } else {
    return []<typename... Base>(Bases<Base...>) {
      return (IsDescribedBase<Base, B>() || ...);
    }(typename DescriptionOf<T>::BaseTypes{});
  }
}

// A function's parts, whatever its qualifiers.
template <typename F>
struct FunctionParts;
#define REMOTEOBJ_FUNCTION_PARTS(is_const, ...)         \
  template <typename R, typename... A>                  \
  struct FunctionParts<R(A...) __VA_ARGS__> {           \
    using Result = R;                                   \
    using Arguments = TypeList<A...>;                   \
    static constexpr std::size_t kArity = sizeof...(A); \
    static constexpr bool kConst = is_const;            \
  };
REMOTEOBJ_FUNCTION_PARTS(false)
REMOTEOBJ_FUNCTION_PARTS(true, const)
REMOTEOBJ_FUNCTION_PARTS(false, &)
REMOTEOBJ_FUNCTION_PARTS(true, const&)
REMOTEOBJ_FUNCTION_PARTS(false, noexcept)
REMOTEOBJ_FUNCTION_PARTS(true, const noexcept)
REMOTEOBJ_FUNCTION_PARTS(false, & noexcept)
REMOTEOBJ_FUNCTION_PARTS(true, const& noexcept)
#undef REMOTEOBJ_FUNCTION_PARTS

// One that can be called on an object that stays where it is.
template <typename F>
concept CallableFunction = requires { typename FunctionParts<F>::Result; };
template <typename F>
using PartsOfCallable = FunctionParts<std::conditional_t<CallableFunction<F>, F, void()>>;

template <typename Pointer>
struct Pointee {
  using type = void;
};
template <typename M, typename C>
struct Pointee<M C::*> {
  using type = M;
};
template <typename F>
struct Pointee<F*> {  // A static member function.
  using type = F;
};

// The traits of the member that entry E names in the class C.
template <typename C, typename E>
struct MemberTraits {
 private:
  static auto PointerType() {
    if constexpr (requires { std::declval<typename E::PointerTo>()(Tag<C>{}); }) {
      return Tag<decltype(std::declval<typename E::PointerTo>()(Tag<C>{}))>{};
    } else {
      return Tag<void>{};
    }
  }
  template <typename M, typename... S>
  static auto ChosenOrOwn(Signatures<S...>) {
    if constexpr (sizeof...(S) != 0) {
      return TypeList<PartsOfCallable<S>...>{};
    } else {  // For data, and where an assertion below fails, the parts of void().
      return TypeList<PartsOfCallable<M>>{};
    }
  }
  template <typename M, typename... S>
  static constexpr bool AllCallable(Signatures<S...>) {
    return (CallableFunction<S> && ...) && (!std::is_function_v<M> || CallableFunction<M>);
  }

 public:
  using Pointer = typename decltype(PointerType())::type;
  using Member = typename Pointee<Pointer>::type;
  static constexpr bool kChosen = !std::is_same_v<typename E::ChosenSignatures, Signatures<>>;
  static constexpr bool kIsData =
      !kChosen && !std::is_void_v<Member> && !std::is_function_v<Member>;
  static constexpr bool kIsMethod = kChosen || std::is_function_v<Member>;
  static constexpr bool kIsStatic =
      std::is_pointer_v<Pointer> && std::is_function_v<std::remove_pointer_t<Pointer>>;
  static_assert(kIsData || kIsMethod,
                "remoteobj: this described member (the E named here ends with its name) is not a "
                "member, is private (write REMOTEOBJ_FRIEND in the class), is a reference or a bit "
                "field, or is overloaded or a template: then write (name, R(Arguments...)) in "
                "REMOTEOBJ_DESCRIBE, with each signature that is wanted: "
                "(name, int(int), double(double) const).");
  static_assert(AllCallable<Member>(typename E::ChosenSignatures{}),
                "remoteobj: this described method (the E named here ends with its name) is "
                "volatile, qualified with &&, or takes C's variable arguments, so it can't be "
                "called on an object that stays where it is. Describe a method without that.");
  static_assert(!kIsData || !std::is_pointer_v<Pointer>,
                "remoteobj: this described data member (the E named here ends with its name) is "
                "static: it is the program's, not the object's. Describe a function that returns "
                "it.");
  static_assert(!kIsData || !std::is_array_v<Member>,
                "remoteobj: this described data member (the E named here ends with its name) is "
                "an array of C's, which can't be returned: use std::array.");
  static_assert(!kIsData || !std::is_volatile_v<Member>,
                "remoteobj: this described data member (the E named here ends with its name) is "
                "volatile, which does not make it safe to share: use std::atomic, or describe a "
                "method that returns it.");
  using Overloads =
      decltype(ChosenOrOwn<Member>(typename E::ChosenSignatures{}));  // A FunctionParts.

  static constexpr std::string_view kName = typename E::NameOf{}();
};

// The type by which a data member is read and written.
template <typename M>
struct ValueOfMember {
  using type = std::remove_cv_t<M>;
};
template <typename T>
struct ValueOfMember<std::atomic<T>> {
  using type = T;
};
template <typename M>
using ValueOf = typename ValueOfMember<std::remove_cv_t<M>>::type;

template <typename T>
constexpr bool kIsAtomic = !std::is_same_v<ValueOf<T>, std::remove_cv_t<T>>;

template <typename M>
decltype(auto) Load(const M& member) {
  if constexpr (kIsAtomic<M>) {
    return member.load();
  } else {
    return (member);
  }
}

// Gives a member its value. One that is const is made again, as C++20 allows for a part of an
// object that is not const itself ([basic.life]/8).
template <typename C, typename E, typename V>
void StoreMember(C& object, V&& value) {
  auto& member = object.*typename E::PointerTo{}(Tag<C>{});
  using Member = std::remove_reference_t<decltype(member)>;
  if constexpr (!std::is_const_v<Member>) {
    member = std::forward<V>(value);
  } else {
    using Plain = std::remove_const_t<Member>;
    static_assert(std::is_nothrow_constructible_v<Plain, V>,
                  "remoteobj: this described data member (the E named here ends with its name) is "
                  "const, and of a type that can't be moved without the risk of an exception, so "
                  "its class can't be received by value. Let it not be const, or leave it out of "
                  "the description.");
    auto* const at = const_cast<Plain*>(std::addressof(member));
    std::destroy_at(at);
    std::construct_at(at, std::forward<V>(value));
  }
}

// Calls f(Tag<C>, Tag<E>) for each data member E of T, described in its class C, bases first.
template <typename T, typename F>
constexpr void ForEachDataMember(F&& f) {
  using D = DescriptionOf<T>;
  [&]<typename... B>(Bases<B...>) { (ForEachDataMember<B>(f), ...); }(typename D::BaseTypes{});
  [&]<typename... E>(TypeList<E...>) {
    [[maybe_unused]] const auto one = [&]<typename Entry>(Tag<Entry> entry) {
      if constexpr (MemberTraits<T, Entry>::kIsData) f(Tag<T>{}, entry);
      return 0;
    };
    // Not a fold, of which Clang takes 256 at most. Braces keep the order.
    [[maybe_unused]] const int done[] = {0, one(Tag<E>{})...};
  }(typename D::Entries{});
}

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_DESCRIPTION_H_
