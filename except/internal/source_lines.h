// SPDX-License-Identifier: MIT
//
// File and line of code addresses, if the program has debug information (-g, not stripped) and the
// machine has libdw (of elfutils), which is loaded at the first use and not linked against.
//
// Threads:  the caller of SourceLine() holds a LoaderLock.
// Errors:   an empty string if the line is not known.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_SOURCE_LINES_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_SOURCE_LINES_H_

#include <cstdint>
#include <string>

namespace remoteobj::except_internal {

// Returns "path/file.cc:12".
std::string SourceLine(std::uintptr_t pc);

// Returns true if libdw could be loaded.
bool HasSourceLines();

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_SOURCE_LINES_H_
