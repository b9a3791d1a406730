// SPDX-License-Identifier: MIT
//
// The codecs of the standard library's containers, and of all types with the interface of a
// standard sequence, set or map; of optional, unique_ptr, pair, tuple, variant, array and span.
//
// Numbers in a vector or array travel contiguously, everything else element by element.
//
// Threads:  no state.
// Errors:   as codec.h.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_CODEC_CONTAINERS_H_
#define REMOTEOBJ_TRANSPORT_WIRE_CODEC_CONTAINERS_H_

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec_base.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

namespace transport_internal {

template <typename T>
concept Container = !Described<T> && requires(T t, const T& c) {
  typename T::value_type;
  { c.size() } -> std::convertible_to<std::size_t>;
  c.begin() != c.end();
  t.clear();
};

template <typename T>
concept MapLike = Container<T> && requires {
  typename T::key_type;
  typename T::mapped_type;
};

template <typename T>
concept SetLike = Container<T> && requires(T t, typename T::value_type v) {
  typename T::key_type;
  t.insert(std::move(v));
} && !MapLike<T>;

template <typename T>
concept SequenceLike = Container<T> && requires(T t, typename T::value_type v) {
  t.push_back(std::move(v));
} && !MapLike<T> && !SetLike<T> && !std::is_convertible_v<const T&, std::string_view>;

// An encoded T may be null, so that a null around it would be ambiguous.
template <typename T>
constexpr bool kNullable = std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::monostate>;
template <typename T>
constexpr bool kNullable<std::optional<T>> = true;
template <typename T>
constexpr bool kNullable<std::unique_ptr<T>> = true;

template <typename T>
void EncodeNumbers(std::span<const T> numbers, ValueWriter out) {
  out.Array(ElementOf<T>(), std::as_bytes(numbers));
}

// Takes elements as they lie in memory, at its end.
template <typename T>
concept Appendable = requires(T t, const typename T::value_type* element) {
  t.reserve(std::size_t{1});
  t.insert(t.end(), element, element);
};

// Tells the kernel that fresh memory is about to be filled. In a large vector the faults for one
// small page after the other cost more than the copying.
void ExpectToFill(void* memory, std::size_t bytes);

// Reads `size` bytes of elements that lie contiguously: each_piece(read) calls `read` with them.
template <typename T, typename EachPiece>
T DecodeContiguous(std::size_t size, EachPiece&& each_piece) {
  using Element = typename T::value_type;
  T out;
  if constexpr (Appendable<T>) {
    // Not resized first, which would write everything twice.
    out.reserve(size / sizeof(Element));
    ExpectToFill(out.data(), size);
    each_piece([&](std::span<const std::byte> piece) {
      const auto* first = reinterpret_cast<const Element*>(piece.data());
      out.insert(out.end(), first, first + piece.size() / sizeof(Element));
    });
  } else {
    out.resize(size / sizeof(Element));
    std::span<std::byte> rest = std::as_writable_bytes(std::span(out.data(), out.size()));
    each_piece([&](std::span<const std::byte> piece) {
      const std::size_t n = std::min(piece.size(), rest.size());
      std::copy_n(piece.begin(), n, rest.begin());
      rest = rest.subspan(n);
    });
  }
  return out;
}

// A thing that may be absent: null, or the thing (in a list, where the thing itself may be null).
template <typename T, typename Pointer>
void EncodeMaybe(const Pointer& value, ValueWriter out) {
  if constexpr (kNullable<T>) {
    ListWriter list = out.List(value ? 1 : 0);
    if (value) Encode<T>(*value, list[0]);
  } else if (value) {
    Encode<T>(*value, out);
  } else {
    out.Null();
  }
}

template <typename T>
std::optional<T> DecodeMaybe(const ValueReader& in) {
  if constexpr (kNullable<T>) {
    const ListReader list = in.AsList();
    if (list.size() > 1) in.Fail("a list of at most one");
    if (list.size() == 0) return std::nullopt;
    return Decode<T>(list[0]);
  } else {
    if (in.kind() == ValueKind::kNull) return std::nullopt;
    return Decode<T>(in);
  }
}

// A key of a map, for people.
template <typename Key>
std::string KeyText(const Key& key) {
  if constexpr (std::is_convertible_v<const Key&, std::string_view>) {
    return "\"" + std::string(std::string_view(key)) + "\"";
  } else if constexpr (Integer<Key>) {
    return std::to_string(key);
  } else {
    return "...";
  }
}

template <typename Tuple, std::size_t... I>
void EncodeTuple(const Tuple& value, ValueWriter out, std::index_sequence<I...>) {
  [[maybe_unused]] ListWriter list = out.List(sizeof...(I));
  (EncodeElement<std::tuple_element_t<I, Tuple>>(std::get<I>(value), list[I], I), ...);
}

template <typename Tuple, std::size_t... I>
Tuple DecodeTuple(const ValueReader& in, std::index_sequence<I...>) {
  const ListReader list = in.AsList();
  if (list.size() != sizeof...(I)) in.Fail("a list of " + std::to_string(sizeof...(I)));
  return Tuple{Decode<std::tuple_element_t<I, Tuple>>(list[I])...};
}

}  // namespace transport_internal

