// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/data_types.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/array_object.h"
#include "remoteobj/manager/server/dict_object.h"
#include "remoteobj/manager/server/list_object.h"
#include "remoteobj/manager/server/namespace_object.h"
#include "remoteobj/manager/server/set_object.h"
#include "remoteobj/manager/server/value_object.h"
#include "remoteobj/manager/server/values.h"
#include "remoteobj/proxy/internal/type_info_of.h"

namespace remoteobj::manager_internal {
namespace {

// Of an object that is made of a Contents.
template <typename T, typename Contents>
void Add(Registry& types, std::string type_id) {
  types.Add(std::move(type_id), {.name = TypeName<T>(),
                                 .info = &proxy_internal::TypeOf<T>(),
                                 .make =
                                     [](const ListReader& arguments) {
                                       return std::make_shared<T>(Initially<Contents>(arguments));
                                     },
                                 .built_in = true});
}

}  // namespace

void AddDataTypes(Registry& types) {
  Add<DictObject, DictObject::Items>(types, "Dict");
  Add<ListObject, ListObject::Values>(types, "List");
  Add<SetObject, SetObject::Values>(types, "Set");
  Add<NamespaceObject, NamespaceObject::Attributes>(types, "Namespace");
  Add<ValueObject, AnyValue>(types, "Value");
  Add<ArrayObject, Numbers>(types, "Array");
}

}  // namespace remoteobj::manager_internal
