// SPDX-License-Identifier: MIT
//
// Iterations, and initial contents as an argument, for the proxies of containers (Dict, List, Set,
// Array, Value, Namespace).
#ifndef REMOTEOBJ_MANAGER_INTERNAL_CONTAINERS_H_
#define REMOTEOBJ_MANAGER_INTERNAL_CONTAINERS_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "remoteobj/manager/elements.h"
#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/attachments.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

// The number of items that an iteration gets by one call.
inline constexpr std::size_t kChunk = 256;

// T can be sent to another process and back.
template <typename T>
constexpr bool kStorable = proxy_internal::kSendable<T> && proxy_internal::kReceivable<T>;

// The values of a list or an array, slice by slice.
template <typename T, typename Object>
Chunks<T> ChunksOfSlices(Object object, std::size_t chunk_size) {
  return Chunks<T>(
      chunk_size, [object = std::move(object), at = std::int64_t{0}](std::size_t count) mutable {
        std::vector<T> values = object->slice(at, at + static_cast<std::int64_t>(count));
        at += static_cast<std::int64_t>(values.size());
        return values;
      });
}

// The values of a dictionary or a set in their order. `key_of` returns the key of a value. Each
// chunk begins after the last key of the chunk before.
template <typename T, typename Keys, typename Object, typename KeyOf>
Chunks<T> ChunksBehindKeys(Object object, std::size_t chunk_size, KeyOf key_of) {
  return Chunks<T>(chunk_size, [object = std::move(object), key_of, size = std::uint64_t{0},
                                after = Keys()](std::size_t count) mutable {
    auto [size_now, values] = object->chunk(after, size, count);
    if (!values.empty()) after = {key_of(values.back())};
    size = size_now;
    return std::move(values);
  });
}

// A list of arguments, to make an object of. Objects of this process in it go by `offers`.
template <typename T>
AnyValue OneArgument(const T& argument, Attachments& offers) {
  return AnyValue(
      [&](ValueWriter out) {
        const ListWriter list = out.List(1);
        Encode<T>(argument, list[0]);
      },
      offers);
}

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_CONTAINERS_H_
