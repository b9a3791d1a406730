// SPDX-License-Identifier: MIT
//
// The server's side of remoteobj/manager/namespace.h.
//
// Threads:  under the server's lock.
// Errors:   std::out_of_range for a name that is not there; std::invalid_argument for one that
//           can't be.
#ifndef REMOTEOBJ_MANAGER_SERVER_TYPES_NAMESPACE_OBJECT_H_
#define REMOTEOBJ_MANAGER_SERVER_TYPES_NAMESPACE_OBJECT_H_

#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "remoteobj/manager/namespace.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/transport/wire/any_value.h"

namespace remoteobj::manager_internal {

class NamespaceObject final : public NamespaceInterface<AnyValue> {
 public:
  using Attributes = std::map<std::string, AnyValue>;

  explicit NamespaceObject(Attributes attributes);

  AnyValue at(const std::string& name) const override;
  bool contains(const std::string& name) const override { return attributes_.count(name) != 0; }
  std::vector<std::string> names() const override;
  // Namespace(a=1, b=2)
  std::string to_string() const override;

  void set(const std::string& name, AnyValue value) override;
  void remove(const std::string& name) override;

  void Scan(ReferenceScan& scan) const {
    auto at = attributes_.upper_bound(scan.last_name);
    scan.Look(at, attributes_.end(), [&](const auto& one) { scan.Add(one.second); });
    if (!scan.done) scan.last_name = std::prev(at)->first;
  }

 private:
  Attributes attributes_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_SERVER_TYPES_NAMESPACE_OBJECT_H_
