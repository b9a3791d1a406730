// SPDX-License-Identifier: MIT
//
// Runs code that needs a large stack on threads whose own may be small, such as fibers: demangling
// a name takes more than a hundred bytes per character.
//
// Threads:  thread-safe.
// Errors:   none.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_ENOUGH_STACK_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_ENOUGH_STACK_H_

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace remoteobj::except_internal {

// Calls `f`: on this thread if that much stack is left, otherwise on a temporary one. Returns false
// if no thread can be created, or `f` threw there.
bool WithStack(std::size_t bytes, absl::FunctionRef<void()> f);

// abi::__cxa_demangle, or null.
char* Demangle(const char* mangled);

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_ENOUGH_STACK_H_
