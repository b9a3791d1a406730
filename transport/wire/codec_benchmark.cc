// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {
namespace {

template <typename T>
T Sample();

template <>
int Sample() {
  return 5;
}

template <>
std::string Sample() {
  return std::string(100, 'x');
}

template <>
std::vector<double> Sample() {
  return std::vector<double>((64 << 20) / sizeof(double), 0.5);
}

template <>
std::map<std::string, int> Sample() {
  std::map<std::string, int> out;
  for (int i = 0; i < 100; ++i) out.emplace("key " + std::to_string(i), i);
  return out;
}

template <typename T>
void BM_Pack(benchmark::State& state) {
  const T value = Sample<T>();
  std::size_t bytes = 0;
  for (auto _ : state) {
    const std::string packed = Pack(value);
    benchmark::DoNotOptimize(packed.data());
    bytes += packed.size();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

template <typename T>
void BM_Unpack(benchmark::State& state) {
  const std::string packed = Pack(Sample<T>());
  for (auto _ : state) {
    T value = Unpack<T>(packed);
    benchmark::DoNotOptimize(value);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(packed.size()));
}

BENCHMARK(BM_Pack<int>);
BENCHMARK(BM_Unpack<int>);
BENCHMARK(BM_Pack<std::string>);
BENCHMARK(BM_Unpack<std::string>);
BENCHMARK(BM_Pack<std::vector<double>>);
BENCHMARK(BM_Unpack<std::vector<double>>);
BENCHMARK(BM_Pack<std::map<std::string, int>>);
BENCHMARK(BM_Unpack<std::map<std::string, int>>);

}  // namespace
}  // namespace remoteobj
