// SPDX-License-Identifier: MIT
//
// What functions of this program are called.
//
// absl::Symbolize would know that, too. But it keeps files open, and reads where their common
// position is: of processes that are forks of each other, each moves it for the others.
//
// Threads:  no state.
// Errors:   what can't be known is an empty string.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_SYMBOLS_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_SYMBOLS_H_

#include <cstdint>
#include <string>

namespace remoteobj::except_internal {

// The name of the function that `pc` is in, as its symbol has it, from the program's file or from
// the shared library's. Static functions are found unless the file is stripped.
std::string SymbolAt(std::uintptr_t pc);

// The name for people: without arguments, template arguments and type of the result.
// "lab::Middle()", "main::{lambda()#1}::operator()()".
std::string ShortName(const std::string& symbol);

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_SYMBOLS_H_