template <typename T>
  requires std::same_as<T, std::nullptr_t> || std::same_as<T, std::monostate>
struct Codec<T> {
  static void Encode(T, ValueWriter out) { out.Null(); }
  static T Decode(const ValueReader& in) {
    in.AsNull();
    return T{};
  }
};

template <typename T>
struct Codec<std::optional<T>> {
  static void Encode(const std::optional<T>& value, ValueWriter out) {
    transport_internal::EncodeMaybe<T>(value, out);
  }
  static std::optional<T> Decode(const ValueReader& in) {
    return transport_internal::DecodeMaybe<T>(in);
  }
};

template <typename T>
struct Codec<std::unique_ptr<T>> {
  static void Encode(const std::unique_ptr<T>& value, ValueWriter out) {
    transport_internal::EncodeMaybe<T>(value, out);
  }
  static std::unique_ptr<T> Decode(const ValueReader& in) {
    std::optional<T> value = transport_internal::DecodeMaybe<T>(in);
    return value ? std::make_unique<T>(*std::move(value)) : nullptr;
  }
};

template <typename A, typename B>
struct Codec<std::pair<A, B>> {
  static void Encode(const std::pair<A, B>& value, ValueWriter out) {
    transport_internal::EncodeTuple(value, out, std::make_index_sequence<2>());
  }
  static std::pair<A, B> Decode(const ValueReader& in) {
    return transport_internal::DecodeTuple<std::pair<A, B>>(in, std::make_index_sequence<2>());
  }
};

template <typename... T>
struct Codec<std::tuple<T...>> {
  static void Encode(const std::tuple<T...>& value, ValueWriter out) {
    transport_internal::EncodeTuple(value, out, std::index_sequence_for<T...>());
  }
  static std::tuple<T...> Decode(const ValueReader& in) {
    return transport_internal::DecodeTuple<std::tuple<T...>>(in, std::index_sequence_for<T...>());
  }
};

// The index of the alternative, then the alternative.
template <typename... T>
struct Codec<std::variant<T...>> {
  using Variant = std::variant<T...>;

  static void Encode(const Variant& value, ValueWriter out) {
    if (value.valueless_by_exception()) throw BadValue("a variant that is valueless_by_exception");
    ListWriter list = out.List(2);
    list[0].UInt(value.index());
    std::visit([&](const auto& v) { remoteobj::Encode(v, list[1]); }, value);
  }

