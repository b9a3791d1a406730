// SPDX-License-Identifier: MIT
//
// Names of the functions of this program.
//
// absl::Symbolize() is no substitute: it keeps files open and reads at their current position,
// which a process shares with its forks.
//
// Threads:  thread-safe; the caller of SymbolAt() holds a LoaderLock.
// Errors:   an empty string if the name is not known.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_SYMBOLS_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_SYMBOLS_H_

#include <cstdint>
#include <string>

namespace remoteobj::except_internal {

// Returns the symbol of the function that contains `pc`, from the file of the program or of the
// shared library. Static functions are found unless the file is stripped.
std::string SymbolAt(std::uintptr_t pc);

// Returns the demangled name without arguments, template arguments and return type:
// "lab::Middle()", "main::{lambda()#1}::operator()()".
std::string ShortName(const std::string& symbol);

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_SYMBOLS_H_
