// SPDX-License-Identifier: MIT
//
// Makes the TypeInfo of a C++ type.
#ifndef REMOTEOBJ_PROXY_INTERNAL_TYPE_INFO_OF_H_
#define REMOTEOBJ_PROXY_INTERNAL_TYPE_INFO_OF_H_

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "remoteobj/except/type_name.h"
#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/proxy/internal/type_info.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj::proxy_internal {

template <typename T>
const TypeInfo& TypeOf();

template <typename T>
concept MapItems = transport_internal::MapLike<T> && requires(T& t, typename T::key_type k) {
  t.find(k);
  t.insert_or_assign(k, std::declval<typename T::mapped_type>());
};

template <typename T>
concept SequenceItems = !MapItems<T> && requires(T& t) {
  t[std::size_t{}];
  { t.size() } -> std::convertible_to<std::size_t>;
  typename T::value_type;
} && !std::is_convertible_v<const T&, std::string_view>;

// The key and the type of an item of T.
template <typename T>
struct ItemsOf;
template <MapItems T>
struct ItemsOf<T> {
  using Key = typename T::key_type;
  using Item = typename T::mapped_type;
};
template <SequenceItems T>
struct ItemsOf<T> {
  using Key = std::int64_t;
  using Item = typename T::value_type;
};

template <typename T>
concept HasItems = MapItems<T> || SequenceItems<T>;

// A parameter that can be passed what was received for it: neither a pointer, nor a reference to
// write through, nor what can only be reached piece by piece. (One with no codec at all is an error
// at compile time, in Decode.)
template <typename P>
constexpr bool kPointerParameter =
    (std::is_pointer_v<std::decay_t<P>> && !std::is_same_v<std::decay_t<P>, const char*>) ||
    (std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>);
template <typename P>
constexpr bool kValueParameter =
    !kPointerParameter<P> && (kReceivable<Stored<P>> || !kReachable<Stored<P>>);

// How a parameter of type P is passed what was received for it.
template <typename P>
decltype(auto) PassAs(Stored<P>& received) {
  if constexpr (std::is_same_v<std::decay_t<P>, const char*>) {
    return received.c_str();
  } else if constexpr (std::is_lvalue_reference_v<P> ||
                       !std::is_same_v<Stored<P>, std::decay_t<P>>) {
    return (received);
  } else {
    return std::move(received);
  }
}

[[noreturn]] void ThrowArgumentCount(std::string_view method, std::size_t got, std::size_t most);
[[noreturn]] void ThrowReadOnly(std::string_view method);

// Passes the result of a call to `result`.
template <typename R, typename F>
void GiveResult(CallResult& result, F&& call) {
  if constexpr (std::is_void_v<R>) {
    std::forward<F>(call)();
    result.Nothing();
  } else if constexpr (std::is_lvalue_reference_v<R>) {
    auto& object = std::forward<F>(call)();
    using Object = std::remove_cvref_t<R>;
    result.Reference(const_cast<Object*>(std::addressof(object)), TypeOf<Object>(),
                     std::is_const_v<std::remove_reference_t<R>> ||
                         std::is_const_v<std::remove_reference_t<decltype(object)>>);
  } else {
    // A standard container's pair of an iterator and whether it inserted is a bool, if described as
    // such.
    using Raw = decltype(std::forward<F>(call)());
    if constexpr (std::is_same_v<R, bool> && requires(Raw raw) {
                    { raw.second } -> std::convertible_to<bool>;
                  }) {
      bool inserted = std::forward<F>(call)().second;
      result.Value(&inserted, TypeOf<bool>());
    } else if constexpr (std::is_same_v<std::remove_cvref_t<Raw>, R> &&
                         std::is_lvalue_reference_v<Raw>) {
      // A container's element, which is described as a value: it need not be copied.
      auto& value = std::forward<F>(call)();
      result.Value(const_cast<R*>(std::addressof(value)), TypeOf<R>());
    } else {
      Stored<R> value(std::forward<F>(call)());
      result.Value(&value, TypeOf<Stored<R>>());
    }
  }
}

