// SPDX-License-Identifier: MIT
//
// How a C++ type travels: Codec<T> writes it into a Value and reads it back.
//
//   template <>
//   struct remoteobj::Codec<Vec3> {
//     static void Encode(const Vec3& v, ValueWriter out) {
//       remoteobj::Encode(std::array{v.x, v.y, v.z}, out);
//     }
//     static Vec3 Decode(const ValueReader& in) {
//       auto [x, y, z] = remoteobj::Decode<std::array<double, 3>>(in);
//       return {x, y, z};
//     }
//   };
//
// There already: bool, integers, enums, float, double, strings; optional, variant, pair, tuple,
// unique_ptr; every container with the interface of a standard sequence, set or map (so
// absl::flat_hash_map, too); absl::Time, Duration, Status, StatusOr; std::chrono durations and
// system_clock time points. A described class travels as its described data members (see
// remoteobj/proxy/describe.h).
//
// Numbers in a vector or array travel contiguously, everything else element by element. A vector or
// array of numbers can be read from a list of numbers that fit, too.
//
// Threads:  no state.
// Errors:   Decode throws BadValue, which names what was expected, what came, and where. Numbers
//           that do not fit are refused, never wrapped or rounded.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_CODEC_H_
#define REMOTEOBJ_TRANSPORT_WIRE_CODEC_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

template <typename T>
struct Codec;

// Names a class to argument-dependent lookup: RemoteobjDescribe(Tag<T>) is T's description.
template <typename T>
struct Tag {
  using type = T;
};

// T has a description made by REMOTEOBJ_DESCRIBE.
template <typename T>
concept Described = requires { RemoteobjDescribe(Tag<T>{}); };

// T has a Codec.
template <typename T>
concept HasCodec = requires { sizeof(Codec<T>); };

// T can be sent and received by value.
template <typename T>
concept Codable = requires(const T& value, ValueWriter out, const ValueReader& in) {
  Codec<T>::Encode(value, out);
  { Codec<T>::Decode(in) } -> std::convertible_to<T>;
};

// Writes a value.
template <typename T>
void Encode(const T& value, ValueWriter out) {
  static_assert(
      requires { sizeof(Codec<T>); },
      "remoteobj: this type (the T named here) has no codec, so it cannot be sent to "
      "another process. Describe it with REMOTEOBJ_DESCRIBE(T, members...), or specialise "
      "remoteobj::Codec<T>. Pointers, references, mutexes, threads and file handles mean "
      "nothing in another process.");
  Codec<T>::Encode(value, out);
}

// Reads a value. Throws BadValue if what came is not a T.
template <typename T>
T Decode(const ValueReader& in) {
  static_assert(
      requires { sizeof(Codec<T>); },
      "remoteobj: this type (the T named here) has no codec, so it cannot be received "
      "from another process. Describe it with REMOTEOBJ_DESCRIBE(T, members...), or "
      "specialise remoteobj::Codec<T>.");
  return Codec<T>::Decode(in);
}

namespace transport_internal {

// A 128 bit integer, which some dialects count among the integrals, has no codec.
template <typename T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && sizeof(T) <= sizeof(std::int64_t);

template <typename T>
constexpr bool kIsNumber = Integer<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

template <typename T>
constexpr ElementType ElementOf() {
  if constexpr (std::is_same_v<T, bool>) {
    return ElementType::kBool;
  } else if constexpr (std::is_same_v<T, float>) {
    return ElementType::kFloat32;
  } else if constexpr (std::is_same_v<T, double>) {
    return ElementType::kFloat64;
  } else if constexpr (std::is_same_v<T, char>) {
    return ElementType::kInt8;  // Also where char is unsigned: the bytes are the same.
  } else {
    constexpr int kLog = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return static_cast<ElementType>(2 * kLog + (std::is_signed_v<T> ? 0 : 1));
  }
}

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

// Tells the kernel that fresh memory is about to be filled. Of a large vector the faults for one
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

template <typename Tuple, std::size_t... I>
void EncodeTuple(const Tuple& value, ValueWriter out, std::index_sequence<I...>) {
  [[maybe_unused]] ListWriter list = out.List(sizeof...(I));
  (Encode<std::tuple_element_t<I, Tuple>>(std::get<I>(value), list[I]), ...);
}

template <typename Tuple, std::size_t... I>
Tuple DecodeTuple(const ValueReader& in, std::index_sequence<I...>) {
  const ListReader list = in.AsList();
  if (list.size() != sizeof...(I)) in.Fail("a list of " + std::to_string(sizeof...(I)));
  return Tuple{Decode<std::tuple_element_t<I, Tuple>>(list[I])...};
}

}  // namespace transport_internal

template <>
struct Codec<bool> {
  static void Encode(bool value, ValueWriter out) { out.Bool(value); }
  static bool Decode(const ValueReader& in) { return in.AsBool(); }
};

template <transport_internal::Integer T>
struct Codec<T> {
  static void Encode(T value, ValueWriter out) {
    if constexpr (std::is_signed_v<T>) {
      out.Int(value);
    } else {
      out.UInt(value);
    }
  }
  static T Decode(const ValueReader& in) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(in.AsInt(Limits::min(), Limits::max()));
    } else {
      return static_cast<T>(in.AsUInt(Limits::max()));
    }
  }
};

