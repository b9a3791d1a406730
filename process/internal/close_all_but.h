// SPDX-License-Identifier: MIT
//
// Closes the descriptors that came over from whoever began this process, and are none of its
// affair.
//
// Errors:   none.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CLOSE_ALL_BUT_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CLOSE_ALL_BUT_H_

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace remoteobj::process_internal {

// But these, and the three streams.
inline void CloseAllBut(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned from = STDERR_FILENO + 1;
  for (const int fd : kept) {
    if (fd < static_cast<int>(from)) continue;
    const auto next = static_cast<unsigned>(fd);
    if (next > from) syscall(SYS_close_range, from, next - 1, 0);
    from = next + 1;
  }
  syscall(SYS_close_range, from, ~0u, 0);
}

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CLOSE_ALL_BUT_H_