// Calls a method with exactly N arguments; false if it can't be called with as many.
template <typename C, typename Call, typename Parts, std::size_t... I>
bool InvokeWith(C& object, const ListReader& arguments, CallResult& result,
                std::index_sequence<I...>) {
  using Arguments = typename Parts::Arguments;
  if constexpr ((kValueParameter<typename Arguments::template At<I>> && ...) &&
                std::is_invocable_v<Call, C&, typename Arguments::template At<I>...>) {
    std::tuple<Stored<typename Arguments::template At<I>>...> received{
        Decode<Stored<typename Arguments::template At<I>>>(arguments[I])...};
    GiveResult<typename Parts::Result>(result, [&]() -> decltype(auto) {
      return Call{}(object, PassAs<typename Arguments::template At<I>>(std::get<I>(received))...);
    });
    return true;
  } else {
    return false;
  }
}

// With fewer than all, too, if the rest have defaults and it has no overloads, which these may be.
template <typename C, typename Call, typename Parts, bool kOverloaded>
bool InvokeParts(C& object, const ListReader& arguments, CallResult& result) {
  if constexpr (kOverloaded) {
    return arguments.size() == Parts::kArity &&
           InvokeWith<C, Call, Parts>(object, arguments, result,
                                      std::make_index_sequence<Parts::kArity>());
  } else {
    return [&]<std::size_t... N>(std::index_sequence<N...>) {
      return (
          (arguments.size() == N &&
           InvokeWith<C, Call, Parts>(object, arguments, result, std::make_index_sequence<N>())) ||
          ...);
    }(std::make_index_sequence<Parts::kArity + 1>());
  }
}

// A const signature is called on a const object, so that of two overloads the const one is called.
template <typename Parts, typename Object>
using SeenBy = std::conditional_t<Parts::kConst, const Object, Object>;

// Returns true if the method can be called on a C as the signature says, or never is.
template <typename C, typename Call, typename Parts>
constexpr bool Fits() {
  using Arguments = typename Parts::Arguments;
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return !(kValueParameter<typename Arguments::template At<I>> && ...) ||
           std::is_invocable_v<Call, C&, typename Arguments::template At<I>...>;
  }(std::make_index_sequence<Parts::kArity>());
}

// `object` is a C or derived from it.
template <typename C, typename E, typename Call, typename Object>
void InvokeOverloads(Object& object, const ListReader& arguments, std::uint16_t overload,
                     bool read_only, CallResult& result) {
  using Traits = MemberTraits<C, E>;
  using Overloads = typename Traits::Overloads;
  constexpr std::size_t kCount = Overloads::kSize;
  const auto allowed = [&](bool is_const) { return is_const || !read_only || Traits::kIsStatic; };
  const bool done = [&]<std::size_t... I>(std::index_sequence<I...>) {
    static_assert((Fits<SeenBy<typename Overloads::template At<I>, Object>, Call,
                        typename Overloads::template At<I>>() &&
                   ...),
                  "remoteobj: REMOTEOBJ_DESCRIBE was given a signature for this method (E here) "
                  "by which it can't be called. If the method is not const, nor is the signature.");
    if (!(allowed(Overloads::template At<I>::kConst) || ...)) ThrowReadOnly(Traits::kName);
    return (((overload == 0 || overload == I + 1) && allowed(Overloads::template At<I>::kConst) &&
             InvokeParts<SeenBy<typename Overloads::template At<I>, Object>, Call,
                         typename Overloads::template At<I>, (kCount > 1)>(object, arguments,
                                                                           result)) ||
            ...);
  }(std::make_index_sequence<kCount>());
  if (!done) {
    ThrowArgumentCount(Traits::kName, arguments.size(), Overloads::template At<0>::kArity);
  }
}

[[noreturn]] void ThrowEmpty(std::string_view method, const std::string& type);
// Throws std::length_error if a container of that many bytes is more than may be asked for.
void CheckBytes(std::string_view method, std::uint64_t count, std::size_t bytes_each,
                const std::string& type);