  static Variant Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    if (list.size() != 2) in.Fail("a list of two: which alternative, and its value");
    const std::size_t index = list[0].AsUInt(sizeof...(T) - 1);
    return DecodeAs(index, list[1], std::index_sequence_for<T...>());
  }

 private:
  template <std::size_t... I>
  static Variant DecodeAs(std::size_t index, const ValueReader& in, std::index_sequence<I...>) {
    using Function = Variant (*)(const ValueReader&);
    static constexpr Function kDecode[] = {[](const ValueReader& value) {
      return Variant(std::in_place_index<I>,
                     remoteobj::Decode<std::variant_alternative_t<I, Variant>>(value));
    }...};
    return kDecode[index](in);
  }
};

template <transport_internal::SequenceLike T>
struct Codec<T> {
  using Element = typename T::value_type;
  static constexpr bool kContiguous =
      transport_internal::kIsNumber<Element> && requires(const T& t) { t.data(); };
  static constexpr bool kBits = std::is_same_v<Element, bool>;
  static constexpr bool kBytes = std::is_same_v<Element, std::byte> && requires(T& t) { t.data(); };

  static void Encode(const T& value, ValueWriter out) {
    if constexpr (kContiguous) {
      transport_internal::EncodeNumbers<Element>(std::span(value.data(), value.size()), out);
    } else if constexpr (kBytes) {
      out.Data(std::span(value.data(), value.size()));
    } else if constexpr (kBits) {
      const std::vector<std::uint8_t> bytes(value.begin(), value.end());
      out.Array(ElementType::kBool, std::as_bytes(std::span(bytes)));
    } else {
      ListWriter list = out.List(value.size());
      std::size_t i = 0;
      for (const auto& element : value) {
        transport_internal::EncodeElement<Element>(element, list[i], i);
        ++i;
      }
    }
  }

  static T Decode(const ValueReader& in) {
    if constexpr (kContiguous) {
      // A sender without the type may have sent a list.
      if (in.kind() == ValueKind::kList) return DecodeEach(in);
      constexpr ElementType kType = transport_internal::ElementOf<Element>();
      return transport_internal::DecodeContiguous<T>(
          in.ArrayBytes(kType), [&](auto read) { in.EachArrayPiece(kType, read); });
    } else if constexpr (kBytes) {
      return transport_internal::DecodeContiguous<T>(in.DataBytes(),
                                                     [&](auto read) { in.EachDataPiece(read); });
    } else if constexpr (kBits) {
      T out;
      std::vector<std::uint8_t> bytes(in.ArrayBytes(ElementType::kBool));
      in.CopyArray(ElementType::kBool, std::as_writable_bytes(std::span(bytes)));
      for (std::uint8_t byte : bytes) out.push_back(byte != 0);
      return out;
    } else {
      return DecodeEach(in);
    }
  }

 private:
  static T DecodeEach(const ValueReader& in) {
    const ListReader list = in.AsList();
    T out;
    if constexpr (requires { out.reserve(1); }) {
      // A sender can claim many elements in few bytes: only so much before they are seen.
      out.reserve(std::min(list.size(), 1 + (std::size_t{1} << 20) / sizeof(Element)));
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      out.push_back(remoteobj::Decode<Element>(list[i]));
    }
    return out;
  }
};

template <typename T, std::size_t N>
struct Codec<std::array<T, N>> {
  static void Encode(const std::array<T, N>& value, ValueWriter out) {
    if constexpr (transport_internal::kIsNumber<T>) {
      transport_internal::EncodeNumbers<T>(std::span<const T>(value), out);
    } else if constexpr (std::is_same_v<T, std::byte>) {
      out.Data(value);
    } else {
      ListWriter list = out.List(N);
      for (std::size_t i = 0; i < N; ++i) {
        transport_internal::EncodeElement<T>(value[i], list[i], i);
      }
    }
  }

