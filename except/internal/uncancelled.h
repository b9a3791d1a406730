// SPDX-License-Identifier: MIT
//
// A scope in which the thread can't be cancelled (pthread_cancel).
//
// Threads:  belongs to the thread that has it.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_UNCANCELLED_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_UNCANCELLED_H_

#include <pthread.h>

namespace remoteobj::except_internal {

class Uncancelled {
 public:
  Uncancelled() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~Uncancelled() { pthread_setcancelstate(before_, nullptr); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

 private:
  int before_ = 0;
};

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_UNCANCELLED_H_
