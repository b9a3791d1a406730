// SPDX-License-Identifier: MIT
//
// The type of which a value is stored and sent: text and arrays for views of them.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_STORED_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_STORED_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"

namespace remoteobj::transport_internal {

template <typename T>
struct StoredAs {
  using type = T;
};
template <>
struct StoredAs<std::string_view> {
  using type = std::string;
};
template <>
struct StoredAs<const char*> {
  using type = std::string;
};
template <>
struct StoredAs<char*> {
  using type = std::string;
};
template <typename T, std::size_t N>
struct StoredAs<std::span<const T, N>> {
  using type = std::vector<T>;
};
template <typename T>
  requires(std::is_same_v<T, absl::string_view> && !std::is_same_v<T, std::string_view>)
struct StoredAs<T> {
  using type = std::string;
};
template <typename T>
using Stored = typename StoredAs<std::decay_t<T>>::type;

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_STORED_H_
