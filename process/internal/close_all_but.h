// SPDX-License-Identifier: MIT
//
// Closes the descriptors that a new process has inherited and does not need.
//
// Errors:   none.
#ifndef REMOTEOBJ_PROCESS_INTERNAL_CLOSE_ALL_BUT_H_
#define REMOTEOBJ_PROCESS_INTERNAL_CLOSE_ALL_BUT_H_

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <vector>

namespace remoteobj::process_internal {

// Closes a range; one by one before Linux 5.9, and in sandboxes that deny close_range().
inline void CloseRange(unsigned first, unsigned last) {
  if (syscall(SYS_close_range, first, last, 0) == 0) return;
  std::vector<int> open;
  if (DIR* const directory = opendir("/proc/self/fd")) {
    while (const dirent* const entry = readdir(directory)) {
      if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) != 0) {
        open.push_back(std::atoi(entry->d_name));
      }
    }
    closedir(directory);
  } else {
    constexpr unsigned kMost = 1 << 16;
    for (unsigned fd = first; fd <= std::min(last, kMost); ++fd) {
      open.push_back(static_cast<int>(fd));
    }
  }
  for (const int fd : open) {
    if (static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last) close(fd);
  }
}

// Closes all but `kept` and the three standard streams.
inline void CloseAllBut(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned from = STDERR_FILENO + 1;
  for (const int fd : kept) {
    if (fd < static_cast<int>(from)) continue;
    const auto next = static_cast<unsigned>(fd);
    if (next > from) CloseRange(from, next - 1);
    from = next + 1;
  }
  CloseRange(from, ~0u);
}

}  // namespace remoteobj::process_internal

#endif  // REMOTEOBJ_PROCESS_INTERNAL_CLOSE_ALL_BUT_H_
