// SPDX-License-Identifier: MIT
//
// Many values in one call, and iterations in chunks: the arguments and results of a Dict, a List, a
// Set and an Array.
//
//   l->extend({1, 2, 3});  l->extend(a_set_of_numbers);  // an Elements<int>: of braces or a range
//   std::vector<int> all = l->copy();                    // it is a std::vector
//   std::optional<int> maybe = d->get("a");              // a Maybe<int> is a std::optional
//   for (auto& [key, value] : d) …                       // a Chunks: 256 items by each call
//   for (auto& item : d->Iterate(/*chunk_size=*/10)) …
//
// Threads:  values; a Chunks belongs to one thread.
// Errors:   an iteration throws the errors of its calls (shared_proxy.h); for a status, put the
//           loop into remoteobj::Try (remoteobj/except/try.h).
#ifndef REMOTEOBJ_MANAGER_ELEMENTS_H_
#define REMOTEOBJ_MANAGER_ELEMENTS_H_

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

#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

namespace manager_internal {

template <typename R, typename T>
concept RangeOf =
    std::ranges::input_range<R> && std::convertible_to<std::ranges::range_reference_t<R>, T>;

// A std::vector or std::set that is made of any range of values, or of values in braces.
template <typename Container>
class FromRange : public Container {
 public:
  using Value = typename Container::value_type;

  // Empty.
  FromRange() = default;
  // A copy of the values in braces; the container, which is moved; copies of a range's values.
  FromRange(std::initializer_list<Value> values) : Container(values) {}
  FromRange(Container values) : Container(std::move(values)) {}  // NOLINT: converts.
  template <RangeOf<Value> R>
    requires(!std::derived_from<std::remove_cvref_t<R>, Container>)
  FromRange(R&& range) {  // NOLINT: converts.
    for (auto&& value : range) this->insert(this->end(), static_cast<Value>(value));
  }
};

}  // namespace manager_internal

// Many values as one argument or result: a std::vector or a std::set, with its operations. It is
// made of values in braces, or of any range. They are encoded one by one, so that an object can
// keep each by itself.
template <typename Container>
class ElementsIn final : public manager_internal::FromRange<Container> {
 public:
  using manager_internal::FromRange<Container>::FromRange;
};
template <typename T>
using Elements = ElementsIn<std::vector<T>>;

// The same of numbers: a std::vector that is encoded as an array, and so sent and received as fast
// as memory is copied.
template <typename T>
class NumberVector final : public manager_internal::FromRange<std::vector<T>> {
 public:
  using manager_internal::FromRange<std::vector<T>>::FromRange;
};

// A std::optional, with its operations, whose value may itself be null: an optional, a pointer.
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

// A range of items that are received in chunks: the result of Iterate() of a Dict, a List, a Set or
// an Array. An input range, for loops and std::views. The items are copies.
//
// begin(), and ++ where it comes to the end of a chunk, are one call, and throw its errors. The
// range keeps the object alive, but no snapshot: see Iterate() on changes during the iteration.
template <typename T>
class Chunks {
 public:
  // Returns the next `count` items or fewer, and none at the end.
  using Next = std::function<std::vector<T>(std::size_t count)>;

  // Copies are at the same item and advance together, as of any input iterator.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    // Gets the first chunk.
    Iterator(std::size_t chunk_size, Next next)
        : state_(std::make_shared<State>(State{chunk_size, std::move(next), {}, 0})) {
      Fill();
    }
    // A reference to the item, valid until ++ (a copy where T is bool).
    decltype(auto) operator*() const { return std::as_const(state_->items)[state_->at]; }
    // The next item. After the last of its chunk, gets the next chunk.
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

  // `next` is called for `chunk_size` items at a time. Throws std::invalid_argument for a size of
  // 0.
  Chunks(std::size_t chunk_size, Next next)
      : chunk_size_(std::min(chunk_size, kLargest)), next_(std::move(next)) {
    if (chunk_size == 0) {
      throw std::invalid_argument("the chunks of an iteration have a size of at least 1");
    }
  }
  // Begins at the first item, each time, with a copy of `next`. Gets the first chunk.
  Iterator begin() const { return Iterator(chunk_size_, next_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  // Far from where sums with it would overflow.
  static constexpr std::size_t kLargest = std::numeric_limits<std::int32_t>::max();

  std::size_t chunk_size_;
  Next next_;
};

template <typename Container>
struct Codec<ElementsIn<Container>> {
  using Value = typename Container::value_type;

  static void Encode(const ElementsIn<Container>& values, ValueWriter out) {
    const ListWriter list = out.List(values.size());
    std::size_t i = 0;
    for (const auto& value : values) {
      transport_internal::EncodeElement<Value>(value, list[i], i);
      ++i;
    }
  }
  static ElementsIn<Container> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    ElementsIn<Container> values;
    for (std::size_t i = 0; i < list.size(); ++i) {
      values.insert(values.end(), remoteobj::Decode<Value>(list[i]));
    }
    return values;
  }
};

template <typename T>
struct Codec<NumberVector<T>> {
  static void Encode(const NumberVector<T>& numbers, ValueWriter out) {
    Codec<std::vector<T>>::Encode(numbers, out);
  }
  static NumberVector<T> Decode(const ValueReader& in) { return Codec<std::vector<T>>::Decode(in); }
};

// A list of one value, or of none.
template <typename T>
struct Codec<Maybe<T>> {
  static void Encode(const Maybe<T>& value, ValueWriter out) {
    const ListWriter list = out.List(value.has_value() ? 1 : 0);
    if (value.has_value()) remoteobj::Encode<T>(*value, list[0]);
  }
  static Maybe<T> Decode(const ValueReader& in) {
    const ListReader list = in.AsList();
    if (list.size() == 0) return std::nullopt;
    return Maybe<T>(std::in_place, remoteobj::Decode<T>(list[0]));
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ELEMENTS_H_