  static std::array<T, N> Decode(const ValueReader& in) {
    if constexpr (transport_internal::kIsNumber<T>) {
      if (in.kind() == ValueKind::kList) return DecodeNumbers(in);
      constexpr ElementType kType = transport_internal::ElementOf<T>();
      if (in.ArrayBytes(kType) != N * sizeof(T)) in.Fail("an array of " + std::to_string(N));
      std::array<T, N> out;
      in.CopyArray(kType, std::as_writable_bytes(std::span<T>(out)));
      return out;
    } else if constexpr (std::is_same_v<T, std::byte>) {
      if (in.DataBytes() != N) in.Fail("data of " + std::to_string(N) + " bytes");
      std::array<T, N> out;
      in.CopyData(out);
      return out;
    } else {
      const ListReader list = ListOf(in);
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::array<T, N>{remoteobj::Decode<T>(list[I])...};
      }(std::make_index_sequence<N>());
    }
  }

 private:
  static ListReader ListOf(const ValueReader& in) {
    const ListReader list = in.AsList();
    if (list.size() != N) in.Fail("a list of " + std::to_string(N));
    return list;
  }

  static std::array<T, N> DecodeNumbers(const ValueReader& in) {
    const ListReader list = ListOf(in);
    std::array<T, N> out;
    for (std::size_t i = 0; i < N; ++i) out[i] = remoteobj::Decode<T>(list[i]);
    return out;
  }
};

// Spans can be sent; what arrives is a std::vector.
template <typename T, std::size_t N>
struct Codec<std::span<T, N>> {
  using Element = std::remove_const_t<T>;
  static void Encode(std::span<T, N> value, ValueWriter out) {
    if constexpr (transport_internal::kIsNumber<Element>) {
      transport_internal::EncodeNumbers<Element>(value, out);
    } else if constexpr (std::is_same_v<Element, bool>) {
      out.Array(ElementType::kBool, std::as_bytes(value));
    } else if constexpr (std::is_same_v<Element, std::byte>) {
      out.Data(value);
    } else {
      ListWriter list = out.List(value.size());
      for (std::size_t i = 0; i < value.size(); ++i) {
        transport_internal::EncodeElement<Element>(value[i], list[i], i);
      }
    }
  }
};

template <transport_internal::SetLike T>
struct Codec<T> {
  using Element = typename T::value_type;

  static void Encode(const T& value, ValueWriter out) {
    ListWriter list = out.List(value.size());
    std::size_t i = 0;
    for (const auto& element : value) {
      transport_internal::EncodeElement<Element>(element, list[i], i);
      ++i;
    }
  }

  static T Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    T out;
    for (std::size_t i = 0; i < list.size(); ++i) out.insert(remoteobj::Decode<Element>(list[i]));
    if (out.size() != list.size()) in.Fail("elements that differ from one another");
    return out;
  }
};

template <transport_internal::MapLike T>
struct Codec<T> {
  using Key = typename T::key_type;
  using Mapped = typename T::mapped_type;

  static void Encode(const T& value, ValueWriter out) {
    MapWriter map = out.Map(value.size());
    std::size_t i = 0;
    for (const auto& entry : value) {
      transport_internal::EncodePart<Key>(entry.first, map.Key(i), [i](const BadValue& e) {
        throw e.Within(".keys()[" + std::to_string(i) + "]");
      });
      transport_internal::EncodePart<Mapped>(entry.second, map.Value(i), [&](const BadValue& e) {
        throw e.Within("[" + transport_internal::KeyText(entry.first) + "]");
      });
      ++i;
    }
  }

  static T Decode(const ValueReader& in) {
    const MapReader map = in.AsMap();
    T out;
    for (std::size_t i = 0; i < map.size(); ++i) {
      Key key = remoteobj::Decode<Key>(map.Key(i));
      out.emplace(std::move(key), remoteobj::Decode<Mapped>(map.Value(i)));
    }
    if (out.size() != map.size()) in.Fail("keys that differ from one another");
    return out;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_CODEC_CONTAINERS_H_
