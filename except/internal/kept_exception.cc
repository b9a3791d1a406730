// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/kept_exception.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <typeinfo>

#include "remoteobj/except/internal/loader_lock.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj::except_internal {
namespace {

const void* BaseOf(const void* address, const char** path) {
  Dl_info found;
  if (dladdr(address, &found) == 0) return nullptr;
  if (path != nullptr) *path = found.dli_fname;
  return found.dli_fbase;
}

// Null for the program itself, or if the library can't be found.
std::shared_ptr<void> LibraryOf(const std::exception_ptr& exception) {
  const std::type_info* const type =
      exception == nullptr ? nullptr : exception.__cxa_exception_type();
  if (type == nullptr) return nullptr;
  const LoaderLock lock;
  const void* const program = transport_internal::MadeOnce([] {
    return new const void* const(
        BaseOf(reinterpret_cast<const void*>(getauxval(AT_PHDR)), nullptr));
  });
  const char* path = nullptr;
  const void* const base = BaseOf(type, &path);
  if (base == nullptr || base == program || path == nullptr) return nullptr;
  void* const library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  return std::shared_ptr<void>(library, [](void* loaded) {
    const LoaderLock lock_of_end;
    dlclose(loaded);
  });
}

}  // namespace

KeptException::KeptException(std::exception_ptr exception)
    : library_(LibraryOf(exception)), exception_(std::move(exception)) {}

}  // namespace remoteobj::except_internal