// Checks the preconditions of a container's member, since the caller in another process can't be
// trusted. The other described members have none, or check them.
template <typename C, typename E>
void CheckContainerCall(const C& container, const ListReader& arguments) {
  constexpr std::string_view kName = MemberTraits<C, E>::kName;
  if constexpr (kName == "front" || kName == "back" || kName == "pop_front" ||
                kName == "pop_back") {
    if (container.empty()) ThrowEmpty(kName, TypeName<C>());
  }
  if constexpr (kName == "resize" || kName == "reserve") {
    if (arguments.size() == 1) {
      CheckBytes(kName, Decode<std::uint64_t>(arguments[0]), sizeof(typename C::value_type),
                 TypeName<C>());
    }
  }
}

template <typename C, typename E>
void Invoke(void* object, const ListReader& arguments, std::uint16_t overload, Through through,
            CallResult& result) {
  C& self = *static_cast<C*>(object);
  if constexpr (DescribedContainer<C> && !Described<C>) CheckContainerCall<C, E>(self, arguments);
  // A pure virtual function can't be called without dispatch, and which are pure is not known.
  if constexpr (!std::is_abstract_v<C>) {
    if (through.here) {
      return InvokeOverloads<C, E, typename E::CallHereOf>(self, arguments, overload,
                                                           through.read_only, result);
    }
  }
  InvokeOverloads<C, E, typename E::CallOf>(self, arguments, overload, through.read_only, result);
}

// Calls what C inherits as E from its base B, without virtual dispatch: C may override it.
template <typename C, typename B, typename E>
void InvokeInherited(void* object, const ListReader& arguments, std::uint16_t overload,
                     Through through, CallResult& result) {
  InvokeOverloads<B, E, typename E::CallHereOf>(*static_cast<C*>(object), arguments, overload,
                                                through.read_only, result);
}

template <typename C, typename E>
MemberInfo MemberInfoOf() {
  using Traits = MemberTraits<C, E>;
  MemberInfo info{.name = Traits::kName};
  if constexpr (Traits::kIsData) {
    using Member = typename Traits::Member;
    static_assert(
        kReachable<ValueOf<Member>>,
        "remoteobj: the type of this described member (Member here, or what it is made of) "
        "has no codec, so it cannot be sent to another process. Describe it with "
        "REMOTEOBJ_DESCRIBE, "
        "specialise remoteobj::Codec for it, or leave the member out.");
    static_assert(
        std::is_same_v<Stored<ValueOf<Member>>, ValueOf<Member>>,
        "remoteobj: this described data member (the E named here ends with its name) is a view of "
        "memory that something else owns: use std::string or std::vector, or describe a method "
        "that returns the view.");
    info.type = &TypeOf<std::remove_const_t<Member>>;
    info.address = [](void* object) -> void* {
      auto& member = static_cast<C*>(object)->*typename E::PointerTo{}(Tag<C>{});
      return const_cast<std::remove_const_t<Member>*>(std::addressof(member));
    };
    info.read_only = std::is_const_v<Member>;
  } else {
    info.invoke = &Invoke<C, E>;
    info.is_static = Traits::kIsStatic;
  }
  return info;
}

template <typename T>
const MemberTable& MemberInfosOf() {
  using Entries = typename DescriptionOf<T>::Entries;
  return transport_internal::MadeOnce([] {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return new const MemberTable(
          std::vector<MemberInfo>{MemberInfoOf<T, typename Entries::template At<I>>()...});
    }(std::make_index_sequence<Entries::kSize>());
  });
}

// True if C has the method E of its base with the parameters of `Parts`: C may hide or override it.
template <typename C, typename E, typename Parts>
constexpr bool kInherits = false;
template <typename C, typename E, typename Parts>
  requires requires { typename Parts::Arguments; }
constexpr bool kInherits<C, E, Parts> = []<typename... A>(TypeList<A...>) {
  return std::is_invocable_v<typename E::CallHereOf, C&, A...>;
}(typename Parts::Arguments{});

