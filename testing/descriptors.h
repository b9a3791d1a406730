// SPDX-License-Identifier: MIT
//
// How many descriptors this process has open, to see in a test that none is leaked.
//
// Threads:  descriptors that other threads open and close during the call may be counted or not.
// Errors:   none.
#ifndef REMOTEOBJ_TESTING_DESCRIPTORS_H_
#define REMOTEOBJ_TESTING_DESCRIPTORS_H_

#include <dirent.h>

namespace remoteobj_testing {

// More by the same number each time, for what looking takes itself: to be compared with another.
inline int OpenDescriptors() {
  int count = 0;
  DIR* const directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace remoteobj_testing

#endif  // REMOTEOBJ_TESTING_DESCRIPTORS_H_
