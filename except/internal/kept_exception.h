// SPDX-License-Identifier: MIT
//
// An exception that outlives its handler, and keeps the shared library of its type loaded.
//
// A plugin may be unloaded while an exception of one of its types is kept. Rethrowing or destroying
// the exception would then run code that is gone.
//
// Threads:  thread-compatible.
// Errors:   none.
#ifndef REMOTEOBJ_EXCEPT_INTERNAL_KEPT_EXCEPTION_H_
#define REMOTEOBJ_EXCEPT_INTERNAL_KEPT_EXCEPTION_H_

#include <exception>
#include <memory>
#include <utility>

namespace remoteobj::except_internal {

class KeptException {
 public:
  KeptException() = default;
  explicit KeptException(std::exception_ptr exception);
  KeptException(KeptException&& other) noexcept { Swap(other); }
  KeptException& operator=(KeptException&& other) noexcept {
    KeptException taken(std::move(other));
    Swap(taken);
    return *this;
  }

  const std::exception_ptr& get() const { return exception_; }

  void Swap(KeptException& other) noexcept {
    library_.swap(other.library_);
    exception_.swap(other.exception_);
  }

 private:
  std::shared_ptr<void> library_;  // Before the exception, and so destroyed after it.
  std::exception_ptr exception_;
};

}  // namespace remoteobj::except_internal

#endif  // REMOTEOBJ_EXCEPT_INTERNAL_KEPT_EXCEPTION_H_
