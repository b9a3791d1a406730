// SPDX-License-Identifier: MIT
//
// Values that travel one by one, so that an object can keep each by itself; and how a proxy gives
// them out.
//
//   Call<void>("extend", Elements<T>{ToVector<T>(range)});
//   for (const T& item : Chunks<T>(100, [=](std::size_t count) { return NextOnes(count); })) …
//
// Threads:  values; a Chunks is one thread's.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_ELEMENTS_H_
#define REMOTEOBJ_MANAGER_INTERNAL_ELEMENTS_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <utility>
#include <vector>

#include "remoteobj/proxy/internal/by_value.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

// How many items an iteration gets with one call.
inline constexpr std::size_t kChunk = 256;

// T can be kept in another process, and got back.
template <typename T>
constexpr bool kStorable = proxy_internal::kSendable<T> && proxy_internal::kReceivable<T>;

// A list, element by element, whatever T is: a std::vector of numbers travels as an array.
template <typename T>
struct Elements {
  std::vector<T> values;
};

// At most one: where an optional T would be no T.
template <typename T>
std::optional<T> AtMostOne(Elements<T> elements) {
  if (elements.values.empty()) return std::nullopt;
  return std::optional<T>(std::move(elements.values[0]));
}
// Not of a std::vector<bool>, which has no elements to move.
inline std::optional<bool> AtMostOne(const Elements<bool>& elements) {
  return elements.values.empty() ? std::nullopt : std::optional<bool>(elements.values[0]);
}

template <typename R, typename T>
concept RangeOf =
    std::ranges::input_range<R> && std::convertible_to<std::ranges::range_reference_t<R>, T>;

template <typename T, RangeOf<T> R>
std::vector<T> ToVector(R&& range) {
  std::vector<T> values;
  for (auto&& value : range) values.push_back(static_cast<T>(value));
  return values;
}

// Items that come in chunks: `next` gives so many next ones, or less, and none at the end. Each
// begin() calls a copy of it. For a range-for.
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
    // A copy, for there are no references to a bool in a std::vector.
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

  // Throws std::invalid_argument for chunks of none.
  Chunks(std::size_t chunk_size, Next next)
      : chunk_size_(std::min(chunk_size, kLargest)), next_(std::move(next)) {
    if (chunk_size == 0) throw std::invalid_argument("an iteration in chunks of none");
  }
  // Gets the first ones.
  Iterator begin() const { return Iterator(chunk_size_, next_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  // Far from where sums with it would overflow.
  static constexpr std::size_t kLargest = std::numeric_limits<std::int32_t>::max();

  std::size_t chunk_size_;
  Next next_;
};

// A list of arguments, to make an object of.
template <typename T>
AnyValue OneArgument(const T& argument) {
  return AnyValue([&](ValueWriter out) {
    const ListWriter list = out.List(1);
    Encode<T>(argument, list[0]);
  });
}

}  // namespace remoteobj::manager_internal

namespace remoteobj {

template <typename T>
struct Codec<manager_internal::Elements<T>> {
  static void Encode(const manager_internal::Elements<T>& elements, ValueWriter out) {
    const ListWriter list = out.List(elements.values.size());
    std::size_t i = 0;
    for (const auto& value : elements.values) remoteobj::Encode<T>(value, list[i++]);
  }
  static manager_internal::Elements<T> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    manager_internal::Elements<T> elements;
    for (std::size_t i = 0; i < list.size(); ++i) {
      elements.values.push_back(remoteobj::Decode<T>(list[i]));
    }
    return elements;
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_INTERNAL_ELEMENTS_H_
