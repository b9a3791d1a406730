// SPDX-License-Identifier: MIT
//
// How a C++ type travels: what a Codec is, and the codecs of numbers, enums and strings. The codecs
// of containers and of the standard library's and Abseil's other types are in codec_containers.h,
// codec_absl.h and codec_chrono.h; codec.h has all of them, and says how to add one.
//
// Threads:  no state.
// Errors:   as codec.h.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_CODEC_BASE_H_
#define REMOTEOBJ_TRANSPORT_WIRE_CODEC_BASE_H_

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/string_view.h"
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

// Throws `error`, of the part `[index]` of the value that is being encoded, or of an argument.
[[noreturn, gnu::noinline]] inline void ThrowInElement(const BadValue& error, std::size_t index) {
  throw error.Within("[" + std::to_string(index) + "]");
}
[[noreturn, gnu::noinline]] inline void ThrowInArgument(const BadValue& error, std::size_t index) {
  throw error.Within("", "argument " + std::to_string(index));
}

// A 128 bit integer, which some dialects count among the integrals, has no codec.
template <typename T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && sizeof(T) <= sizeof(std::int64_t);

template <typename T>
constexpr bool kIsNumber = Integer<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

// Encode<T> does not throw BadValue.
template <typename T>
constexpr bool kNeverRefused = kIsNumber<T> || std::is_same_v<T, bool> || std::is_enum_v<T>;

// Encodes a part of a value. If that throws BadValue, calls `refused`, which throws it again with
// the place of the part.
template <typename T, typename Refused>
void EncodePart(const T& value, ValueWriter out, Refused&& refused) {
  if constexpr (kNeverRefused<T>) {
    Encode<T>(value, out);
  } else {
    try {
      Encode<T>(value, out);
    } catch (const BadValue& e) {
      refused(e);
    }
  }
}
template <typename T>
void EncodeElement(const T& value, ValueWriter out, std::size_t index) {
  EncodePart<T>(value, out, [index](const BadValue& e) { ThrowInElement(e, index); });
}
template <typename T>
void EncodeArgument(const T& value, ValueWriter out, std::size_t index) {
  EncodePart<T>(value, out, [index](const BadValue& e) { ThrowInArgument(e, index); });
}

// Writes the arguments of one operation, the first at `from`.
template <typename... T>
void EncodeArguments(const ListWriter& out, std::size_t from, const T&... values) {
  [[maybe_unused]] std::size_t i = 0;
  ((EncodeArgument<T>(values, out[from + i], i), ++i), ...);
}

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

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_CODEC_BASE_H_
