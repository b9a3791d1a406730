// SPDX-License-Identifier: MIT
//
// Calls to classes with 1, 10, 100 and 1,000 described members. In a program of its own: to compile
// it takes minutes and five gigabytes.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/tools/bench/bench.h"
#include "remoteobj/tools/bench/serve.h"

namespace bench {

// TEN(m) is m0 to m9, HUNDRED(m) m00 to m99.
#define BENCH_TEN(p) p##0, p##1, p##2, p##3, p##4, p##5, p##6, p##7, p##8, p##9
#define BENCH_HUNDRED(p)                                                               \
  BENCH_TEN(p##0), BENCH_TEN(p##1), BENCH_TEN(p##2), BENCH_TEN(p##3), BENCH_TEN(p##4), \
      BENCH_TEN(p##5), BENCH_TEN(p##6), BENCH_TEN(p##7), BENCH_TEN(p##8), BENCH_TEN(p##9)
#define BENCH_300(p) BENCH_HUNDRED(p##0), BENCH_HUNDRED(p##1), BENCH_HUNDRED(p##2)

struct Wide1 {
  int m0 = 0;
};
REMOTEOBJ_DESCRIBE(Wide1, m0)

struct Wide10 {
  int BENCH_TEN(m);
};
REMOTEOBJ_DESCRIBE(Wide10, BENCH_TEN(m))

struct Wide100 {
  int BENCH_HUNDRED(m);
};
REMOTEOBJ_DESCRIBE(Wide100, BENCH_HUNDRED(m))

// One description has at most 300 members, so the widest class has its members from bases.
struct WideA {
  int BENCH_300(a);
};
REMOTEOBJ_DESCRIBE(WideA, BENCH_300(a))

struct WideB {
  int BENCH_300(b);
};
REMOTEOBJ_DESCRIBE(WideB, BENCH_300(b))

struct WideC {
  int BENCH_300(c);
};
REMOTEOBJ_DESCRIBE(WideC, BENCH_300(c))

struct Wide1000 : Wide100, WideA, WideB, WideC {};
REMOTEOBJ_DESCRIBE_DERIVED(Wide1000, (Wide100, WideA, WideB, WideC))

namespace {

template <typename T, typename F>
void CallWide(Bench& bench, int members, F call) {
  const auto object = std::make_unique<T>();
  remoteobj::Proxy<T> remote(*object);
  auto server = Serve(remote, bench.two_cores().server);
  Pin(bench.two_cores().client);
  bench.Compare("the last of so many described members",
                {{absl::StrCat(members), Each([&] { call(remote); })}}, {},
                Point{"members", static_cast<double>(members)});
}

void Members(Bench& bench) {
  CallWide<Wide1>(bench, 1, [](auto& remote) { (void)*remote->m0; });
  CallWide<Wide10>(bench, 10, [](auto& remote) { (void)*remote->m9; });
  CallWide<Wide100>(bench, 100, [](auto& remote) { (void)*remote->m99; });
  CallWide<Wide1000>(bench, 1000, [](auto& remote) { (void)*remote->c299; });
}

}  // namespace

std::vector<Scenario> Scenarios() { return {{"scaling/members", Members}}; }

}  // namespace bench
