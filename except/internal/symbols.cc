// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "remoteobj/except/internal/enough_stack.h"

namespace remoteobj::except_internal {
namespace {

// The program or library that contains an address.
struct Module {
  std::uintptr_t pc;
  std::string path = {};
  std::uintptr_t base = 0;
};

int FindModule(dl_phdr_info* info, std::size_t, void* argument) {
  auto& module = *static_cast<Module*>(argument);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    // An address below the segment wraps around.
    if (part.p_type != PT_LOAD || module.pc - info->dlpi_addr - part.p_vaddr >= part.p_memsz) {
      continue;
    }
    module.path = info->dlpi_name[0] == '\0' ? "/proc/self/exe" : info->dlpi_name;
    module.base = info->dlpi_addr;
    return 1;
  }
  return 0;
}

class ElfFile {
 public:
  explicit ElfFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    ElfW(Ehdr) header;
    if (!Read(0, &header, 1) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_shentsize != sizeof(ElfW(Shdr))) {
      return;
    }
    sections_.resize(header.e_shnum);
    if (!Read(header.e_shoff, sections_.data(), sections_.size())) sections_.clear();
  }
  ~ElfFile() {
    if (fd_ >= 0) close(fd_);
  }
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  // Returns the symbol at `address`: of all symbols, or of the exported ones if there are no
  // others.
  std::string FunctionAt(std::uintptr_t address) const {
    for (const unsigned type : {SHT_SYMTAB, SHT_DYNSYM}) {
      for (const ElfW(Shdr) & section : sections_) {
        if (section.sh_type != type || section.sh_link >= sections_.size()) continue;
        std::string name = FunctionIn(section, sections_[section.sh_link], address);
        if (!name.empty()) return name;
      }
    }
    return {};
  }

 private:
  template <typename T>
  bool Read(std::uint64_t offset, T* to, std::size_t count) const {
    return fd_ >= 0 && pread(fd_, to, count * sizeof(T), static_cast<off_t>(offset)) ==
                           static_cast<ssize_t>(count * sizeof(T));
  }

  std::string FunctionIn(const ElfW(Shdr) & symbols, const ElfW(Shdr) & names,
                         std::uintptr_t address) const {
    std::vector<ElfW(Sym)> some(4096);
    const std::uint64_t count = symbols.sh_size / sizeof some[0];
    for (std::uint64_t i = 0; i < count; i += some.size()) {
      some.resize(std::min<std::uint64_t>(some.size(), count - i));
      if (!Read(symbols.sh_offset + i * sizeof some[0], some.data(), some.size())) return {};
      for (const ElfW(Sym) & symbol : some) {
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
            address - symbol.st_value >= symbol.st_size) {
          continue;
        }
        return NameAt(names, symbol.st_name);
      }
    }
    return {};
  }

  std::string NameAt(const ElfW(Shdr) & names, std::uint64_t at) const {
    if (at >= names.sh_size) return {};
    constexpr std::uint64_t kMaxName = 4096;
    std::string name(std::min(kMaxName, names.sh_size - at), '\0');
    if (!Read(names.sh_offset + at, name.data(), name.size())) return {};
    name.resize(std::strlen(name.c_str()));
    return name;
  }

  const int fd_;
  std::vector<ElfW(Shdr)> sections_;
};

// Returns the position of the bracket that matches the closing one before `end`.
std::size_t Opening(std::string_view text, std::size_t end) {
  int depth = 0;
  while (end-- > 0) {
    if (text[end] == ')') ++depth;
    if (text[end] == '(' && --depth == 0) return end;
  }
  return std::string_view::npos;
}

// Removes template arguments, but not the brackets of an operator's name.
std::string WithoutTemplateArguments(std::string_view text) {
  constexpr std::string_view kOperator = "operator";
  std::string result;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (depth == 0 && text.substr(i).starts_with(kOperator)) {
      std::size_t end = text.find_first_not_of("<>=-", i + kOperator.size());
      if (end == std::string_view::npos) end = text.size();
      result += text.substr(i, end - i);
      i = end - 1;
      continue;
    }
    if (text[i] == '>') --depth;
    if (depth == 0) result += text[i];
    if (text[i] == '<') ++depth;
  }
  return result;
}

// Removes the return type, which precedes the name of a template.
std::string_view WithoutResult(std::string_view text) {
  int depth = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    if (text[i] == ')' || text[i] == '}') ++depth;
    if (text[i] == '(' || text[i] == '{') --depth;
    // "operator new", "operator int".
    if (text[i] == ' ' && depth == 0 && !text.substr(0, i).ends_with("operator")) {
      return text.substr(i + 1);
    }
  }
  return text;
}

}  // namespace

std::string SymbolAt(std::uintptr_t pc) {
  Module module{pc};
  if (dl_iterate_phdr(&FindModule, &module) == 0) return {};
  return ElfFile(module.path).FunctionAt(pc - module.base);
}

std::string ShortName(const std::string& symbol) {
  char* const demangled = Demangle(symbol.c_str());
  if (demangled == nullptr) return symbol + "()";
  std::string name = WithoutTemplateArguments(demangled);
  std::free(demangled);
  constexpr std::string_view kAbi = "[abi:cxx11]";
  for (std::size_t at; (at = name.find(kAbi)) != std::string::npos;) name.erase(at, kAbi.size());
  std::string_view text = name;
  // " const", " [clone .cold]" and the like.
  text = text.substr(0, text.find(" [clone"));
  const std::size_t arguments_end = text.rfind(')');
  if (arguments_end == std::string_view::npos) return name;
  const std::size_t arguments = Opening(text, arguments_end + 1);
  if (arguments == std::string_view::npos || arguments == 0) return name;
  return std::string(WithoutResult(text.substr(0, arguments))) + "()";
}

}  // namespace remoteobj::except_internal
