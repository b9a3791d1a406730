// SPDX-License-Identifier: MIT
//
// The handler calls async-signal-safe functions only: absl::Symbolize() is one; the unwinder is one
// after its first use, which Body::Run() ensures (it looks up tables, without locks since
// glibc 2.35); the log appends by one system call. The innermost frame is written first and alone,
// since unwinding a corrupt stack may end the process.
//
// absl::Symbolize() keeps files open, whose position a fork shares with its parent. Nothing else in
// the library uses it, so the files belong to this process alone, unless the program has used it
// before.
#include "remoteobj/process/internal/crash.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <new>
#include <string>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/process/crash_stack.h"
#include "remoteobj/process/internal/control.h"

namespace remoteobj::process_internal {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT, SIGXCPU};
constexpr std::size_t kSignalCount = std::size(kSignals);
constexpr int kMaxFrames = 64;
constexpr std::size_t kLongestName = 512;

SharedLog* crash_log = nullptr;
pid_t crash_pid = 0;  // A fork of this process inherits the handler, but must not write.
struct sigaction actions_before[kSignalCount];
std::terminate_handler terminate_before = nullptr;
std::atomic<bool> crashing{false};

// Used only by the first thread that crashes.
struct Frames {
  std::uintptr_t pcs[kMaxFrames];
  int count;
  char text[kMaxFrames * (kLongestName + 2)];
};
Frames frames;

std::uintptr_t PcOf([[maybe_unused]] const void* context) {
#if defined(__x86_64__)
  return static_cast<std::uintptr_t>(
      static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<const ucontext_t*>(context)->uc_mcontext.pc;
#else
  return 0;
#endif
}

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void*) {
  int before_instruction = 0;
  const std::uintptr_t pc = _Unwind_GetIPInfo(context, &before_instruction);
  if (pc == 0) return _URC_END_OF_STACK;
  if (frames.count < kMaxFrames) {
    frames.pcs[frames.count++] = before_instruction != 0 ? pc : pc - 1;
  }
  return frames.count < kMaxFrames ? _URC_NO_REASON : _URC_END_OF_STACK;
}

// Writes the frames from `first` on, the outermost one first.
void WriteStack(int first) {
  std::size_t size = 0;
  for (int i = frames.count - 1; i >= first; --i) {
    char* const line = frames.text + size;
    if (!absl::Symbolize(reinterpret_cast<void*>(frames.pcs[i]), line, kLongestName)) {
      memcpy(line, "?", 2);
    }
    size += strnlen(line, kLongestName);
    frames.text[size++] = '\n';
  }
  crash_log->AppendInSignalHandler(kStack, std::string_view(frames.text, size));
}

void OnCrash(int signal, siginfo_t* info, void* context) {
  if (getpid() == crash_pid && !crashing.exchange(true)) {
    const std::uintptr_t pc = PcOf(context);
    frames.pcs[0] = pc;
    frames.count = 1;
    WriteStack(0);
    frames.count = 0;
    _Unwind_Backtrace(&AddFrame, nullptr);
    // Without the frames of this handler.
    int first = 0;
    while (first < frames.count && frames.pcs[first] != pc && frames.pcs[first] != pc - 1) ++first;
    if (first == frames.count) first = 0;
    WriteStack(first);
  }
  // The signal recurs when this returns, or is sent again, and meets the previous handler.
  for (std::size_t i = 0; i < kSignalCount; ++i) {
    if (kSignals[i] == signal) sigaction(signal, &actions_before[i], nullptr);
  }
  if (info->si_code <= 0 || signal == SIGABRT || signal == SIGTRAP || signal == SIGSYS ||
      signal == SIGXCPU) {
    raise(signal);
  }
}

[[noreturn]] void OnTerminate() {
  std::string words = "std::terminate was called";
  if (std::current_exception() != nullptr) {
    try {
      const ErrorInfo error = CaptureCurrentException();
      absl::StrAppend(&words, " after ", error.type, " had been thrown: ", error.message);
    } catch (...) {
    }
  }
  if (getpid() == crash_pid) crash_log->AppendInSignalHandler(kLastWords, words);
  if (terminate_before != nullptr) terminate_before();
  std::abort();
}

}  // namespace

void InstallCrashHandler(SharedLog& log) {
  crash_log = &log;
  crash_pid = getpid();
  crashing.store(false);
  // For stack overflows. Never destroyed. A fork has that of the thread that forked, if there is
  // one.
  alignas(CrashStack) static unsigned char stack[sizeof(CrashStack)];
  new (stack) CrashStack;
  struct sigaction action{};
  action.sa_sigaction = &OnCrash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignalCount; ++i) {
    struct sigaction before;
    sigaction(kSignals[i], &action, &before);
    // A process that was started by such a process has inherited the handler.
    if (before.sa_sigaction != &OnCrash) actions_before[i] = before;
  }
  const std::terminate_handler before = std::set_terminate(&OnTerminate);
  if (before != &OnTerminate) terminate_before = before;
}

}  // namespace remoteobj::process_internal
