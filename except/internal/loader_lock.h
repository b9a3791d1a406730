// SPDX-License-Identifier: MIT
//
// The lock under which the dynamic loader is called: dladdr, dl_iterate_phdr, dlopen, dlclose.
//
//   const LoaderLock lock;
//   if (dladdr(address, &found) != 0) ...
//
// glibc's fork() does not wait for the loader's own locks. The child gets new ones, whatever
// another thread was changing, but for that of dl_iterate_phdr: if another thread held it, the
// child waits for ever. This lock is one that fork() waits for.
//
// Threads:  recursive: dlclose may run the destructors of a library, which may come back here. The
//           loader's own locks are taken within it. So a library whose constructors, as it is
//           loaded, fork or catch errors in an Except can wait for a thread that does either.
// Not here: calls of the loader by others, in a program that forks beside them.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_LOADER_LOCK_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_LOADER_LOCK_H_

#include "remoteobj/transport/internal/fork_safe_mutex.h"

namespace remoteobj::except_internal {

class [[nodiscard]] LoaderLock {
 public:
  LoaderLock() {
    if (depth_++ == 0) transport_internal::ForkSafeMutex<LoaderLock>().lock();
  }
  ~LoaderLock() {
    if (--depth_ == 0) transport_internal::ForkSafeMutex<LoaderLock>().unlock();
  }
  LoaderLock(const LoaderLock&) = delete;
  LoaderLock& operator=(const LoaderLock&) = delete;

 private:
  static inline thread_local int depth_ = 0;
};

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_LOADER_LOCK_H_
