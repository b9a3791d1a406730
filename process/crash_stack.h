// SPDX-License-Identifier: MIT
//
// The stack on which a thread runs the crash handler of its process, so that an overflow of the
// thread's own stack is told in ProcessDied as any other crash is.
//
//   std::thread worker([] {
//     const remoteobj::CrashStack stack;
//     Work();
//   });
//
// An alternate stack belongs to one thread (sigaltstack(2)), so no handler can provide it for the
// others. The first thread of a Process has one, and so have the threads on which this library runs
// functions and methods: of a Thread, of a proxy that listens in the background, of a manager. Any
// other thread that may overflow its stack needs a CrashStack; without one the process still dies
// by SIGSEGV, but its ProcessDied has no stack.
//
// Threads:  for the thread that constructs it, which also destroys it.
// Errors:   none: without memory there is no alternate stack. A large one that the thread has
//           already is left in place.
#ifndef REMOTEOBJ_PROCESS_CRASH_STACK_H_
#define REMOTEOBJ_PROCESS_CRASH_STACK_H_

#include <signal.h>

#include <cstddef>

namespace remoteobj {

class CrashStack {
 public:
  CrashStack() noexcept;
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  void* memory_ = nullptr;
  std::size_t size_ = 0;
  stack_t before_ = {};
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROCESS_CRASH_STACK_H_
