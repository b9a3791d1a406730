// SPDX-License-Identifier: MIT
//
// A view of one value in a shared object: the result of `d["a"]` of a Dict, and of `list[0]` of a
// List or an Array. A Value has most of these operations itself.
//
//   d["a"] = 1;
//   d["a"] += 2;                                        // atomic: it is added in the manager
//   const int three = *d["a"];
//   d["a"].compare_exchange(3, 4);                      // true: it was 3, and is 4
//   d["a"].Exists();  d["a"].Delete();
//   absl::StatusOr<int> maybe = d["a"].TryGet();
//   absl::Status added = d["a"].TryAdd(2);
//   remoteobj::Future<int> later = d["a"].Async();
//   auto item = d["a"].Timeout(absl::Seconds(1));       // can be kept
//
// Making a view calls nothing, and the item need not be there yet. Each operation is one call, and
// atomic, but for += and -= of types other than numbers and std::string: see there. Values are
// copies, which belong to the caller.
//
// Threads:  thread-safe, as proxies are.
// Lifetime: keeps the object alive. Names a key or an index, not a value: after list->erase(0),
//           list[0] is the next one.
// Errors:   std::out_of_range if the value is not there, or beyond the ends; std::overflow_error if
//           a sum does not fit V, which then is unchanged; the errors of a call to a manager
//           (shared_proxy.h). Each function that throws has a twin that returns a status (its codes
//           are those of CurrentExceptionToStatus); the twin of operators is remoteobj::Try
//           (remoteobj/except/try.h), or the function of the same meaning.
#ifndef REMOTEOBJ_MANAGER_ITEM_H_
#define REMOTEOBJ_MANAGER_ITEM_H_

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "remoteobj/except/try.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/internal/arrow.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {
namespace manager_internal {

// The type of the numbers that are added to a V. A char has the signedness of this machine.
template <typename T>
constexpr ElementType kNumberType = transport_internal::ElementOf<std::conditional_t<
    std::is_same_v<T, char>, std::conditional_t<std::is_signed_v<char>, signed char, unsigned char>,
    T>>();

template <typename T>
constexpr bool kIsProxy = SharedType<T>;
template <typename T>
constexpr bool kIsProxy<Proxy<T>> = true;

}  // namespace manager_internal

// Interface has at(where...), set or insert_or_assign(where..., V), and so on. RawInterface is the
// same for values of any type. The types Where are those of the key or the index.
template <typename V, typename Interface, typename RawInterface, typename... Where>
class ItemView {
  static constexpr bool kNumber = transport_internal::kIsNumber<V>;
  static constexpr bool kText = std::is_same_v<V, std::string>;
  // In a container with keys, where an assignment inserts.
  static constexpr bool kMayBeAbsent = requires { &Interface::insert_or_assign; };

 public:
  explicit ItemView(Proxy<Interface> object, Where... where)
      : object_(std::move(object)), where_(std::move(where)...) {}
  ItemView(const ItemView&) = default;

  // Returns a copy. Throws std::out_of_range if it is not there, BadValue if it contains a proxy of
  // another type than V does.
  V Get() const {
    return At([this](const Where&... where) { return object_->at(where...); });
  }
  // The same. It is const, so that `(*d["a"]).push_back(1)`, which would change only the copy, does
  // not compile.
  const V operator*() const { return Get(); }
  // The same, with a status. Never throws.
  absl::StatusOr<V> TryGet() const {
    return At([this](const Where&... where) { return object_->at.TryCall(where...); });
  }
  // Sends the request, and returns at once. The Future throws what Get() would.
  Future<V> Async() const {
    return At([this](const Where&... where) { return object_->at.Async(where...); });
  }
  // A view of the same value that a Batch takes (remoteobj/proxy/batch.h), and whose Get() is one
  // call each time.
  auto Lazy() const {
    return At([this](const Where&... where) { return object_->at.Lazy(where...); });
  }
  // The same item, whose operations throw DeadlineExceeded after `timeout`. A change may have been
  // made nevertheless.
  ItemView Timeout(absl::Duration timeout) const {
    return At([&](const Where&... where) { return ItemView(object_.Timeout(timeout), where...); });
  }
  // Into the value: gets a copy, to read a member of it, `d["a"]->name`. If V is a proxy, leads to
  // its object: `d["queue"]->put(1)`, which is two calls. Throws as Get().
  auto operator->() const {
    if constexpr (manager_internal::kIsProxy<V>) {
      return V(Get());
    } else {
      return Fetched{Get()};
    }
  }

