// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/enough_stack.h"

#include <cxxabi.h>
#include <pthread.h>
#include <signal.h>

#include <cstdint>
#include <cstring>

namespace remoteobj::except_internal {
namespace {

// This thread's stack; looked up once. A fiber runs on a different one.
struct Stack {
  bool known;
  std::uintptr_t low;
  std::size_t size;
};
constinit thread_local Stack stack = {false, 0, 0};

bool HasStack(std::size_t bytes) {
  if (!stack.known) {
    stack.known = true;
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
      void* low = nullptr;
      pthread_attr_getstack(&attributes, &low, &stack.size);
      stack.low = reinterpret_cast<std::uintptr_t>(low);
      pthread_attr_destroy(&attributes);
    }
  }
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here >= stack.low && here - stack.low < stack.size && here - stack.low >= bytes;
}

struct Call {
  absl::FunctionRef<void()> f;
  bool done = false;
};

}  // namespace

bool WithStack(std::size_t bytes, absl::FunctionRef<void()> f) {
  if (HasStack(bytes)) {
    f();
    return true;
  }
  // The temporary thread handles no signals.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Call call{f};
  pthread_t thread;
  const int error = pthread_create(
      &thread, nullptr,
      [](void* argument) -> void* {
        auto& call = *static_cast<Call*>(argument);
        try {
          call.f();
          call.done = true;
        } catch (...) {
        }
        return nullptr;
      },
      &call);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) pthread_join(thread, nullptr);
  return call.done;
}

char* Demangle(const char* mangled) {
  char* name = nullptr;
  WithStack((32 << 10) + 128 * std::strlen(mangled),
            [&] { name = abi::__cxa_demangle(mangled, nullptr, nullptr, nullptr); });
  return name;
}

}  // namespace remoteobj::except_internal
