// SPDX-License-Identifier: MIT
#include "remoteobj/manager/internal/data_types.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/internal/dict_object.h"
#include "remoteobj/manager/internal/list_object.h"
#include "remoteobj/manager/internal/values.h"
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
}

}  // namespace remoteobj::manager_internal
