// SPDX-License-Identifier: MIT
//
// A manager in the very process, for tests of what it has.
//
//   InProcessManager manager(AddDataTypes);
//   auto d = manager.Make<Dict<std::string, int>>({{"a", 1}});
#ifndef REMOTEOBJ_MANAGER_TESTS_IN_PROCESS_MANAGER_H_
#define REMOTEOBJ_MANAGER_TESTS_IN_PROCESS_MANAGER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::manager_internal {

class InProcessManager {
 public:
  explicit InProcessManager(absl::FunctionRef<void(Registry&)> add_types)
      : server_([&] {
          Registry types;
          add_types(types);
          return types;
        }()) {}

  template <typename T>
  T Make() {
    return New<T>(T::Arguments());
  }
  // With what its Arguments take; a template, so that it can be in braces.
  template <typename T, typename Contents = typename T::Contents>
  T Make(const Contents& contents) {
    return New<T>(T::Arguments(contents));
  }

  std::size_t object_count() { return server_.object_count(); }
  Reference Find(std::uint64_t id) { return {server_.Find(id)}; }
  // Whatever the arguments are.
  Reference Create(std::string_view type_id, std::string_view type, const AnyValue& arguments) {
    Reference made;
    arguments.Read(
        [&](const ValueReader& in) { made.referent = server_.Make(type_id, type, in.AsList()); });
    return made;
  }

 private:
  template <typename T>
  T New(const AnyValue& arguments) {
    return T(Create(T::kTypeId, T::Type(), arguments));
  }

  ObjectServer server_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_TESTS_IN_PROCESS_MANAGER_H_
