// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/types/data_types.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/server/cycles.h"
#include "remoteobj/manager/server/types/array_object.h"
#include "remoteobj/manager/server/types/dict_object.h"
#include "remoteobj/manager/server/types/list_object.h"
#include "remoteobj/manager/server/types/namespace_object.h"
#include "remoteobj/manager/server/types/set_object.h"
#include "remoteobj/manager/server/types/value_object.h"
#include "remoteobj/manager/server/types/values.h"
#include "remoteobj/proxy/internal/type_info_of.h"

namespace remoteobj::manager_internal {
namespace {

// T implements Interface, and is constructed from a Contents.
template <typename T, typename Interface, typename Contents>
void Add(Registry& types, std::string type_id) {
  types.Add(std::move(type_id),
            {.name = TypeName<T>(),
             .info = &proxy_internal::TypeOf<Interface>(),
             .make = [](const ListReader& arguments) -> std::shared_ptr<Interface> {
               return std::make_shared<T>(Initially<Contents>(arguments));
             },
             .scan = ScanOf<T, Interface>(),
             .built_in = true});
}

}  // namespace

void AddDataTypes(Registry& types) {
  Add<DictObject, DictInterface<AnyValue, AnyValue>, DictObject::Items>(types, "Dict");
  Add<ListObject, ListInterface<AnyValue>, ListObject::Values>(types, "List");
  Add<SetObject, SetInterface<AnyValue, Elements<AnyValue>>, SetObject::Values>(types, "Set");
  Add<NamespaceObject, NamespaceInterface<AnyValue>, NamespaceObject::Attributes>(types,
                                                                                  "Namespace");
  Add<ValueObject, ValueInterface<AnyValue>, AnyValue>(types, "Value");
  Add<ArrayObject, ArrayInterface<AnyValue, NumbersOfAnyType>, NumbersOfAnyType>(types, "Array");
}

}  // namespace remoteobj::manager_internal
