// SPDX-License-Identifier: MIT
//
// A view of one value in a shared object: `d["a"]`, `list[0]`, a Value.
//
//   d["a"] = 1;
//   d["a"] += 2;                                        // atomic: it is added in the manager
//   const int three = *d["a"];
//   d["a"].compare_exchange(3, 4);                      // true: it was 3, and is 4
//   remoteobj::Future<int> later = d["a"].Async();
//
// Threads:  thread-safe, as proxies are.
// Lifetime: keeps the object alive.
// Errors:   std::out_of_range if the value is not there; std::overflow_error if a sum does not fit
// V.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_ITEM_H_
#define REMOTEOBJ_MANAGER_INTERNAL_ITEM_H_

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

// The type of the numbers that are added to a V. A char has the signedness of this machine.
template <typename T>
constexpr ElementType kNumberType = transport_internal::ElementOf<std::conditional_t<
    std::is_same_v<T, char>, std::conditional_t<std::is_signed_v<char>, signed char, unsigned char>,
    T>>();

template <typename T>
constexpr bool kIsProxy = SharedType<T>;
template <typename T>
constexpr bool kIsProxy<Proxy<T>> = true;

// Interface has at(where...), set or insert_or_assign(where..., V), and so on. RawInterface is the
// same for values of any type. Where is the key or the index.
template <typename V, typename Interface, typename RawInterface, typename... Where>
class Item {
  static constexpr bool kNumber = transport_internal::kIsNumber<V>;
  static constexpr bool kText = std::is_same_v<V, std::string>;
  // In a container with keys, where an assignment inserts.
  static constexpr bool kMayBeAbsent = requires { &Interface::insert_or_assign; };

 public:
  explicit Item(Proxy<Interface> object, Where... where)
      : object_(std::move(object)), where_(std::move(where)...) {}
  Item(const Item&) = default;

  // A copy.
  V Get() const {
    return At([this](const Where&... where) { return object_->at(where...); });
  }
  const V operator*() const { return Get(); }
  // The value, or a status. Never throws; see CurrentExceptionToStatus for the codes.
  auto TryGet() const {
    return At([this](const Where&... where) { return object_->at.TryCall(where...); });
  }
  Future<V> Async() const {
    return At([this](const Where&... where) { return object_->at.Async(where...); });
  }
  // A view that can be kept, and put into a Batch.
  auto Lazy() const {
    return At([this](const Where&... where) { return object_->at.Lazy(where...); });
  }
  // The same item, whose operations wait no longer than `timeout`.
  Item Timeout(absl::Duration timeout) const {
    return At([&](const Where&... where) { return Item(object_.Timeout(timeout), where...); });
  }
  // Into the value: to read it, or to use the object of a proxy there.
  auto operator->() const {
    if constexpr (kIsProxy<V>) {
      return V(Get());
    } else {
      return Fetched{Get()};
    }
  }

  void Set(const V& value) const {
    At([&](const Where&... where) {
      if constexpr (kMayBeAbsent) {
        object_->insert_or_assign(where..., value);
      } else {
        object_->set(where..., value);
      }
    });
  }
  absl::Status TrySet(const V& value) const {
    return proxy_internal::Try<void>([&] { Set(value); });
  }
  const Item& operator=(const V& value) const {
    Set(value);
    return *this;
  }
  // Assigns the value of the other, not the view.
  const Item& operator=(const Item& other) const { return *this = other.Get(); }

  // Numbers are added, and texts appended, in the manager. Other values are read, changed here and
  // written by compare_exchange, until no other change interferes.
  const Item& operator+=(const V& by) const
    requires(kNumber || kText)
  {
    At([&](const Where&... where) {
      if constexpr (kNumber) {
        object_->add(where..., by, kNumberType<V>, false);
      } else {
        object_->append(where..., by);
      }
    });
    return *this;
  }
  const Item& operator-=(const V& by) const
    requires kNumber
  {
    At([&](const Where&... where) { object_->add(where..., by, kNumberType<V>, true); });
    return *this;
  }
  template <typename X>
    requires(!kNumber && !kText && requires(V& v, const X& x) { v += x; })
  const Item& operator+=(const X& by) const {
    Change([&](V& value) { value += by; });
    return *this;
  }
  template <typename X>
    requires(!kNumber && requires(V& v, const X& x) { v -= x; })
  const Item& operator-=(const X& by) const {
    Change([&](V& value) { value -= by; });
    return *this;
  }

  // Sets the value if its encoding equals that of `expected`. Returns true if it did.
  bool compare_exchange(const V& expected, const V& desired) const {
    return At([&](const Where&... where) {
      return object_->compare_exchange(where..., expected, desired);
    });
  }

  bool Exists() const
    requires kMayBeAbsent
  {
    return At([this](const Where&... where) { return object_->contains(where...); });
  }
  // Throws std::out_of_range if it is not there.
  void Delete() const
    requires kMayBeAbsent
  {
    At([this](const Where&... where) { object_->remove(where...); });
  }
  absl::Status TryDelete() const
    requires kMayBeAbsent
  {
    return proxy_internal::Try<void>([&] { Delete(); });
  }

 private:
  struct Fetched {
    const V value;
    const V* operator->() const { return &value; }
  };

  template <typename F>
  auto At(F&& call) const {
    return std::apply(std::forward<F>(call), where_);
  }

  template <typename F>
  void Change(F change) const {
    const auto raw = proxy_internal::ProxyAccess::As<RawInterface>(object_);
    At([&](const Where&... where) {
      for (;;) {
        // The encoded value, since an unordered container may be encoded in another order the next
        // time.
        const AnyValue before = raw->at(where...);
        V value = before.As<V>();
        change(value);
        if (raw->compare_exchange(where..., before, AnyValue::Of(value))) return;
      }
    });
  }

  const Proxy<Interface> object_;
  const std::tuple<Where...> where_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_ITEM_H_
