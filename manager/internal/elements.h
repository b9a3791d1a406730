// SPDX-License-Identifier: MIT
//
// Many values in one message, and iterations in chunks.
//
//   Elements<int> numbers = {1, 2, 3};                   // a std::vector<int>
//   Elements<int> more = a_set_of_numbers;               // of any range
//   for (const T& item : Chunks<T>(100, [=](std::size_t count) { return NextOnes(count); })) ...
//
// Threads:  values; a Chunks belongs to one thread.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_ELEMENTS_H_
#define REMOTEOBJ_MANAGER_INTERNAL_ELEMENTS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

// The number of items that an iteration gets by one call.
inline constexpr std::size_t kChunk = 256;

// T can be sent to another process and back.
template <typename T>
constexpr bool kStorable = proxy_internal::kSendable<T> && proxy_internal::kReceivable<T>;

template <typename R, typename T>
concept RangeOf =
    std::ranges::input_range<R> && std::convertible_to<std::ranges::range_reference_t<R>, T>;

// A std::vector or std::set that is made of any range of values, or of values in braces.
template <typename Container>
class FromRange : public Container {
 public:
  using Value = typename Container::value_type;

  FromRange() = default;
  FromRange(std::initializer_list<Value> values) : Container(values) {}
  FromRange(Container values) : Container(std::move(values)) {}  // NOLINT: converts.
  template <RangeOf<Value> R>
    requires(!std::derived_from<std::remove_cvref_t<R>, Container>)
  FromRange(R&& range) {  // NOLINT: converts.
    for (auto&& value : range) this->insert(this->end(), static_cast<Value>(value));
  }
};

// Values that are encoded one by one, so that an object can keep each by itself.
template <typename Container>
class ElementsIn final : public FromRange<Container> {
 public:
  using FromRange<Container>::FromRange;
};
template <typename T>
using Elements = ElementsIn<std::vector<T>>;

// Numbers that are encoded as an array.
template <typename T>
class Numbers final : public FromRange<std::vector<T>> {
 public:
  using FromRange<std::vector<T>>::FromRange;
};

// A std::optional whose value may itself be null.
template <typename T>
class Maybe final : public std::optional<T> {
 public:
  using std::optional<T>::optional;

  // Compares as optionals, even if T is one. Each overload matches better than std::optional's own,
  // which would be ambiguous.
  friend bool operator==(const Maybe& a, const std::optional<T>& b) {
    return static_cast<const std::optional<T>&>(a) == b;
  }
  friend bool operator==(const Maybe& a, const Maybe& b) {
    return a == static_cast<const std::optional<T>&>(b);
  }
  friend bool operator==(const Maybe& a, std::nullopt_t) { return !a.has_value(); }
  template <typename U>
    requires(!std::derived_from<U, std::optional<T>> && !std::same_as<U, std::nullopt_t>)
  friend bool operator==(const Maybe& a, const U& b) {
    return a.has_value() && *a == b;
  }
};

// A range of items that come in chunks: next(n) returns the next n or fewer, and none at the end.
// Each begin() calls a copy of `next`.
template <typename T>
class Chunks {
 public:
  using Next = std::function<std::vector<T>(std::size_t count)>;

  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    Iterator(std::size_t chunk_size, Next next)
        : state_(std::make_shared<State>(State{chunk_size, std::move(next), {}, 0})) {
      Fill();
    }
    // A copy: a std::vector<bool> has no references.
    decltype(auto) operator*() const { return std::as_const(state_->items)[state_->at]; }
    Iterator& operator++() {
      if (++state_->at >= state_->items.size()) Fill();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& a, std::default_sentinel_t) {
      return a.state_->items.empty();
    }

   private:
    struct State {
      std::size_t chunk_size;
      Next next;
      std::vector<T> items;
      std::size_t at;
    };

    void Fill() {
      state_->items = state_->next(state_->chunk_size);
      state_->at = 0;
    }

    std::shared_ptr<State> state_;
  };

  // Throws std::invalid_argument for a size of 0.
  Chunks(std::size_t chunk_size, Next next)
      : chunk_size_(std::min(chunk_size, kLargest)), next_(std::move(next)) {
    if (chunk_size == 0) {
      throw std::invalid_argument("the chunks of an iteration have a size of at least 1");
    }
  }
  // Gets the first chunk.
  Iterator begin() const { return Iterator(chunk_size_, next_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  // Far from where sums with it would overflow.
  static constexpr std::size_t kLargest = std::numeric_limits<std::int32_t>::max();

  std::size_t chunk_size_;
  Next next_;
};

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

namespace remoteobj {

template <typename Container>
struct Codec<manager_internal::ElementsIn<Container>> {
  using Value = typename Container::value_type;

  static void Encode(const manager_internal::ElementsIn<Container>& values, ValueWriter out) {
    const ListWriter list = out.List(values.size());
    std::size_t i = 0;
    for (const auto& value : values) {
      transport_internal::EncodeElement<Value>(value, list[i], i);
      ++i;
    }
  }
  static manager_internal::ElementsIn<Container> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    manager_internal::ElementsIn<Container> values;
    for (std::size_t i = 0; i < list.size(); ++i) {
      values.insert(values.end(), remoteobj::Decode<Value>(list[i]));
    }
    return values;
  }
};

template <typename T>
struct Codec<manager_internal::Numbers<T>> {
  static void Encode(const manager_internal::Numbers<T>& numbers, ValueWriter out) {
    Codec<std::vector<T>>::Encode(numbers, out);
  }
  static manager_internal::Numbers<T> Decode(const ValueReader& in) {
    return Codec<std::vector<T>>::Decode(in);
  }
};

// A list of one value, or of none.
template <typename T>
struct Codec<manager_internal::Maybe<T>> {
  static void Encode(const manager_internal::Maybe<T>& value, ValueWriter out) {
    const ListWriter list = out.List(value.has_value() ? 1 : 0);
    if (value.has_value()) remoteobj::Encode<T>(*value, list[0]);
  }
  static manager_internal::Maybe<T> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    if (list.size() == 0) return std::nullopt;
    return manager_internal::Maybe<T>(std::in_place, remoteobj::Decode<T>(list[0]));
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_INTERNAL_ELEMENTS_H_
