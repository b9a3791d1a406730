// SPDX-License-Identifier: MIT
//
// A view of one value in a shared object: what `d["a"]`, `list[0]` and a Value are.
//
//   d["a"] = 1;
//   d["a"] += 2;                                        // there, at once: nobody comes between
//   const int three = *d["a"];
//   d["a"].compare_exchange(3, 4);                      // true: it was 3, and is 4
//
// Threads:  thread-safe, as proxies are.
// Lifetime: keeps the object alive.
// Errors:   std::out_of_range if it is not there; std::overflow_error if a sum does not fit V.
#ifndef REMOTEOBJ_MANAGER_INTERNAL_ITEM_H_
#define REMOTEOBJ_MANAGER_INTERNAL_ITEM_H_

#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

// The methods of D, which is a Shared and has them as a private base: `->` leads to them, and only
// to them.
template <typename D>
class MethodsOf {
 protected:
  template <typename R, typename... A>
  R Ask(std::string_view method, const A&... arguments) const {
    return self().template Call<R>(method, arguments...);
  }
  const D& self() const { return static_cast<const D&>(*this); }
};

// As which numbers of type T are added. A char is whatever it is here.
template <typename T>
constexpr ElementType kNumberType = transport_internal::ElementOf<std::conditional_t<
    std::is_same_v<T, char>, std::conditional_t<std::is_signed_v<char>, signed char, unsigned char>,
    T>>();

template <typename T>
constexpr bool kIsProxy = SharedType<T>;
template <typename T>
constexpr bool kIsProxy<Proxy<T>> = true;

// `kMayBeAbsent`: of a container with keys, where assigning makes it. `Where` is the key or index.
template <typename V, bool kMayBeAbsent, typename... Where>
class Item : private Shared {
  static constexpr bool kNumber = transport_internal::kIsNumber<V>;
  static constexpr bool kText = std::is_same_v<V, std::string>;

 public:
  explicit Item(const Shared& object, Where... where)
      : Shared(object), where_(std::move(where)...) {}
  Item(const Item&) = default;

  // A copy, and const: changing it here would change nothing there.
  const V Get() const { return At<V>("at"); }
  const V operator*() const { return Get(); }
  // Into the value: for reading, or for what a proxy there refers to.
  auto operator->() const {
    if constexpr (kIsProxy<V>) {
      return At<V>("at");
    } else {
      return Fetched{At<V>("at")};
    }
  }

  void Set(const V& value) const { At<void>("set", value); }
  const Item& operator=(const V& value) const {
    Set(value);
    return *this;
  }
  // The value of the other, not the view.
  const Item& operator=(const Item& other) const { return *this = other.Get(); }

  // Numbers are added, and texts appended, on the server. Others are got, added to and put back
  // until nobody came between.
  const Item& operator+=(const V& by) const
    requires(kNumber || kText)
  {
    if constexpr (kNumber) {
      At<void>("add", by, kNumberType<V>, false);
    } else {
      At<void>("append", by);
    }
    return *this;
  }
  const Item& operator-=(const V& by) const
    requires kNumber
  {
    At<void>("add", by, kNumberType<V>, true);
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

  // Sets it if it is the expected one: if both are encoded alike. Returns whether it was.
  bool compare_exchange(const V& expected, const V& desired) const {
    return At<bool>("compare_exchange", expected, desired);
  }

  bool Exists() const
    requires kMayBeAbsent
  {
    return At<bool>("contains");
  }
  void Delete() const
    requires kMayBeAbsent
  {
    At<void>("remove");
  }

 private:
  struct Fetched {
    const V value;
    const V* operator->() const { return &value; }
  };

  template <typename R, typename... A>
  R At(std::string_view method, const A&... arguments) const {
    return std::apply(
        [&](const Where&... where) {
          return this->template Call<R>(method, where..., arguments...);
        },
        where_);
  }

  template <typename F>
  void Change(F change) const {
    for (;;) {
      // As it came, for an unordered container may be encoded in another order again.
      const AnyValue before = At<AnyValue>("at");
      V value = before.As<V>();
      change(value);
      if (At<bool>("compare_exchange", before, value)) return;
    }
  }

  const std::tuple<Where...> where_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_INTERNAL_ITEM_H_
