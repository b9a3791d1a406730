// SPDX-License-Identifier: MIT
//
// Which line of which file a piece of code comes from, where that can be known: the program has
// debug information (-g, not stripped), and the machine has libdw (of elfutils), which is looked
// for when first needed and not linked against.
//
// Threads:  the caller excludes them.
// Errors:   what can't be known is an empty string.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_SOURCE_LINES_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_SOURCE_LINES_H_

#include <cstdint>
#include <string>

namespace remoteobj::except_internal {

// As "path/file.cc:12".
std::string SourceLine(std::uintptr_t pc);

// Whether libdw is there.
bool HasSourceLines();

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_SOURCE_LINES_H_
