// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/source_lines.h"

#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "remoteobj/except/internal/loader_lock.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj::except_internal {
namespace {

// The needed part of elfutils/libdwfl.h, whose ABI is stable.
struct Dwfl;
struct DwflModule;
struct DwflLine;
using Address = std::uint64_t;
using Callback = int (*)();
struct DwflCallbacks {
  Callback find_elf;
  Callback find_debuginfo;
  Callback section_address;
  char** debuginfo_path;
};

// Reads debug information in the program's own files only: no search in directories, no server.
int NoSeparateDebugInfo() { return -1; }

class Libdw {
 public:
  Libdw() {
    void* const library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    const auto find = [&](const char* name, auto& function) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    there_ = find("dwfl_linux_proc_find_elf", callbacks_.find_elf) && find("dwfl_begin", begin_) &&
             find("dwfl_end", end_) && find("dwfl_linux_proc_report", report_) &&
             find("dwfl_report_end", report_end_) && find("dwfl_addrmodule", module_of_) &&
             find("dwfl_module_getsrc", line_of_) && find("dwfl_lineinfo", line_info_);
  }

  bool there() const { return there_; }

  std::string LineOf(Address pc) {
    DwflModule* const module = ModuleOf(pc);
    DwflLine* const line = module == nullptr ? nullptr : line_of_(module, pc);
    if (line == nullptr) return {};
    int number = 0;
    const char* const file = line_info_(line, nullptr, &number, nullptr, nullptr, nullptr);
    return file == nullptr ? std::string() : absl::StrCat(file, ":", number);
  }

 private:
  // Reads the list of loaded libraries again if `pc` is in none of the known ones.
  DwflModule* ModuleOf(Address pc) {
    if (!there_) return nullptr;
    DwflModule* module = session_ == nullptr ? nullptr : module_of_(session_, pc);
    if (module != nullptr) return module;
    if (session_ != nullptr) end_(session_);
    session_ = begin_(&callbacks_);
    if (session_ == nullptr) return nullptr;
    report_(session_, getpid());
    report_end_(session_, nullptr, nullptr);
    return module_of_(session_, pc);
  }

  DwflCallbacks callbacks_ = {nullptr, &NoSeparateDebugInfo, nullptr, nullptr};
  Dwfl* (*begin_)(const DwflCallbacks*) = nullptr;
  void (*end_)(Dwfl*) = nullptr;
  int (*report_)(Dwfl*, pid_t) = nullptr;
  int (*report_end_)(Dwfl*, void*, void*) = nullptr;
  DwflModule* (*module_of_)(Dwfl*, Address) = nullptr;
  DwflLine* (*line_of_)(DwflModule*, Address) = nullptr;
  const char* (*line_info_)(DwflLine*, Address*, int*, int*, Address*, Address*) = nullptr;
  Dwfl* session_ = nullptr;
  bool there_ = false;
};

Libdw& TheLibdw() {
  return transport_internal::MadeOnce([] { return new Libdw; });
}

}  // namespace

std::string SourceLine(std::uintptr_t pc) { return TheLibdw().LineOf(pc); }

bool HasSourceLines() {
  const LoaderLock lock;
  return TheLibdw().there();
}

}  // namespace remoteobj::except_internal
