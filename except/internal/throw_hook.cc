// SPDX-License-Identifier: MIT
//
// The hook by which tracebacks learn of throws: a __cxa_throw that notes the stack and jumps to the
// one of the C++ runtime.
//
// The symbol is weak. A program that links the runtime dynamically finds this definition first. In
// one that links it statically, the runtime's own (strong) definition replaces it: there are no
// tracebacks then, and nothing else changes. The same is so for any other strong definition, as of
// another library that hooks __cxa_throw.
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <typeinfo>

namespace remoteobj::except_internal {

// Defined in traceback.cc. Weak, since that target does not depend on this one, nor the reverse.
[[gnu::weak]] void NoteThrow(const void* object, const std::type_info* type,
                             const void* frame) noexcept;

namespace {

using CxaThrow = void (*)(void*, std::type_info*, void (*)(void*));

// The next definition: the C++ runtime's; or that of a sanitizer, which calls the runtime's.
CxaThrow NextCxaThrow() {
  static constinit std::atomic<CxaThrow> next = nullptr;  // Each thread finds the same.
  CxaThrow found = next.load(std::memory_order_relaxed);
  if (found != nullptr) return found;
  found = reinterpret_cast<CxaThrow>(dlsym(RTLD_NEXT, "__cxa_throw"));
  next.store(found, std::memory_order_relaxed);
  return found;
}

// Looked up once, early: a forked child may find the dynamic linker's lock taken.
[[maybe_unused]] const CxaThrow at_start = NextCxaThrow();

}  // namespace
}  // namespace remoteobj::except_internal

// Both runtimes, libstdc++ and libc++abi, define it in the same object file as __cxa_throw. If the
// runtime is an archive, this reference makes the linker take that file.
extern "C" void __cxa_rethrow();
extern "C" [[gnu::used]] void (*const remoteobj_link_the_runtimes_throw)() = &__cxa_rethrow;

extern "C" [[gnu::weak]] void __asan_handle_no_return();

// Clang links AddressSanitizer statically, with a weak __cxa_throw that comes before this one. It
// does what the function below does: it calls __asan_handle_no_return(), then the runtime's.
#define REMOTEOBJ_HOOK [[gnu::weak, gnu::visibility("default")]]
#ifdef __clang__
#if __has_feature(address_sanitizer)
#undef REMOTEOBJ_HOOK
#define REMOTEOBJ_HOOK [[gnu::visibility("default")]]
#endif
#endif

// It must jump to the next function, not call it: its own frame would have to be unwound. So it is
// declared under a name that the compiler does not know as one that never returns.
extern "C" REMOTEOBJ_HOOK void RemoteobjCxaThrow(void* object, std::type_info* type,
                                                 void (*destroy)(void*)) asm("__cxa_throw");

#ifdef __clang__
#define REMOTEOBJ_TAIL_CALLS
#else
#define REMOTEOBJ_TAIL_CALLS [[gnu::optimize("O2")]]
#endif

extern "C" REMOTEOBJ_TAIL_CALLS void RemoteobjCxaThrow(void* object, std::type_info* type,
                                                       void (*destroy)(void*)) {
  using namespace remoteobj::except_internal;
  if (NoteThrow != nullptr) NoteThrow(object, type, __builtin_frame_address(0));
  if (__asan_handle_no_return != nullptr) __asan_handle_no_return();
  const CxaThrow next = NextCxaThrow();
  if (next == nullptr) {
    std::fputs("remoteobj: this program has no C++ runtime with a __cxa_throw\n", stderr);
    std::abort();
  }
  return next(object, type, destroy);
}