// Adds the methods that C inherits from its described base B, and from that one's bases.
template <typename C, typename B>
void AddInherited(std::vector<MemberInfo>& methods) {
  const auto add = [&]<typename E>(Tag<E>) {
    using Traits = MemberTraits<B, E>;
    if constexpr (Traits::kIsMethod) {
      constexpr bool kAll = []<typename... P>(TypeList<P...>) {
        return (kInherits<C, E, P> && ...);
      }(typename Traits::Overloads{});
      if constexpr (kAll) {
        methods.push_back({.name = Traits::kName, .invoke = &InvokeInherited<C, B, E>});
      }
    }
    return 0;
  };
  [&]<typename... E>(TypeList<E...>) {
    [[maybe_unused]] const int done[] = {0, add(Tag<E>{})...};
  }(typename DescriptionOf<B>::Entries{});
  [&]<typename... Base>(Bases<Base...>) {
    (AddInherited<C, Base>(methods), ...);
  }(typename DescriptionOf<B>::BaseTypes{});
}

template <typename C>
const MemberTable& InheritedMethodsOf() {
  return transport_internal::MadeOnce([] {
    std::vector<MemberInfo> all;
    [&]<typename... Base>(Bases<Base...>) {
      (AddInherited<C, Base>(all), ...);
    }(typename DescriptionOf<C>::BaseTypes{});
    return new const MemberTable(std::move(all));
  });
}

// Null where there are none, and for an abstract class: it may not have them.
template <typename C>
constexpr auto InheritedMethods() -> const MemberTable& (*)() {
  if constexpr (std::is_abstract_v<C> ||
                std::is_same_v<typename DescriptionOf<C>::BaseTypes, Bases<>>) {
    return nullptr;
  } else {
    return &InheritedMethodsOf<C>;
  }
}

template <typename T>
const std::vector<BaseInfo>& BaseInfosOf() {
  return transport_internal::MadeOnce([] {
    return []<typename... B>(Bases<B...>) {
      return new const std::vector<BaseInfo>{BaseInfo{
          .type = &TypeOf<B>,
          .cast = [](void* object) -> void* { return static_cast<B*>(static_cast<T*>(object)); },
          .inherited = InheritedMethods<B>()}...};
    }(typename DescriptionOf<T>::BaseTypes{});
  });
}

template <typename T>
void AddMapItems(TypeInfo& info) {
  using Key = typename T::key_type;
  info.item = [](void* object, const ValueReader& key, Next next) {
    T& map = *static_cast<T*>(object);
    const auto at = map.find(Decode<Key>(key));
    if (at == map.end()) throw std::out_of_range("no item " + key.DebugString());
    next(std::addressof(at->second), TypeOf<typename T::mapped_type>(), false);
  };
  if constexpr (kReceivable<typename T::mapped_type>) {
    info.set_item = [](void* object, const ValueReader& key, const ValueReader& value) {
      static_cast<T*>(object)->insert_or_assign(Decode<Key>(key),
                                                Decode<typename T::mapped_type>(value));
    };
  }
  info.delete_item = [](void* object, const ValueReader& key) {
    if (static_cast<T*>(object)->erase(Decode<Key>(key)) == 0) {
      throw std::out_of_range("no item " + key.DebugString());
    }
  };
  info.contains = [](const void* object, const ValueReader& key) {
    const T& map = *static_cast<const T*>(object);
    return map.find(Decode<Key>(key)) != map.end();
  };
}

[[noreturn]] void ThrowIndex(std::int64_t index, std::size_t size);

template <typename T>
std::size_t IndexIn(const T& sequence, const ValueReader& key) {
  const auto index = Decode<std::int64_t>(key);
  if (index < 0 || static_cast<std::uint64_t>(index) >= sequence.size()) {
    ThrowIndex(index, sequence.size());
  }
  return static_cast<std::size_t>(index);
}