template <typename T>
  requires std::is_enum_v<T>
struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static void Encode(T value, ValueWriter out) {
    Codec<Number>::Encode(static_cast<Number>(value), out);
  }
  static T Decode(const ValueReader& in) { return static_cast<T>(Codec<Number>::Decode(in)); }
};

template <>
struct Codec<double> {
  static void Encode(double value, ValueWriter out) { out.Float(value); }
  static double Decode(const ValueReader& in) { return in.AsFloat(); }
};

template <>
struct Codec<float> {
  static void Encode(float value, ValueWriter out) { out.Float(value); }
  static float Decode(const ValueReader& in) {
    const double value = in.AsFloat();
    if (std::isnan(value)) return std::numeric_limits<float>::quiet_NaN();
    if (std::isfinite(value) && std::abs(value) > std::numeric_limits<float>::max()) {
      in.Fail("a number that a float can hold");
    }
    const float narrow = static_cast<float>(value);
    if (narrow != value) in.Fail("a number that a float can hold");
    return narrow;
  }
};

template <>
struct Codec<std::string> {
  static void Encode(const std::string& value, ValueWriter out) { out.Text(value); }
  static std::string Decode(const ValueReader& in) { return in.AsText(); }
};

// Views can be sent; what arrives is a std::string.
template <typename T>
  requires std::same_as<T, std::string_view> || std::same_as<T, absl::string_view>
struct Codec<T> {
  static void Encode(T value, ValueWriter out) {
    out.Text(std::string_view(value.data(), value.size()));
  }
};

template <>
struct Codec<const char*> {
  static void Encode(const char* value, ValueWriter out) {
    if (value == nullptr) throw BadValue("a const char* that is null");
    out.Text(value);
  }
};

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
      for (const auto& element : value) remoteobj::Encode<Element>(element, list[i++]);
    }
  }

  static T Decode(const ValueReader& in) {
    if constexpr (kContiguous) {
      // A sender that does not know the type may have made a list of them.
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
      for (std::size_t i = 0; i < N; ++i) remoteobj::Encode<T>(value[i], list[i]);
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
      for (std::size_t i = 0; i < value.size(); ++i) remoteobj::Encode<Element>(value[i], list[i]);
    }
  }
};

template <transport_internal::SetLike T>
struct Codec<T> {
  using Element = typename T::value_type;

  static void Encode(const T& value, ValueWriter out) {
    ListWriter list = out.List(value.size());
    std::size_t i = 0;
    for (const auto& element : value) remoteobj::Encode<Element>(element, list[i++]);
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
    for (const auto& [key, mapped] : value) {
      remoteobj::Encode<Key>(key, map.Key(i));
      remoteobj::Encode<Mapped>(mapped, map.Value(i));
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

// Whole seconds and quarters of a nanosecond, as absl has them; infinite ones as infinite floats.
template <>
struct Codec<absl::Duration> {
  static void Encode(absl::Duration value, ValueWriter out);
  static absl::Duration Decode(const ValueReader& in);
};

// The duration since the Unix epoch.
template <>
struct Codec<absl::Time> {
  static void Encode(absl::Time value, ValueWriter out) {
    Codec<absl::Duration>::Encode(value - absl::UnixEpoch(), out);
  }
  static absl::Time Decode(const ValueReader& in) {
    return absl::UnixEpoch() + Codec<absl::Duration>::Decode(in);
  }
};

// The code, the message, and the payloads if there are any.
template <>
struct Codec<absl::Status> {
  static void Encode(const absl::Status& value, ValueWriter out);
  static absl::Status Decode(const ValueReader& in);
};

// A list: the status, and the value if it is OK.
template <typename T>
struct Codec<absl::StatusOr<T>> {
  static void Encode(const absl::StatusOr<T>& value, ValueWriter out) {
    ListWriter list = out.List(value.ok() ? 2 : 1);
    Codec<absl::Status>::Encode(value.status(), list[0]);
    if (value.ok()) remoteobj::Encode<T>(*value, list[1]);
  }
  static absl::StatusOr<T> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    constexpr std::string_view kExpected = "a list: a status, and the value if it is OK";
    if (list.size() == 0) in.Fail(kExpected);
    absl::Status status = Codec<absl::Status>::Decode(list[0]);
    if (list.size() != (status.ok() ? 2 : 1)) in.Fail(kExpected);
    if (!status.ok()) return status;
    return remoteobj::Decode<T>(list[1]);
  }
};

template <typename Rep, typename Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  using Duration = std::chrono::duration<Rep, Period>;
  static void Encode(Duration value, ValueWriter out) {
    remoteobj::Encode<Rep>(value.count(), out);
  }
  static Duration Decode(const ValueReader& in) { return Duration(remoteobj::Decode<Rep>(in)); }
};

template <typename Duration>
struct Codec<std::chrono::time_point<std::chrono::system_clock, Duration>> {
  using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;
  static void Encode(Time value, ValueWriter out) {
    Codec<Duration>::Encode(value.time_since_epoch(), out);
  }
  static Time Decode(const ValueReader& in) { return Time(Codec<Duration>::Decode(in)); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_CODEC_H_
