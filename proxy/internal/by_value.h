// SPDX-License-Identifier: MIT
//
// Tests at compile time if a type can travel by value. Having a codec is not enough: a
// std::unique_ptr<T> has one, which needs T's. A type that can't travel as a whole, such as one
// that can't be copied, can still be walked into: a std::vector<std::unique_ptr<Camera>> of
// described Cameras is reached camera by camera.
#ifndef REMOTEOBJ_PROXY_INTERNAL_BY_VALUE_H_
#define REMOTEOBJ_PROXY_INTERNAL_BY_VALUE_H_

#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "remoteobj/proxy/internal/description.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/stored.h"

namespace remoteobj::proxy_internal {

using transport_internal::Stored;

// Views of memory that belongs to something else, such as std::string_view, have none.
template <typename T>
concept HasDecode = requires(const ValueReader& in) { Codec<T>::Decode(in); };

template <typename T>
concept PointerLike = requires(T& t) {
  static_cast<bool>(t);
  *t;
  t.reset();
};

// The types that a type with a codec is made of.
template <typename T>
struct PartsOf {
  using type = std::tuple<>;
};
template <typename T>
struct PartsOf<std::optional<T>> {
  using type = std::tuple<T>;
};
template <typename T>
struct PartsOf<std::unique_ptr<T>> {
  using type = std::tuple<T>;
};
template <typename T>
struct PartsOf<absl::StatusOr<T>> {
  using type = std::tuple<T>;
};
template <typename T, std::size_t N>
struct PartsOf<std::array<T, N>> {
  using type = std::tuple<T>;
};
template <typename A, typename B>
struct PartsOf<std::pair<A, B>> {
  using type = std::tuple<A, B>;
};
template <typename... T>
struct PartsOf<std::tuple<T...>> {
  using type = std::tuple<T...>;
};
template <typename... T>
struct PartsOf<std::variant<T...>> {
  using type = std::tuple<T...>;
};
template <transport_internal::MapLike T>
struct PartsOf<T> {
  using type = std::tuple<typename T::key_type, typename T::mapped_type>;
};
template <typename T>
  requires(transport_internal::SequenceLike<T> || transport_internal::SetLike<T>)
struct PartsOf<T> {
  using type = std::tuple<typename T::value_type>;
};

enum class Way {
  kSend,
  kReceive,
  kReach,  // The whole, or piece by piece.
};

// `Seen` are the described classes around T, in which it may occur again.
template <Way way, typename T, typename... Seen>
constexpr bool Travels() {
  if constexpr ((std::is_same_v<T, Seen> || ...)) {
    return true;
  } else if constexpr (way == Way::kReach && Described<T>) {
    return true;
  } else if constexpr (way == Way::kReach && PointerLike<T>) {
    return Travels<way, std::remove_cvref_t<decltype(*std::declval<T&>())>, Seen...>();
  } else if constexpr (!HasCodec<T>) {
    return false;
  } else if constexpr (way == Way::kReceive &&
                       (!std::is_move_constructible_v<T> || !HasDecode<T>)) {
    return false;
  } else if constexpr (Described<T>) {
    if constexpr (way == Way::kReceive && !std::is_default_constructible_v<T>) return false;
    bool all = true;
    ForEachDataMember<T>([&]<typename C, typename E>(Tag<C>, Tag<E>) {
      all = all && Travels<way, ValueOf<typename MemberTraits<C, E>::Member>, Seen..., T>();
    });
    return all;
  } else {
    return []<typename... P>(Tag<std::tuple<P...>>) {
      return (Travels<way, std::remove_cv_t<P>, Seen...>() && ...);
    }(Tag<typename PartsOf<T>::type>{});
  }
}

// Deep, and computed once for each type. Not before the description of T is complete.
template <typename T>
constexpr bool kSendable = Travels<Way::kSend, T>();
template <typename T>
constexpr bool kReceivable = Travels<Way::kReceive, T>();
template <typename T>
constexpr bool kReachable = Travels<Way::kReach, T>();

}  // namespace remoteobj::proxy_internal

#endif  // REMOTEOBJ_PROXY_INTERNAL_BY_VALUE_H_
