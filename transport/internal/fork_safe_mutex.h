// SPDX-License-Identifier: MIT
//
// A mutex that a fork finds free: whoever forks waits for its holder. So a child, in which the
// holder does not exist, never waits for ever.
//
//   struct Names;                                      // names the mutex
//   std::scoped_lock lock(ForkSafeMutex<Names>());
//
// Threads:  a leaf lock: who holds one takes no other and runs no user's code.
// Not here: vfork, and the system call without glibc's fork().
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_FORK_SAFE_MUTEX_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_FORK_SAFE_MUTEX_H_

#include <pthread.h>

#include <mutex>

namespace remoteobj::transport_internal {

template <typename Name>
std::mutex& ForkSafeMutex() {
  static std::mutex& mutex = *[] {
    static std::mutex* made;
    made = new std::mutex;
    pthread_atfork([] { made->lock(); }, [] { made->unlock(); }, [] { made->unlock(); });
    return made;
  }();
  return mutex;
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_FORK_SAFE_MUTEX_H_