template <typename T>
void AddSequenceItems(TypeInfo& info) {
  using Item = typename T::value_type;
  info.item = [](void* object, const ValueReader& key, Next next) {
    T& sequence = *static_cast<T*>(object);
    const std::size_t index = IndexIn(sequence, key);
    if constexpr (std::is_lvalue_reference_v<decltype(sequence[index])>) {
      next(std::addressof(sequence[index]), TypeOf<Item>(), false);
    } else {  // std::vector<bool>
      Item item = sequence[index];
      next(&item, TypeOf<Item>(), /*read_only=*/true);
    }
  };
  if constexpr (kReceivable<Item> && std::is_move_assignable_v<Item>) {
    info.set_item = [](void* object, const ValueReader& key, const ValueReader& value) {
      T& sequence = *static_cast<T*>(object);
      const std::size_t index = IndexIn(sequence, key);
      sequence[index] = Decode<Item>(value);
    };
  }
  if constexpr (std::is_move_assignable_v<Item> && requires(T& t) { t.erase(t.begin()); }) {
    info.delete_item = [](void* object, const ValueReader& key) {
      T& sequence = *static_cast<T*>(object);
      sequence.erase(sequence.begin() + static_cast<std::ptrdiff_t>(IndexIn(sequence, key)));
    };
  }
  if constexpr (kReceivable<Item> && std::equality_comparable<Item>) {
    info.contains = [](const void* object, const ValueReader& key) {
      const T& sequence = *static_cast<const T*>(object);
      return std::find(sequence.begin(), sequence.end(), Decode<Item>(key)) != sequence.end();
    };
  }
}

template <typename T>
TypeInfo MakeTypeInfo() {
  using V = ValueOf<T>;
  TypeInfo info{.name = &TypeName<T>};
  if constexpr (kSendable<V>) {
    info.encode = [](const void* object, ValueWriter out) {
      Encode<V>(Load(*static_cast<const T*>(object)), out);
    };
  }
  if constexpr (kIsAtomic<T>) {
    info.assign = [](void* object, const ValueReader& value) {
      static_cast<T*>(object)->store(Decode<V>(value));
    };
  } else if constexpr (std::is_move_assignable_v<T> && kReceivable<T> &&
                       requires(const ValueReader& in) { Codec<T>::Decode(in); }) {
    info.assign = [](void* object, const ValueReader& value) {
      *static_cast<T*>(object) = Decode<T>(value);
    };
  }
  if constexpr (MapItems<T>) AddMapItems<T>(info);
  if constexpr (SequenceItems<T>) AddSequenceItems<T>(info);
  if constexpr (transport_internal::SetLike<T>) {
    info.contains = [](const void* object, const ValueReader& key) {
      const T& set = *static_cast<const T*>(object);
      return set.find(Decode<typename T::value_type>(key)) != set.end();
    };
  }
  if constexpr (requires(const T& t) {
                  { t.size() } -> std::convertible_to<std::size_t>;
                }) {
    info.length = [](const void* object) -> std::size_t {
      return static_cast<const T*>(object)->size();
    };
  }
  if constexpr (PointerLike<T>) {
    info.present = [](const void* object) {
      return static_cast<bool>(*static_cast<const T*>(object));
    };
    info.remove = [](void* object) { static_cast<T*>(object)->reset(); };
    using Target = std::remove_cvref_t<decltype(*std::declval<T&>())>;
    if constexpr (HasMembers<Target>) {
      info.target = [](void* object, bool read_only, Next next) {
        auto& target = **static_cast<T*>(object);
        // An optional that is const holds what is const; a pointer points to what its type says.
        using Seen = std::remove_reference_t<decltype(*std::declval<const T&>())>;
        next(const_cast<Target*>(std::addressof(target)), TypeOf<Target>(),
             std::is_const_v<std::remove_reference_t<decltype(target)>> ||
                 (read_only && std::is_const_v<Seen>));
      };
    }
  }
  if constexpr (HasMembers<T>) {
    info.members = &MemberInfosOf<T>;
    info.bases = &BaseInfosOf<T>;
  }
  return info;
}

template <typename T>
const TypeInfo& TypeOf() {
  return transport_internal::MadeOnce([] { return new const TypeInfo(MakeTypeInfo<T>()); });
}

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_TYPE_INFO_OF_H_
