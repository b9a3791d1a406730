// SPDX-License-Identifier: MIT
//
// Named values of any types in a manager's process, which others share.
//
//   Namespace ns = manager.Namespace();
//   ns.Set("x", 10);
//   ns.Set("name", "left");
//   const int ten = ns.Get<int>("x");
//   ns.Has("y"); ns.Delete("x"); ns.Names();
//
// Names do not begin with "_".
//
// Threads:  thread-safe: each call is one step, whoever else calls.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for a name that is not there; BadValue for a value of another type;
//           std::invalid_argument for a name that can't be.
#ifndef REMOTEOBJ_MANAGER_NAMESPACE_H_
#define REMOTEOBJ_MANAGER_NAMESPACE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/manager/internal/elements.h"
#include "remoteobj/manager/internal/shared.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

class Namespace : public manager_internal::Shared {
 public:
  static constexpr std::string_view kTypeId = "Namespace";
  static std::string Type() { return "Namespace"; }
  // What a new one is made of.
  using Contents = std::map<std::string, AnyValue>;
  static AnyValue Arguments(const Contents& attributes = {}) {
    return manager_internal::OneArgument(attributes);
  }

  // Of no object, until another is assigned to it.
  Namespace() = default;
  explicit Namespace(const Reference& reference) : Shared(reference, Type()) {}

  // So that the arrow leads to the object, as it does elsewhere.
  const Namespace* operator->() const { return this; }

  template <typename T>
  void Set(std::string_view name, const T& value) const {
    static_assert(proxy_internal::kSendable<proxy_internal::Stored<T>>,
                  "remoteobj: an attribute needs a type (T here) that can be sent by value: "
                  "describe it with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
    Call<void>("set", name, value);
  }
  // A copy, and const: changing it here would change nothing there.
  template <typename T>
  const T Get(std::string_view name) const {
    try {
      return Call<T>("at", name);
    } catch (const BadValue& e) {
      throw BadValue(absl::StrCat("attribute \"", std::string(name), "\": ", e.what()));
    }
  }
  bool Has(std::string_view name) const { return Call<bool>("contains", name); }
  void Delete(std::string_view name) const { Call<void>("remove", name); }
  // Sorted.
  std::vector<std::string> Names() const { return Call<std::vector<std::string>>("names"); }

  // Namespace(a=1, b=2), cut short.
  std::string to_string() const { return Call<std::string>("to_string"); }
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_NAMESPACE_H_
