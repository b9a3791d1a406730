// SPDX-License-Identifier: MIT
#include "remoteobj/except/traceback.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>
#include <typeinfo>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "remoteobj/except/internal/enough_stack.h"
#include "remoteobj/except/internal/loader_lock.h"
#include "remoteobj/except/internal/source_lines.h"
#include "remoteobj/except/internal/symbols.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj {
namespace except_internal {

constinit thread_local TracebackState traceback_state = {nullptr, 0};
constinit std::atomic<bool> traceback_warm = false;

namespace {

using transport_internal::MadeOnce;

constexpr std::size_t kMaxFrames = 64;

// The stack of one throw. If the types differ, another exception has had the same address.
struct Trace {
  const void* object;
  const std::type_info* type;
  unsigned generation;
  std::size_t size;
  std::array<std::uintptr_t, kMaxFrames> pcs;
};

struct Ring {
  std::array<Trace, 8> traces;
  std::size_t next;

  // The trace of this object, else the oldest.
  Trace& For(const void* object) {
    for (Trace& trace : traces) {
      if (trace.object == object) return trace;
    }
    return traces[next++ % traces.size()];
  }
};
constinit thread_local Ring ring = {};

struct Walk {
  std::uintptr_t begin;  // Frames up to here are the thrower's callees.
  std::uintptr_t end;    // Frames beyond are callers of the function with the scope.
  Trace* trace;
};

_Unwind_Reason_Code AddFrame(_Unwind_Context* context, void* argument) {
  auto& walk = *static_cast<Walk*>(argument);
  // The frame's own end of the stack, when the next one was called.
  const std::uintptr_t at = _Unwind_GetCFA(context);
  if (at <= walk.begin) return _URC_NO_REASON;
  if (at > walk.end || walk.trace->size == kMaxFrames) return _URC_END_OF_STACK;
  int before = 0;
  const std::uintptr_t pc = _Unwind_GetIPInfo(context, &before);
  // The return address of a call may belong to the next function, or to the next line.
  if (pc != 0) walk.trace->pcs[walk.trace->size++] = before != 0 ? pc : pc - 1;
  return _URC_NO_REASON;
}

// Returns true for remoteobj::proxy_internal:: and the like.
bool IsOurs(std::string_view frame) {
  constexpr std::string_view kOurs = "remoteobj::";
  if (!frame.starts_with(kOurs)) return false;
  frame.remove_prefix(kOurs.size());
  return frame.substr(0, frame.find("::")).ends_with("_internal");
}

// Returns true for frames between a context and the function that it runs, which users need not
// see.
bool IsMachinery(std::string_view frame) {
  for (const char* prefix : {"std::", "absl::", "kj::", "capnp::"}) {
    if (frame.starts_with(prefix)) return true;
  }
  return IsOurs(frame);
}

std::string Symbolized(std::uintptr_t pc) {
  std::string frame;
  if (const std::string symbol = SymbolAt(pc); !symbol.empty()) {
    frame = ShortName(symbol);
  } else {
    Dl_info library;
    const bool known =
        dladdr(reinterpret_cast<void*>(pc), &library) != 0 && library.dli_fname != nullptr;
    const auto base = known ? reinterpret_cast<std::uintptr_t>(library.dli_fbase) : 0;
    const std::string_view path = known ? library.dli_fname : "";
    frame = absl::StrFormat("%s+0x%x", path.substr(path.rfind('/') + 1), pc - base);
  }
  const std::string line = SourceLine(pc);
  if (!line.empty()) absl::StrAppend(&frame, " at ", line);
  return frame;
}

// The function at `pc`, and its line if that is known.
const std::string& FrameName(std::uintptr_t pc) {
  auto& names = MadeOnce([] { return new std::unordered_map<std::uintptr_t, std::string>; });
  const LoaderLock lock;  // Also for the names.
  const auto known = names.find(pc);
  // The map's elements stay where they are.
  if (known != names.end()) return known->second;
  // For libdw, and for demangling long names.
  constexpr std::size_t kStack = 192 << 10;
  std::string name;
  if (!WithStack(kStack, [&] { name = Symbolized(pc); })) name = absl::StrFormat("0x%x", pc);
  return names.emplace(pc, std::move(name)).first->second;
}

}  // namespace

void NoteThrow(const void* object, const std::type_info* type, const void* frame) noexcept {
  if (traceback_state.limit == nullptr) return;
  Trace& trace = ring.For(object);
  trace.object = object;
  trace.type = type;
  trace.generation = traceback_state.generation;
  trace.size = 0;
  Walk walk{reinterpret_cast<std::uintptr_t>(frame),
            reinterpret_cast<std::uintptr_t>(traceback_state.limit), &trace};
  _Unwind_Backtrace(&AddFrame, &walk);
}

void WarmUpTraceback() {
  _Unwind_Backtrace([](_Unwind_Context*, void*) { return _URC_NO_REASON; }, nullptr);
  traceback_warm.store(true, std::memory_order_relaxed);
}

}  // namespace except_internal

std::vector<std::string> TracebackOf(const std::exception_ptr& exception) {
  static_assert(sizeof exception == sizeof(void*), "it is the address of the object");
  const void* object = nullptr;
  std::memcpy(&object, &exception, sizeof object);
  if (object == nullptr) return {};
  for (const except_internal::Trace& trace : except_internal::ring.traces) {
    if (trace.object != object || trace.generation != except_internal::traceback_state.generation ||
        *trace.type != *exception.__cxa_exception_type()) {
      continue;
    }
    std::vector<std::string> frames;
    for (std::size_t i = trace.size; i-- > 0;) {
      frames.push_back(except_internal::FrameName(trace.pcs[i]));
    }
    const auto user = std::ranges::find_if_not(frames, &except_internal::IsMachinery);
    if (user != frames.end()) {
      frames.erase(frames.begin(), user);
    } else {
      // The library itself threw, or a user's function is inlined into it: its last frame is
      // enough.
      const auto last = std::find_if(frames.rbegin(), frames.rend(), &except_internal::IsOurs);
      if (last != frames.rend()) frames.erase(frames.begin(), last.base() - 1);
    }
    // A sanitizer's own __cxa_throw calls ours.
    while (!frames.empty() && frames.back().find("__cxa_throw") != std::string::npos)
      frames.pop_back();
    return frames;
  }
  return {};
}

std::vector<std::string> CurrentTraceback() { return TracebackOf(std::current_exception()); }

}  // namespace remoteobj
