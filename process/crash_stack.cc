// SPDX-License-Identifier: MIT
#include "remoteobj/process/crash_stack.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

namespace remoteobj {

CrashStack::CrashStack() noexcept {
  // The kernel saves the registers on it, which take more than MINSIGSTKSZ on some processors.
  size_ = (64 << 10) + static_cast<std::size_t>(std::max(0L, sysconf(_SC_MINSIGSTKSZ)));
  if (sigaltstack(nullptr, &before_) != 0) return;
  if ((before_.ss_flags & SS_DISABLE) == 0 && before_.ss_size >= size_) return;
  void* const memory =
      mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  const stack_t alternate{.ss_sp = memory, .ss_flags = 0, .ss_size = size_};
  if (sigaltstack(&alternate, nullptr) == 0) {
    memory_ = memory;
  } else {
    munmap(memory, size_);
  }
}

CrashStack::~CrashStack() {
  if (memory_ == nullptr) return;
  sigaltstack(&before_, nullptr);
  munmap(memory_, size_);
}

}  // namespace remoteobj
