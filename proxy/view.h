// SPDX-License-Identifier: MIT
//
// A View is a chain of operations on an object that is not named yet: immutable data, which can be
// kept, printed, sent and evaluated on any object.
//
//   remoteobj::View view = remoteobj::View().GetAttribute("config").GetAttribute("timeout");
//   std::cout << view;                              // (?.config.timeout)
//   int timeout = remote.Of(view).Get<int>();       // on the object of a proxy
//
// Each method returns a view that is one operation longer. Setting and deleting end a view: it can
// still be evaluated, but not extended.
//
// Threads:  immutable values.
// Lifetime: a view owns its arguments. A name that is passed as a literal is not copied.
// Errors:   std::logic_error for a view that is extended after its end, std::invalid_argument for a
//           path with an empty name.
// Not here: typed members, which make such views (remoteobj/proxy/proxy.h); evaluation
//           (remoteobj/proxy/internal/evaluate.h).
#ifndef REMOTEOBJ_PROXY_VIEW_H_
#define REMOTEOBJ_PROXY_VIEW_H_

#include <array>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/stored.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {

namespace proxy_internal {

using transport_internal::Stored;

void PrintEncoded(std::string& out, const std::string& (*type)(),
                  absl::FunctionRef<void(ValueWriter)> write);

// Prints a value as a program would write it; one that can't be encoded, such as a proxy, as its
// type.
template <typename T>
void PrintValue(std::string& out, const T& value) {
  PrintEncoded(out, &TypeName<T>, [&](ValueWriter writer) { Encode(value, writer); });
}

// The arguments of an operation, of whatever types.
class Operands {
 public:
  virtual ~Operands() = default;
  virtual std::size_t size() const = 0;
  virtual void Write(const ListWriter& out, std::size_t from) const = 0;
  virtual void Print(std::string& out, std::size_t index) const = 0;
};

template <typename... T>
class OperandsOf final : public Operands {
 public:
  template <typename... U>
  explicit OperandsOf(std::in_place_t, U&&... values) : values_(std::forward<U>(values)...) {}

  std::size_t size() const override { return sizeof...(T); }

  void Write(const ListWriter& out, std::size_t from) const override {
    std::apply(
        [&](const T&... value) { transport_internal::EncodeArguments<T...>(out, from, value...); },
        values_);
  }

  void Print(std::string& out, std::size_t index) const override {
    std::size_t i = 0;
    std::apply([&](const T&... value) { ((i++ == index ? PrintValue(out, value) : void()), ...); },
               values_);
  }

 private:
  std::tuple<T...> values_;
};

// Null for none.
template <typename... T>
std::shared_ptr<const Operands> MakeOperands(T&&... values) {
  if constexpr (sizeof...(T) == 0) {
    return nullptr;
  } else {
    return std::make_shared<OperandsOf<Stored<T>...>>(std::in_place, std::forward<T>(values)...);
  }
}

// Arguments that an operation has already, and one more.
template <typename T>
class OperandsAnd final : public Operands {
 public:
  OperandsAnd(std::shared_ptr<const Operands> first, T last)
      : first_(std::move(first)), last_(std::move(last)) {}

  std::size_t size() const override { return first_size() + 1; }

  void Write(const ListWriter& out, std::size_t from) const override {
    if (first_ != nullptr) first_->Write(out, from);
    transport_internal::EncodeArgument<T>(last_, out[from + first_size()], first_size());
  }

  void Print(std::string& out, std::size_t index) const override {
    if (index < first_size()) return first_->Print(out, index);
    PrintValue(out, last_);
  }

 private:
  std::size_t first_size() const { return first_ == nullptr ? 0 : first_->size(); }

  std::shared_ptr<const Operands> first_;
  T last_;
};

// An operation without its arguments. For a described member it is a compile-time constant.
struct Step {
  OperationKind kind;
  std::uint16_t hint;
  std::string_view name;
};

struct Operation {
  OperationKind kind;
  std::uint16_t hint = 0;
  std::string_view name = {};  // Lives as long as the program, or in:
  std::shared_ptr<const std::string> own_name = {};
  std::shared_ptr<const Operands> operands = {};  // Null if there are none.

  Step step() const { return {kind, hint, name}; }
};

inline void WriteOperation(const OperationsWriter& out, std::size_t i, const Step& step,
                           const Operands* operands) {
  out.Set(i, step.kind, step.name, step.hint);
  if (operands != nullptr) operands->Write(out.Arguments(i, operands->size()), 0);
}

}  // namespace proxy_internal

class View {
 public:
  View() = default;

  View GetAttribute(std::string name) const;
  template <typename T>
  View SetAttribute(std::string name, T&& value) const {
    return Extend(OperationKind::kSetAttribute, std::move(name),
                  proxy_internal::MakeOperands(std::forward<T>(value)));
  }
  View DeleteAttribute(std::string name) const;

  template <typename K>
  View GetItem(K&& key) const {
    return Extend(OperationKind::kGetItem, {}, proxy_internal::MakeOperands(std::forward<K>(key)));
  }
  template <typename K, typename T>
  View SetItem(K&& key, T&& value) const {
    return Extend(OperationKind::kSetItem, {},
                  proxy_internal::MakeOperands(std::forward<K>(key), std::forward<T>(value)));
  }
  template <typename K>
  View DeleteItem(K&& key) const {
    return Extend(OperationKind::kDeleteItem, {},
                  proxy_internal::MakeOperands(std::forward<K>(key)));
  }

  template <typename... A>
  View Call(A&&... arguments) const {
    return Extend(OperationKind::kCall, {},
                  proxy_internal::MakeOperands(std::forward<A>(arguments)...));
  }
  template <typename K>
  View Contains(K&& key) const {
    return Extend(OperationKind::kContains, {}, proxy_internal::MakeOperands(std::forward<K>(key)));
  }
  View Length() const;
  View Super(std::string base) const;
  View Exists() const;

  // The members named by a path, "config.timeout"; an empty path is this view.
  View Attributes(std::string_view path) const;

  // With "?" in the place of the object: (?.data["a"]), (?.Toggle(true)). Errors have its type
  // there.
  std::string ToString() const;

  std::size_t size() const { return operations_.size(); }
  const proxy_internal::Operation& operator[](std::size_t i) const { return operations_[i]; }

  // Appends an operation that is known already, as typed members do.
  View Extend(proxy_internal::Operation operation) const&;
  View Extend(proxy_internal::Operation operation) &&;

  // The operations of `view` after this one's.
  View Extend(const View& view) const;

  // Writes all operations, into the first places of `out`.
  void Write(const OperationsWriter& out) const;

 private:
  View Extend(OperationKind kind, std::string name,
              std::shared_ptr<const proxy_internal::Operands> operands) const;
  void CheckOpen() const;

  absl::InlinedVector<proxy_internal::Operation, 3> operations_;
};

std::ostream& operator<<(std::ostream& out, const View& view);

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_VIEW_H_
