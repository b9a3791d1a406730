// SPDX-License-Identifier: MIT
//
// How much memory there is to measure with.
#ifndef REMOTEOBJ_TOOLS_BENCH_FREE_MEMORY_H_
#define REMOTEOBJ_TOOLS_BENCH_FREE_MEMORY_H_

#include <cstddef>
#include <fstream>
#include <string>

namespace bench {

// In bytes, what could be had without swapping.
inline std::size_t FreeMemory() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  std::size_t kibibytes = 0;
  for (std::string unit; info >> name >> kibibytes; std::getline(info, unit)) {
    if (name == "MemAvailable:") return kibibytes << 10;
  }
  return 0;
}

}  // namespace bench

#endif  // REMOTEOBJ_TOOLS_BENCH_FREE_MEMORY_H_
