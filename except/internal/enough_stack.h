// SPDX-License-Identifier: MIT
//
// Runs what needs a large stack where the thread's own may be small, as fibers and the threads of
// embedded programs have them: to demangle a name takes more than a hundred bytes for each of its
// characters.
//
// Threads:  thread-safe.
// Errors:   none.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_ENOUGH_STACK_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_ENOUGH_STACK_H_

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace remoteobj::except_internal {

// Calls `f`, here if so much is left of the stack, else on a thread that ends with the call.
// Returns false if there can be no thread, or `f` has thrown there.
bool WithStack(std::size_t bytes, absl::FunctionRef<void()> f);

// abi::__cxa_demangle, or null.
char* Demangle(const char* mangled);

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_ENOUGH_STACK_H_
