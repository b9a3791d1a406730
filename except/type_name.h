// SPDX-License-Identifier: MIT
//
// Names of types, for people and for messages: "std::out_of_range", "app::Counter".
//
// Threads:  thread-safe.
#ifndef REMOTEOBJ_EXCEPT_TYPE_NAME_H_
#define REMOTEOBJ_EXCEPT_TYPE_NAME_H_

#include <string>
#include <typeinfo>

#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj {

// Returns the name as the compiler demangles it, without the inline namespaces of the standard
// library.
std::string TypeName(const std::type_info& type);

template <typename T>
const std::string& TypeName() {
  return transport_internal::MadeOnce([] { return new const std::string(TypeName(typeid(T))); });
}

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_TYPE_NAME_H_
