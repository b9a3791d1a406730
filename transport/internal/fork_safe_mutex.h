// SPDX-License-Identifier: MIT
//
// A mutex that a fork finds free: fork() waits for its holder. So a child, in which the holder does
// not exist, never waits for ever.
//
//   struct Names;                                      // names the mutex
//   std::scoped_lock lock(ForkSafeMutex<Names>());
//
// Threads:  a leaf lock: the holder of one takes no other and runs no user's code.
// Not here: vfork, and the system call without glibc's fork().
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_FORK_SAFE_MUTEX_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_FORK_SAFE_MUTEX_H_

#include <pthread.h>

#include <mutex>

namespace remoteobj::transport_internal {

template <typename Name>
class NamedForkSafeMutex {
 public:
  static std::mutex& Get() {
    static_cast<void>(&registered_);
    return mutex_;
  }

 private:
  static inline constinit std::mutex mutex_;
  // When the program or its library is loaded. At the first use a fork of another thread would
  // find the registration half done.
  static inline const int registered_ =
      pthread_atfork([] { mutex_.lock(); }, [] { mutex_.unlock(); }, [] { mutex_.unlock(); });
};

template <typename Name>
std::mutex& ForkSafeMutex() {
  return NamedForkSafeMutex<Name>::Get();
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_FORK_SAFE_MUTEX_H_
