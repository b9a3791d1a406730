// SPDX-License-Identifier: MIT
//
// One value in a manager's process, which others share.
//
//   Value<int> v = manager.Value<int>(5);
//   v = 6;                                              // the dot: the value of the proxy
//   v += 1;                                             // atomic: it is added there
//   const int seven = *v;
//   v->exchange(8); v->compare_exchange(8, 9);          // the arrow: the object
//
// Threads:  thread-safe: each call is atomic.
// Lifetime: a proxy keeps its object alive. After an assignment of another proxy it refers to that
//           one's object.
// Errors:   std::overflow_error if a sum does not fit T; BadValue for a proxy of another type; the
//           errors of a call to a manager (shared_proxy.h).
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_VALUE_H_
#define REMOTEOBJ_MANAGER_VALUE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/containers.h"
#include "remoteobj/manager/item.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

// The operations of a value: `v->` leads to them. The manager implements them for values of any
// type (T is AnyValue there).
template <typename T>
class ValueInterface {
 public:
  virtual ~ValueInterface() = default;

  virtual T get() const = 0;
  virtual void set(T value) = 0;
  // Sets the value. Returns the one before.
  virtual T exchange(T value) = 0;
  // Sets the value if its encoding equals that of `expected`. Returns true if it did.
  virtual bool compare_exchange(const T& expected, T desired) = 0;
  // The value as in source code, cut short.
  virtual std::string to_string() const = 0;

  // The implementation of += and -=: adds or subtracts a number of that type; appends to a text.
  virtual void add(const T& by, ElementType type, bool minus) = 0;
  virtual void append(const T& by) = 0;
  T at() const { return get(); }
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T), (ValueInterface<T>), get, set, exchange, compare_exchange,
                            to_string, add, append, at)

template <typename T>
class Value final : public SharedProxy<Value<T>, ValueInterface<T>> {
  static_assert(manager_internal::kStorable<T>,
                "remoteobj: a Value needs a type (T here) that can be sent and received by value: "
                "describe it with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Interface = ValueInterface<T>;
  using Item = ItemView<T, Interface, ValueInterface<AnyValue>>;

 public:
  static constexpr std::string_view kTypeId = "Value";
  static std::string Type() { return absl::StrCat("Value<", TypeName<T>(), ">"); }
  // The initial contents.
  using Contents = T;
  static AnyValue Arguments(const T& value = T(), Attachments& offers = Attachments::None()) {
    return manager_internal::OneArgument(value, offers);
  }

  using SharedProxy<Value, Interface>::SharedProxy;

  // Returns a copy. It is const, since changing it would not change the value in the manager.
  const T operator*() const { return (*this)->get(); }
  // Sets the value: v->set().
  const Value& operator=(const T& value) const {
    (*this)->set(value);
    return *this;
  }
  // The same, with a status. Never throw.
  absl::StatusOr<T> TryGet() const { return (*this)->get.TryCall(); }
  absl::Status TrySet(const T& value) const { return (*this)->set.TryCall(value); }

  // Numbers are added, and texts appended, in the manager: one call. Other values are read, changed
  // here and written by compare_exchange(), until no other change interferes: two calls or more.
  template <typename X = T>
    requires requires(const Item& item, const X& by) { item += by; }
  const Value& operator+=(const X& by) const {
    Item(this->template As<Interface>()) += by;
    return *this;
  }
  template <typename X = T>
    requires requires(const Item& item, const X& by) { item -= by; }
  const Value& operator-=(const X& by) const {
    Item(this->template As<Interface>()) -= by;
    return *this;
  }
  // += and -= with a status. Never throw.
  template <typename X = T>
    requires requires(const Item& item, const X& by) { item += by; }
  absl::Status TryAdd(const X& by) const {
    return Item(this->template As<Interface>()).TryAdd(by);
  }
  template <typename X = T>
    requires requires(const Item& item, const X& by) { item -= by; }
  absl::Status TrySubtract(const X& by) const {
    return Item(this->template As<Interface>()).TrySubtract(by);
  }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_VALUE_H_
