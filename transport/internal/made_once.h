// SPDX-License-Identifier: MIT
//
// An object that is made at its first use and never destroyed.
//
//   Names& TheNames() {
//     return MadeOnce([] { return new Names; });
//   }
//
// A static variable of a function has a guard, on which a second thread waits while the first one
// initializes it. A child that is forked meanwhile has no first thread, and waits for ever. Here
// two threads may each make an object. One of the two is kept, the other is deleted.
//
// Threads:  thread-safe, and so for a forked child.
// REQUIRES: a function that may run twice, in two threads at a time; each call site has its own.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_MADE_ONCE_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_MADE_ONCE_H_

#include <atomic>
#include <memory>
#include <type_traits>

namespace remoteobj::transport_internal {

// `make` returns what `new` has given.
template <typename Make>
auto& MadeOnce(Make make) {
  using Made = std::remove_pointer_t<decltype(make())>;
  static constinit std::atomic<Made*> kept = nullptr;
  if (Made* const found = kept.load(std::memory_order_acquire); found != nullptr) return *found;
  std::unique_ptr<Made> made(make());
  Made* before = nullptr;
  if (!kept.compare_exchange_strong(before, made.get(), std::memory_order_acq_rel)) return *before;
  return *made.release();
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_MADE_ONCE_H_
