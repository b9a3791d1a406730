// SPDX-License-Identifier: MIT
//
// How often this program has allocated memory, by whatever way: new, malloc, in libraries, too.
//
//   const std::int64_t before = bench::Allocations();
//   remote->Inc();
//   EXPECT_EQ(bench::Allocations(), before);
//
// Threads:  of all threads. A fork goes on with a number of its own.
// Not here: builds with sanitizers, which have an allocator of their own.
#ifndef REMOTEOBJ_TOOLS_BENCH_ALLOCATIONS_H_
#define REMOTEOBJ_TOOLS_BENCH_ALLOCATIONS_H_

#include <cstdint>

namespace bench {

std::int64_t Allocations();

}  // namespace bench

#endif  // REMOTEOBJ_TOOLS_BENCH_ALLOCATIONS_H_
