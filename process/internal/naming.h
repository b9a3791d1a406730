// SPDX-License-Identifier: MIT
//
// Names for functions that run elsewhere.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_NAMING_H_
#define REMOTEOBJ_PROCESS_INTERNAL_NAMING_H_

#include <string>
#include <type_traits>

#include "remoteobj/process/internal/task.h"
#include "remoteobj/process/options.h"

namespace remoteobj::process_internal {

// The address of a function, for its name; null for any other callable.
template <typename F>
const void* AddressOf(const F& function) {
  if constexpr (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>) {
    return reinterpret_cast<const void*>(function);
  } else {
    return nullptr;
  }
}

template <typename F>
std::string NameOf(const ProcessOptions& options, const F& function, const char* fallback) {
  return options.name.empty() ? NameFor(AddressOf(function), fallback) : options.name;
}

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_NAMING_H_
