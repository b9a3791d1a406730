// SPDX-License-Identifier: MIT
//
// Named values of any types in a manager's process, which others share.
//
//   Namespace ns = manager.Namespace();
//   ns.Set("x", 10);
//   ns.Set("name", "left");
//   const int ten = ns.Get<int>("x");
//   ns.Has("y"); ns.Delete("x"); ns.Names();
//   ns->contains.Async("y");                            // as with any described class
//
// Names do not begin with "_".
//
// Threads:  thread-safe: each call is atomic.
// Lifetime: a proxy keeps its object alive.
// Errors:   std::out_of_range for a name that is not there; BadValue for a value of another type;
//           std::invalid_argument for a name that can't be; the errors of a call to a manager
//           (shared_proxy.h).
// Not here: what all proxies have, Timeout() and ==: shared_proxy.h.
#ifndef REMOTEOBJ_MANAGER_NAMESPACE_H_
#define REMOTEOBJ_MANAGER_NAMESPACE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/except/try.h"
#include "remoteobj/manager/internal/containers.h"
#include "remoteobj/manager/shared_proxy.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

// The operations of a namespace: `ns->` leads to them, with T = AnyValue, as in the manager.
template <typename T>
class NamespaceInterface {
 public:
  virtual ~NamespaceInterface() = default;

  // Throws std::out_of_range if the name is not there.
  virtual T at(const std::string& name) const = 0;
  virtual bool contains(const std::string& name) const = 0;
  // Sorted.
  virtual std::vector<std::string> names() const = 0;
  // Throws std::invalid_argument for a name that begins with "_".
  virtual void set(const std::string& name, T value) = 0;
  // Throws std::out_of_range if the name is not there.
  virtual void remove(const std::string& name) = 0;

  // Namespace(a=1, b=2), cut short.
  virtual std::string to_string() const = 0;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T), (NamespaceInterface<T>), at, contains, names, set, remove,
                            to_string)

class Namespace final : public SharedProxy<Namespace, NamespaceInterface<AnyValue>> {
 public:
  static constexpr std::string_view kTypeId = "Namespace";
  static std::string Type() { return "Namespace"; }
  // The initial contents.
  using Contents = std::map<std::string, AnyValue>;
  static AnyValue Arguments(const Contents& attributes = {},
                            Attachments& offers = Attachments::None());

  using SharedProxy::SharedProxy;

  // Sets or inserts the value. Throws std::invalid_argument for a name that begins with "_".
  template <typename T>
  void Set(std::string_view name, const T& value) const {
    using Sent = proxy_internal::Stored<T>;
    static_assert(proxy_internal::kSendable<Sent>,
                  "remoteobj: an attribute needs a type (T here) that can be sent by value: "
                  "describe it with REMOTEOBJ_DESCRIBE, or specialise remoteobj::Codec");
    As<NamespaceInterface<Sent>>()->set(std::string(name), value);
  }
  // Returns a copy. Throws std::out_of_range if the name is not there, BadValue if the value is no
  // T.
  template <typename T>
  T Get(std::string_view name) const {
    try {
      return As<NamespaceInterface<T>>()->at(std::string(name));
    } catch (const BadValue& e) {
      throw BadValue(absl::StrCat("attribute \"", std::string(name), "\": ", e.what()));
    }
  }
  // Returns true if the name is there.
  bool Has(std::string_view name) const;
  // Throws std::out_of_range if the name is not there.
  void Delete(std::string_view name) const;
  // Sorted.
  std::vector<std::string> Names() const;

  // The same, with a status. Never throw.
  template <typename T>
  absl::Status TrySet(std::string_view name, const T& value) const {
    return Try([&] { Set(name, value); });
  }
  template <typename T>
  absl::StatusOr<T> TryGet(std::string_view name) const {
    return Try([&] { return Get<T>(name); });
  }
  absl::StatusOr<bool> TryHas(std::string_view name) const;
  absl::Status TryDelete(std::string_view name) const;
  absl::StatusOr<std::vector<std::string>> TryNames() const;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_MANAGER_NAMESPACE_H_