  // Sets the value; in a Dict, inserts it if the key is not there. In a List or an Array, throws
  // std::out_of_range if the index is beyond the ends.
  void Set(const V& value) const {
    At([&](const Where&... where) {
      if constexpr (kMayBeAbsent) {
        object_->insert_or_assign(where..., value);
      } else {
        object_->set(where..., value);
      }
    });
  }
  // The same, with a status. Never throws.
  absl::Status TrySet(const V& value) const {
    return Try([&] { Set(value); });
  }
  // Set().
  const ItemView& operator=(const V& value) const {
    Set(value);
    return *this;
  }
  // Gets the value of the other, then sets this one to it: two calls. The view itself is unchanged.
  const ItemView& operator=(const ItemView& other) const { return *this = other.Get(); }

  // Numbers are added, and texts appended, in the manager: one call. Other values are read, changed
  // here and written by compare_exchange(), until no other change interferes: two calls or more.
  // Throws std::out_of_range if the value is not there, also in a Dict; std::overflow_error.
  const ItemView& operator+=(const V& by) const
    requires(kNumber || kText)
  {
    At([&](const Where&... where) {
      if constexpr (kNumber) {
        object_->add(where..., by, manager_internal::kNumberType<V>, false);
      } else {
        object_->append(where..., by);
      }
    });
    return *this;
  }
  const ItemView& operator-=(const V& by) const
    requires kNumber
  {
    At([&](const Where&... where) {
      object_->add(where..., by, manager_internal::kNumberType<V>, true);
    });
    return *this;
  }
  template <typename X>
    requires(!kNumber && !kText && requires(V& v, const X& x) { v += x; })
  const ItemView& operator+=(const X& by) const {
    Change([&](V& value) { value += by; });
    return *this;
  }
  template <typename X>
    requires(!kNumber && requires(V& v, const X& x) { v -= x; })
  const ItemView& operator-=(const X& by) const {
    Change([&](V& value) { value -= by; });
    return *this;
  }
  // += and -= with a status. Never throw.
  template <typename X = V>
    requires requires(const ItemView& item, const X& by) { item += by; }
  absl::Status TryAdd(const X& by) const {
    return Try([&] { *this += by; });
  }
  template <typename X = V>
    requires requires(const ItemView& item, const X& by) { item -= by; }
  absl::Status TrySubtract(const X& by) const {
    return Try([&] { *this -= by; });
  }

  // Sets the value if its encoding equals that of `expected`. Returns true if it did; false, and
  // changes nothing, otherwise. Throws std::out_of_range if the value is not there.
  bool compare_exchange(const V& expected, const V& desired) const {
    return At([&](const Where&... where) {
      return object_->compare_exchange(where..., expected, desired);
    });
  }
  // The same, with a status. Never throws.
  absl::StatusOr<bool> TryCompareExchange(const V& expected, const V& desired) const {
    return Try([&] { return compare_exchange(expected, desired); });
  }

  // Returns true if the key is there. Only in a Dict.
  bool Exists() const
    requires kMayBeAbsent
  {
    return At([this](const Where&... where) { return object_->contains(where...); });
  }
  // The same, with a status. Never throws.
  absl::StatusOr<bool> TryExists() const
    requires kMayBeAbsent
  {
    return Try([&] { return Exists(); });
  }
  // Removes key and value. Throws std::out_of_range if the key is not there. Only in a Dict; for a
  // List, list->erase(index).
  void Delete() const
    requires kMayBeAbsent
  {
    At([this](const Where&... where) { object_->remove(where...); });
  }
  // The same, with a status. Never throws.
  absl::Status TryDelete() const
    requires kMayBeAbsent
  {
    return Try([&] { Delete(); });
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

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_ITEM_H_
