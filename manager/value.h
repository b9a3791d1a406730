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
// Threads:  thread-safe: each call is one step, whoever else calls.
// Lifetime: a proxy keeps its object alive. Assigning a proxy makes it one of the other's object.
// Errors:   std::overflow_error if a sum does not fit T; BadValue for a proxy of another type.
#ifndef REMOTEOBJ_MANAGER_VALUE_H_
#define REMOTEOBJ_MANAGER_VALUE_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/elements.h"
#include "remoteobj/manager/internal/item.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

template <typename T>
class Value;

// What the arrow leads to.
template <typename T>
class ValueMethods : public manager_internal::MethodsOf<Value<T>> {
 public:
  T get() const { return this->template Ask<T>("at"); }
  void set(const T& value) const { this->template Ask<void>("set", value); }
  // Sets it. Returns what it was.
  T exchange(const T& value) const { return this->template Ask<T>("exchange", value); }
  // Sets it if it is the expected one: if both are encoded alike. Returns whether it was.
  bool compare_exchange(const T& expected, const T& desired) const {
    return this->template Ask<bool>("compare_exchange", expected, desired);
  }
  // As it would be written in a program, cut short.
  std::string to_string() const { return this->template Ask<std::string>("to_string"); }

 private:
  friend class Value<T>;
  ValueMethods() = default;
  ValueMethods(const ValueMethods&) = default;
  ValueMethods& operator=(const ValueMethods&) = default;
};

template <typename T>
class Value : public manager_internal::Shared, private ValueMethods<T> {
  static_assert(manager_internal::kStorable<T>,
                "remoteobj: a Value needs a type (T here) that can be sent and received by value: "
                "describe it with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
  using Methods = ValueMethods<T>;
  using Item = manager_internal::Item<T, /*kMayBeAbsent=*/false>;

 public:
  static constexpr std::string_view kTypeId = "Value";
  static std::string Type() { return absl::StrCat("Value<", TypeName<T>(), ">"); }
  // What a new one is made of.
  using Contents = T;
  static AnyValue Arguments(const T& value = T()) { return manager_internal::OneArgument(value); }

  // Of no object, until another is assigned to it.
  Value() = default;
  explicit Value(const Reference& reference) : Shared(reference, Type()) {}

  const Methods* operator->() const { return this; }
  // A copy, and const: changing it here would change nothing there.
  const T operator*() const { return Methods::get(); }
  const Value& operator=(const T& value) const {
    Methods::set(value);
    return *this;
  }

  // On the server for numbers and texts. Others are got, added to and put back until nobody came
  // between.
  template <typename X = T>
    requires requires(const Item& item, const X& by) { item += by; }
  const Value& operator+=(const X& by) const {
    Item(*this) += by;
    return *this;
  }
  template <typename X = T>
    requires requires(const Item& item, const X& by) { item -= by; }
  const Value& operator-=(const X& by) const {
    Item(*this) -= by;
    return *this;
  }

 private:
  friend Methods;
  friend manager_internal::MethodsOf<Value>;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_VALUE_H_
