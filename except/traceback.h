// SPDX-License-Identifier: MIT
//
// The stack at which an exception was thrown.
//
//   remoteobj::TracebackScope scope;          // from here on, of what is thrown on this thread
//   try {
//     Work();
//   } catch (...) {
//     for (const std::string& frame : remoteobj::CurrentTraceback()) LOG(ERROR) << frame;
//   }                                         // "app::Work() at app/work.cc:12"
//
// An error that is captured inside a scope (remoteobj/except/remote_error.h) has a traceback. The
// contexts of an Except, the functions of a Process or Thread, and the evaluation of calls from
// other processes open a scope themselves.
//
// The stack is noted where the exception is thrown, up to the function that opened the outermost
// scope, 64 frames at most, without allocating. `throw;`, std::rethrow_exception and nesting keep
// the trace of the first throw. Names are looked up on demand and cached. They are those of the
// functions in the machine code: an inlined function is part of its caller. File and line are known
// if the program has debug information and the machine has libdw (elfutils).
//
// Tracebacks are a choice. They need a hook, //except:throw_hook, on which //except:remote_error
// depends (and so //except, //process, //proxy and //manager): a weak definition of __cxa_throw
// that notes the stack and jumps to that of the C++ runtime. With no scope open it reads one
// thread-local variable. Without the hook everything works, but tracebacks are empty:
// - in a build with --define=remoteobj_tracebacks=no;
// - in a program that links the C++ runtime statically (-static-libstdc++, -static), whose own
//   __cxa_throw replaces the hook;
// - in a program that has another strong definition of __cxa_throw.
//
// Threads:  a scope belongs to the thread that opened it; so do the traces, those of the last 8
//           exceptions thrown on this thread, until its outermost scope ends.
// Lifetime: a scope is a local variable. The first one in a program sets up unwinding, which takes
//           some microseconds and may allocate; later ones take nanoseconds.
// Errors:   none. Unknown frames are left out.
// Not here: exceptions that were never thrown (std::make_exception_ptr) or that another thread
// threw.
#ifndef REMOTEOBJ_EXCEPT_TRACEBACK_H_
#define REMOTEOBJ_EXCEPT_TRACEBACK_H_

#include <atomic>
#include <exception>
#include <string>
#include <typeinfo>
#include <vector>

namespace remoteobj {
namespace except_internal {

struct TracebackState {
  const void* limit;    // The frame at which traces end; null if no scope is open.
  unsigned generation;  // Counts outermost scopes: what was thrown in an earlier one is forgotten.
};
extern constinit thread_local TracebackState traceback_state;

// Set once the unwinder has been used. Relaxed: using it twice does no harm.
extern constinit std::atomic<bool> traceback_warm;
void WarmUpTraceback();

// Called by the hook for each throw. `frame` is that of the hook.
void NoteThrow(const void* object, const std::type_info* type, const void* frame) noexcept;

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

// The traceback of the exception being handled.
std::vector<std::string> CurrentTraceback();

}  // namespace remoteobj

#endif  // REMOTEOBJ_EXCEPT_TRACEBACK_H_
