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
//   d->at.Async("a"); d->at.TryCall("a");               // as with any described class
//
// Items are in the order in which their keys were inserted. Keys are equal if their encodings are:
// -0.0 differs from 0.0, and a NaN equals itself. Values are returned as copies. A value may be a
// proxy, which keeps its object alive.
//
// Threads:  thread-safe: each call is atomic.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for a key that is not there; BadValue for a proxy of another type;
//           the errors of a call to a manager (shared_proxy.h).
// Not here: what d["a"] can do: item.h; what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_DICT_H_
#define REMOTEOBJ_MANAGER_DICT_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/elements.h"
#include "remoteobj/manager/internal/arrow_with_more.h"
#include "remoteobj/manager/internal/containers.h"
#include "remoteobj/manager/item.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// The operations of a dictionary: `d->` leads to them. The manager implements them for values of
// any type (K and V are AnyValue there).
template <typename K, typename V>
class DictInterface {
 public:
  using Item = std::pair<K, V>;
  using Items = Elements<Item>;  // A std::vector, made of any range.
  using Keys = Elements<K>;
  using Values = Elements<V>;

  virtual ~DictInterface() = default;

  virtual std::size_t size() const = 0;
  bool empty() const { return size() == 0; }
  virtual bool contains(const K& key) const = 0;

  // Throws std::out_of_range if the key is not there.
  virtual V at(const K& key) const = 0;
  // A std::optional, empty if the key is not there.
  virtual Maybe<V> get(const K& key) const = 0;
  // Returns `fallback` if the key is not there.
  V get(const K& key, V fallback) const { return get(key).value_or(std::move(fallback)); }

  // In the order of insertion.
  virtual Keys keys() const = 0;
  virtual Values values() const = 0;
  virtual Items items() const = 0;

  // Returns false, and changes nothing, if the key is there.
  virtual bool insert(K key, V value) = 0;
  virtual void insert_or_assign(K key, V value) = 0;
  // Inserts the value if the key is not there. Returns the key's value.
  virtual V setdefault(K key, V value) = 0;
  // Inserts or assigns each item.
  virtual void update(Items items) = 0;
  // Sets the value if it equals `expected`. Returns true if it did.
  virtual bool compare_exchange(const K& key, const V& expected, V desired) = 0;

  // Returns the number of erased items: 0 or 1.
  virtual std::size_t erase(const K& key) = 0;
  // Throws std::out_of_range if the key is not there.
  virtual void remove(const K& key) = 0;
  virtual V pop(const K& key) = 0;
  // `fallback` if the key is not there.
  virtual V pop(const K& key, V fallback) = 0;
  // Removes and returns the last item. Throws std::out_of_range if the dictionary is empty.
  virtual Item popitem() = 0;
  virtual void clear() = 0;

  // {"a": 1, "b": 2}, cut short.
  virtual std::string to_string() const = 0;

  // The implementation of +=, -=, | and iterations.

  // Adds a number of that type to the value, or subtracts it.
  virtual void add(const K& key, const V& by, ElementType type, bool minus) = 0;
  virtual void append(const K& key, const V& by) = 0;
  // The items as they would be after an update.
  virtual Items merged(Items items) const = 0;
  // Returns the number of items, and at most `count` of them, which follow the key in `after`, or
  // the first ones if that is empty. Throws std::runtime_error if the number is no longer `size`,
  // or the key is gone.
  virtual std::pair<std::uint64_t, Items> chunk(const Keys& after, std::uint64_t size,
                                                std::uint64_t count) const = 0;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename K, typename V), (DictInterface<K, V>), size, empty, contains,
                            at, (get, Maybe<V>(const K&) const, V(const K&, V) const), keys, values,
                            items, insert, insert_or_assign, setdefault, update, compare_exchange,
                            erase, remove, (pop, V(const K&), V(const K&, V)), popitem, clear,
                            to_string, add, append, merged, chunk)

template <typename K, typename V>
class DictArrow final : public manager_internal::ArrowWithMore<DictInterface<K, V>> {
  using Interface = DictInterface<K, V>;

 public:
  using manager_internal::ArrowWithMore<Interface>::ArrowWithMore;

  // The items, in chunks. Throws std::runtime_error at the next chunk if the number of items has
  // changed, or the last key of the chunk before is gone.
  Chunks<std::pair<K, V>> Iterate(std::size_t chunk_size = manager_internal::kChunk) const {
    return manager_internal::ChunksBehindKeys<std::pair<K, V>, typename Interface::Keys>(
        this->object(), chunk_size, [](const auto& item) -> const K& { return item.first; });
  }

  const DictArrow* operator->() const { return this; }
};

template <typename K, typename V>
class Dict final : public SharedProxy<Dict<K, V>, DictInterface<K, V>, DictArrow<K, V>> {
  static_assert(
      manager_internal::kStorable<K> && manager_internal::kStorable<V>,
      "remoteobj: a Dict needs keys (K here) and values (V) that can be sent and received "
      "by value: describe them with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Interface = DictInterface<K, V>;
  using Items = typename Interface::Items;

 public:
  using Item = std::pair<K, V>;

  static constexpr std::string_view kTypeId = "Dict";
  static std::string Type() {
    return absl::StrCat("Dict<", TypeName<K>(), ", ", TypeName<V>(), ">");
  }
  // The initial contents.
  using Contents = std::vector<Item>;
  static AnyValue Arguments(Contents items = {}, Attachments& offers = Attachments::None()) {
    return manager_internal::OneArgument(Items(std::move(items)), offers);
  }

  using SharedProxy<Dict, Interface, DictArrow<K, V>>::SharedProxy;

  // A view of one value, with the operations of item.h: Get, Set, +=, Exists, Delete, Async, ...
  // Calls nothing. The key need not be there yet.
  auto operator[](const K& key) const {
    return ItemView<V, Interface, DictInterface<K, AnyValue>, K>(this->template As<Interface>(),
                                                                 key);
  }
  // The items, in chunks of 256: see DictArrow::Iterate. begin() is a call. For a status, put the
  // loop into remoteobj::Try.
  auto begin() const { return (*this)->Iterate().begin(); }
  std::default_sentinel_t end() const { return {}; }

  // The same as update(), whose twin is d->update.TryCall().
  const Dict& operator|=(const Items& items) const {
    (*this)->update(items);
    return *this;
  }
  // Returns the items of both; for a key of both, that of the right side. The twin of it is
  // d->merged.TryCall().
  friend Contents operator|(const Dict& d, const Items& items) { return d->merged(items); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_DICT_H_
