// SPDX-License-Identifier: MIT
#include "remoteobj/except/type_name.h"

#include <cstdlib>
#include <string_view>

#include "remoteobj/except/internal/enough_stack.h"

namespace remoteobj {
namespace {

void Replace(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

}  // namespace

std::string TypeName(const std::type_info& type) {
  char* demangled = except_internal::Demangle(type.name());
  std::string name = demangled != nullptr ? demangled : type.name();
  std::free(demangled);
  Replace(name, "__cxx11::", "");
  Replace(name, "std::__1::", "std::");
  Replace(name, "std::basic_string<char, std::char_traits<char>, std::allocator<char> >",
          "std::string");
  Replace(name, " >", ">");
  return name;
}

}  // namespace remoteobj
