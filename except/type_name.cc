// SPDX-License-Identifier: MIT
#include "remoteobj/except/type_name.h"

#include <cxxabi.h>

#include <cstdlib>
#include <string_view>

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
  int status = 0;
  char* demangled = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : type.name();
  std::free(demangled);
  Replace(name, "__cxx11::", "");
  Replace(name, "std::__1::", "std::");
  Replace(name, "std::basic_string<char, std::char_traits<char>, std::allocator<char> >",
          "std::string");
  Replace(name, " >", ">");
  return name;
}

}  // namespace remoteobj
