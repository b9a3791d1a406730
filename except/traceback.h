// SPDX-License-Identifier: MIT
//
// Where an exception was thrown.
//
//   remoteobj::TracebackScope scope;          // from here on, of what is thrown on this thread
//   try {
//     Work();
//   } catch (...) {
//     for (const std::string& frame : remoteobj::CurrentTraceback()) LOG(ERROR) << frame;
//   }                                         // "app::Work() at app/work.cc:12"
//
// Whoever captures an error (remoteobj/except/remote_error.h) inside a scope gets its traceback
// with it: contexts of Except, and whatever evaluates for another process, open a scope themselves.
//
// The stack is noted where the exception is thrown, up to the function that opened the outermost
// scope, 64 frames at most, without allocating. A further `throw;`, std::rethrow_exception or
// nesting keeps the first throw's. Names are looked up when they are asked for, and remembered.
// They are those of the functions in the machine code: what was inlined is part of another. File
// and line are there if the program has debug information and the machine has libdw (elfutils).
//
// For this the library defines __cxa_throw, which notes the stack and goes on to that of the C++
// runtime; with no scope open, it looks at one thread-local variable.
//
// Threads:  a scope belongs to the thread that opened it; so do the traces: those of the last 8
//           exceptions thrown on this thread, until its outermost scope ends.
// Lifetime: a scope is a local variable. The first one in a program sets up unwinding, which takes
//           some microseconds and may allocate; later ones take nanoseconds.
// Errors:   none. What is not known is left out.
// Not here: exceptions that were never thrown (std::make_exception_ptr), that another thread threw,
//           or that a program throws which links the C++ runtime statically.
#ifndef REMOTEOBJ_EXCEPT_TRACEBACK_H_
#define REMOTEOBJ_EXCEPT_TRACEBACK_H_

#include <atomic>
#include <exception>
#include <string>
#include <vector>

namespace remoteobj {
namespace except_internal {

struct TracebackState {
  const void* limit;    // The frame at which traces end; null if no scope is open.
  unsigned generation;  // Counts outermost scopes: what was thrown in an earlier one is forgotten.
};
extern constinit thread_local TracebackState traceback_state;

// Whether the unwinder has been used. It orders nothing: to do it twice does no harm.
extern constinit std::atomic<bool> traceback_warm;
void WarmUpTraceback();

}  // namespace except_internal

class TracebackScope {
 public:
  // Inline, so that the frame is the caller's.
  [[gnu::always_inline]] TracebackScope()
      : outermost_(except_internal::traceback_state.limit == nullptr) {
    if (!outermost_) return;
    if (!except_internal::traceback_warm.load(std::memory_order_relaxed)) {
      except_internal::WarmUpTraceback();
    }
    except_internal::traceback_state.limit = __builtin_frame_address(0);
  }
  ~TracebackScope() {
    if (!outermost_) return;
    except_internal::traceback_state.limit = nullptr;
    ++except_internal::traceback_state.generation;
  }
  TracebackScope(const TracebackScope&) = delete;
  TracebackScope& operator=(const TracebackScope&) = delete;

 private:
  const bool outermost_;
};

// Innermost frame last; empty if nothing is known. Each as "function() at path/file.cc:12" or
// "function()".
std::vector<std::string> TracebackOf(const std::exception_ptr& exception);

// Of what is being handled.
std::vector<std::string> CurrentTraceback();

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_TRACEBACK_H_
