// SPDX-License-Identifier: MIT
//
// The cost of tracebacks: a throw without a scope beside a throw of the C++ runtime alone, a throw
// with one, and the capture of an error.
//
//   tools/bazel run -c opt //except:traceback_benchmark
#include <cxxabi.h>
#include <dlfcn.h>

#include <stdexcept>
#include <typeinfo>

#include "benchmark/benchmark.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/traceback.h"

namespace {

using remoteobj::TracebackScope;

// The compiler's code for `throw 42`, but with the C++ runtime's own function.
[[gnu::noinline]] void ThrowByTheRuntime() {
  using CxaThrow = void (*)(void*, std::type_info*, void (*)(void*));
  static const auto real = reinterpret_cast<CxaThrow>(
      dlsym(dlopen("libstdc++.so.6", RTLD_NOW | RTLD_NOLOAD), "__cxa_throw"));
  void* const object = abi::__cxa_allocate_exception(sizeof(int));
  *static_cast<int*>(object) = 42;
  real(object, const_cast<std::type_info*>(&typeid(int)), nullptr);
  benchmark::ClobberMemory();  // Not a tail call.
}

[[gnu::noinline]] void ThrowByOurs() { throw 42; }

template <int kDepth>
[[gnu::noinline]] void Call(void (*f)()) {
  if constexpr (kDepth == 0) {
    f();
  } else {
    Call<kDepth - 1>(f);
  }
  benchmark::ClobberMemory();
}

template <int kDepth>
void ThrowAndCatch(void (*f)()) {
  try {
    Call<kDepth>(f);
  } catch (int x) {
    benchmark::DoNotOptimize(x);
  }
}

template <int kDepth>
void BM_ThrowOfTheRuntimeAlone(benchmark::State& state) {
  for (auto _ : state) ThrowAndCatch<kDepth>(&ThrowByTheRuntime);
}
BENCHMARK(BM_ThrowOfTheRuntimeAlone<0>);
BENCHMARK(BM_ThrowOfTheRuntimeAlone<10>);

template <int kDepth>
void BM_ThrowWithoutScope(benchmark::State& state) {
  for (auto _ : state) ThrowAndCatch<kDepth>(&ThrowByOurs);
}
BENCHMARK(BM_ThrowWithoutScope<0>);
BENCHMARK(BM_ThrowWithoutScope<10>);

template <int kDepth>
void BM_ThrowInScope(benchmark::State& state) {
  const TracebackScope scope;
  for (auto _ : state) ThrowAndCatch<kDepth>(&ThrowByOurs);
}
BENCHMARK(BM_ThrowInScope<0>);
BENCHMARK(BM_ThrowInScope<10>);

void BM_Scope(benchmark::State& state) {
  for (auto _ : state) {
    const TracebackScope scope;
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Scope);

template <bool kScope>
void BM_Capture(benchmark::State& state) {
  const auto capture = [] {
    try {
      throw std::runtime_error("what it says");
    } catch (...) {
      benchmark::DoNotOptimize(remoteobj::CaptureCurrentException());
    }
  };
  for (auto _ : state) {
    if constexpr (kScope) {
      const TracebackScope scope;
      capture();
    } else {
      capture();
    }
  }
}
BENCHMARK(BM_Capture<false>);
BENCHMARK(BM_Capture<true>);

template <typename E>
void BM_Context(benchmark::State& state) {
  const E exc({.raises = false});
  for (auto _ : state) exc([] { benchmark::ClobberMemory(); });
}
BENCHMARK(BM_Context<remoteobj::LocalExcept>);
BENCHMARK(BM_Context<remoteobj::Except>);

template <typename E>
void BM_Record(benchmark::State& state) {
  const E exc({.raises = false});
  int recorded = 0;
  for (auto _ : state) {
    exc("work", [] { throw std::runtime_error("what it says"); });
    if (++recorded % 1000 == 0) exc.Clear();
  }
}
BENCHMARK(BM_Record<remoteobj::LocalExcept>);
BENCHMARK(BM_Record<remoteobj::Except>);

}  // namespace
