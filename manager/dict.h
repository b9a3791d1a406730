// SPDX-License-Identifier: MIT
//
// A dictionary in a manager's process, which others share.
//
//   Dict<std::string, int> d = manager.Dict<std::string, int>();
//   d["a"] = 1;                                         // the dot, and the brackets: the proxy
//   d["a"] += 1;                                        // atomic: it is added there
//   const int two = *d["a"];
//   d->contains("a"); d->size(); d->pop("a");           // the arrow: the dictionary
//   d->update({{"b", 2}, {"c", 3}});
//   for (auto& [key, value] : d->items()) …             // a copy, by one call
//   for (auto& [key, value] : d) …                      // in chunks, which notices changes
//
// Items are in the order in which their keys were inserted. Keys are equal if they are encoded
// alike: -0.0 is another key than 0.0, and a NaN is a key as others are. Values that were got are
// copies; a proxy as a value refers to its object, which lives as long as it is in here.
//
// Threads:  thread-safe: each call is one step, whoever else calls.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for a key that is not there; BadValue for a proxy of another type.
#ifndef REMOTEOBJ_MANAGER_DICT_H_
#define REMOTEOBJ_MANAGER_DICT_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/elements.h"
#include "remoteobj/manager/internal/item.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

template <typename K, typename V>
class Dict;

// What the arrow leads to.
template <typename K, typename V>
class DictMethods : public manager_internal::MethodsOf<Dict<K, V>> {
  template <typename T>
  using Elements = manager_internal::Elements<T>;

 public:
  using Item = std::pair<K, V>;

  std::size_t size() const { return this->template Ask<std::uint64_t>("size"); }
  bool empty() const { return size() == 0; }
  bool contains(const K& key) const { return this->template Ask<bool>("contains", key); }

  V at(const K& key) const { return this->template Ask<V>("at", key); }
  std::optional<V> get(const K& key) const {
    return manager_internal::AtMostOne(this->template Ask<Elements<V>>("get", key));
  }
  V get(const K& key, V fallback) const { return get(key).value_or(std::move(fallback)); }

  // Copies, in the order of insertion.
  std::vector<K> keys() const { return this->template Ask<Elements<K>>("keys").values; }
  std::vector<V> values() const { return this->template Ask<Elements<V>>("values").values; }
  std::vector<Item> items() const { return this->template Ask<Elements<Item>>("items").values; }
  // The items, got in chunks of that size. Throws std::runtime_error when it gets one and the
  // number of items is no longer what it was, or the last key has gone.
  manager_internal::Chunks<Item> Iterate(std::size_t chunk_size = manager_internal::kChunk) const;

  // Returns false if the key is there, and changes nothing.
  bool insert(const K& key, const V& value) const {
    return this->template Ask<bool>("insert", key, value);
  }
  void insert_or_assign(const K& key, const V& value) const {
    this->template Ask<void>("set", key, value);
  }
  // Inserts it if the key is not there. Returns what is there then.
  V setdefault(const K& key, const V& value) const {
    return this->template Ask<V>("setdefault", key, value);
  }
  void update(std::initializer_list<Item> items) const { Update({items}); }
  template <manager_internal::RangeOf<Item> R>
  void update(R&& items) const {
    Update(manager_internal::ToVector<Item>(items));
  }
  // Sets it if it is the expected one. Returns whether it was.
  bool compare_exchange(const K& key, const V& expected, const V& desired) const {
    return this->template Ask<bool>("compare_exchange", key, expected, desired);
  }

  // How many it has erased: 0 or 1.
  std::size_t erase(const K& key) const { return this->template Ask<bool>("erase", key) ? 1 : 0; }
  V pop(const K& key) const { return this->template Ask<V>("pop", key); }
  V pop(const K& key, V fallback) const {
    return manager_internal::AtMostOne(this->template Ask<Elements<V>>("take", key))
        .value_or(std::move(fallback));
  }
  // The last one.
  Item popitem() const { return this->template Ask<Item>("popitem"); }
  void clear() const { this->template Ask<void>("clear"); }

  // {"a": 1, "b": 2}, cut short.
  std::string to_string() const { return this->template Ask<std::string>("to_string"); }

 private:
  friend class Dict<K, V>;
  DictMethods() = default;
  DictMethods(const DictMethods&) = default;
  DictMethods& operator=(const DictMethods&) = default;

  void Update(std::vector<Item> items) const {
    this->template Ask<void>("update", Elements<Item>{std::move(items)});
  }
};

template <typename K, typename V>
class Dict : public manager_internal::Shared, private DictMethods<K, V> {
  static_assert(
      manager_internal::kStorable<K> && manager_internal::kStorable<V>,
      "remoteobj: a Dict needs keys (K here) and values (V) that can be sent and received "
      "by value: describe them with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Methods = DictMethods<K, V>;

 public:
  using Item = std::pair<K, V>;

  static constexpr std::string_view kTypeId = "Dict";
  static std::string Type() {
    return absl::StrCat("Dict<", TypeName<K>(), ", ", TypeName<V>(), ">");
  }
  // What a new one is made of.
  using Contents = std::vector<Item>;
  static AnyValue Arguments(Contents items = {}) {
    return manager_internal::OneArgument(manager_internal::Elements<Item>{std::move(items)});
  }

  // Of no object, until another is assigned to it.
  Dict() = default;
  explicit Dict(const Reference& reference) : Shared(reference, Type()) {}

  const Methods* operator->() const { return this; }
  // A view of one value, which need not be there yet.
  manager_internal::Item<V, /*kMayBeAbsent=*/true, K> operator[](const K& key) const {
    return manager_internal::Item<V, true, K>(*this, key);
  }
  // The items, in chunks: see Iterate.
  auto begin() const { return Methods::Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // Updates it.
  const Dict& operator|=(std::initializer_list<Item> items) const {
    Methods::update(items);
    return *this;
  }
  template <manager_internal::RangeOf<Item> R>
  const Dict& operator|=(R&& items) const {
    Methods::update(items);
    return *this;
  }
  // The items of both, where the right ones count; a copy.
  template <manager_internal::RangeOf<Item> R>
  friend std::vector<Item> operator|(const Dict& d, R&& items) {
    using Items = manager_internal::Elements<Item>;
    return d.template Call<Items>("merged", Items{manager_internal::ToVector<Item>(items)}).values;
  }

 private:
  friend Methods;
  friend manager_internal::MethodsOf<Dict>;
};

template <typename K, typename V>
manager_internal::Chunks<std::pair<K, V>> DictMethods<K, V>::Iterate(std::size_t chunk_size) const {
  return manager_internal::Chunks<Item>(
      chunk_size, [dict = this->self(), size = std::uint64_t{0},
                   after = std::vector<K>()](std::size_t count) mutable {
        using Chunk = std::pair<std::uint64_t, Elements<Item>>;
        auto [size_now, items] = dict.template Call<Chunk>("chunk", Elements<K>{after}, size,
                                                           static_cast<std::uint64_t>(count));
        if (!items.values.empty()) after.assign(1, items.values.back().first);
        size = size_now;
        return std::move(items.values);
      });
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_DICT_H_
