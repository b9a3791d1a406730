// SPDX-License-Identifier: MIT
#include "remoteobj/manager/set.h"

#include <atomic>
#include <cmath>
#include <cstddef>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

struct Point {
  int x = 0;
};
REMOTEOBJ_DESCRIBE(Point, x)

namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InFourThreads;
using manager_internal::TestServer;
using Ints = std::set<int>;

class SetTest : public testing::Test {
 protected:
  Set<int> Make(const std::vector<int>& values) { return manager_.Make<Set<int>>(values); }

  TestServer manager_{AddDataTypes};
};

TEST_F(SetTest, Asks) {
  const auto s = Make({3, 1, 2, 1});
  EXPECT_EQ(s->size(), 3u);
  EXPECT_FALSE(s->empty());
  EXPECT_TRUE(s->contains(1));
  EXPECT_FALSE(s->contains(4));
  EXPECT_EQ(s->copy(), (Ints{1, 2, 3}));
  EXPECT_EQ(s->to_string(), "{3, 1, 2}");
  EXPECT_TRUE(s->isdisjoint({4, 5}));
  EXPECT_FALSE(s->isdisjoint({4, 1}));
  EXPECT_TRUE(s->issubset({1, 2, 3, 4}));
  EXPECT_FALSE(s->issubset({1, 2}));
  EXPECT_TRUE(s->issuperset({1, 2}));
  EXPECT_FALSE(s->issuperset({1, 4}));
}

// The result of each method on {1, 2, 3}.
TEST_F(SetTest, Methods) {
  using S = Set<int>;
  struct {
    const char* name;
    std::function<void(const S&)> method;
    Ints result;
  } const kRows[] = {
      {"add", [](const S& s) { EXPECT_TRUE(s->insert(4)); }, {1, 2, 3, 4}},
      {"add again", [](const S& s) { EXPECT_FALSE(s->insert(3)); }, {1, 2, 3}},
      {"discard", [](const S& s) { EXPECT_EQ(s->erase(3), 1u); }, {1, 2}},
      {"discard none", [](const S& s) { EXPECT_EQ(s->erase(4), 0u); }, {1, 2, 3}},
      {"remove", [](const S& s) { s->remove(1); }, {2, 3}},
      {"pop", [](const S& s) { EXPECT_EQ(s->pop(), 1); }, {2, 3}},
      {"clear", [](const S& s) { s->clear(); }, {}},
      {"update", [](const S& s) { s->update({3, 4}); }, {1, 2, 3, 4}},
      {"intersection_update", [](const S& s) { s->intersection_update({3, 4}); }, {3}},
      {"difference_update", [](const S& s) { s->difference_update({3, 4}); }, {1, 2}},
      {"symmetric_difference_update",
       [](const S& s) { s->symmetric_difference_update(std::vector<int>{3, 4, 4}); },
       {1, 2, 4}},
      {"|=", [](const S& s) { EXPECT_EQ(&(s |= {3, 4}), &s); }, {1, 2, 3, 4}},
      {"&=", [](const S& s) { EXPECT_EQ(&(s &= {3, 4}), &s); }, {3}},
      {"-=", [](const S& s) { EXPECT_EQ(&(s -= {3, 4}), &s); }, {1, 2}},
      {"^=", [](const S& s) { EXPECT_EQ(&(s ^= {3, 4}), &s); }, {1, 2, 4}},
      {"update by a set", [](const S& s) { s->update(Ints{5}); }, {1, 2, 3, 5}},
      {"update by itself", [](const S& s) { s->update(s); }, {1, 2, 3}},
      {"without itself", [](const S& s) { s->difference_update(s); }, {}},
  };
  for (const auto& row : kRows) {
    const auto s = Make({1, 2, 3});
    row.method(s);
    EXPECT_EQ(s->copy(), row.result) << row.name;
  }
}

TEST_F(SetTest, Operators) {
  const auto s = Make({1, 2, 3});
  const Ints other{3, 4};
  EXPECT_EQ(s | other, (Ints{1, 2, 3, 4}));
  EXPECT_EQ(s & other, (Ints{3}));
  EXPECT_EQ(s - other, (Ints{1, 2}));
  EXPECT_EQ(s ^ other, (Ints{1, 2, 4}));
  EXPECT_EQ(s->union_with({3, 4}), (Ints{1, 2, 3, 4}));
  EXPECT_EQ(s->intersection({3, 4}), (Ints{3}));
  EXPECT_EQ(s->difference({3, 4}), (Ints{1, 2}));
  EXPECT_EQ(s->symmetric_difference({3, 4}), (Ints{1, 2, 4}));
  EXPECT_EQ(s & Make({2, 3}), (Ints{2, 3}));
  EXPECT_EQ(s->size(), 3u);
}

TEST_F(SetTest, WhatIsNotInIt) {
  const auto s = Make({});
  ExpectThrows<std::out_of_range>([&] { s->remove(7); }, "7 is not in the set");
  ExpectThrows<std::out_of_range>([&] { s->pop(); }, "the set is empty");
}

TEST_F(SetTest, Iterates) {
  const auto s = Make({3, 1, 2});
  for (const std::size_t chunk : {1, 2, 3, 4}) {
    std::vector<int> seen;
    for (const int i : s->Iterate(chunk)) seen.push_back(i);
    EXPECT_EQ(seen, (std::vector<int>{3, 1, 2})) << chunk;
  }
  ExpectThrows<std::runtime_error>(
      [&] {
        for (const int i : s->Iterate(1)) s->insert(i + 10);
      },
      "there were 3 items, and are 4");
}

TEST_F(SetTest, HasAnyValues) {
  const auto points = manager_.Make<Set<Point>>({{1}, {2}});
  EXPECT_TRUE(points->contains({1}));
  const std::vector<Point> copy = points->copy();  // It has no order.
  EXPECT_EQ(copy[1].x, 2);
  const auto floats = manager_.Make<Set<double>>({0.0, -0.0, NAN, NAN});
  EXPECT_EQ(floats->to_string(), "{0.0, -0.0, nan}");
  const auto bools = manager_.Make<Set<bool>>({true});
  EXPECT_EQ(bools->copy(), std::set<bool>{true});
}

TEST_F(SetTest, HasOtherObjects) {
  {
    const auto s = manager_.Make<Set<List<int>>>();
    const auto l = manager_.Make<List<int>>();
    EXPECT_TRUE(s->insert(l));
    EXPECT_FALSE(s->insert(l));
    EXPECT_TRUE(s->insert(manager_.Make<List<int>>()));
    s->remove(l);
    s->pop()->push_back(1);
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(SetTest, InsertsOnceWhoeverElseInserts) {
  const auto s = Make({});
  std::atomic<int> inserted = 0;
  InFourThreads([&](int i) { inserted += s->insert(i % 100) ? 1 : 0; });
  EXPECT_EQ(inserted, 100);
  EXPECT_EQ(s->size(), 100u);
}

TEST_F(SetTest, TellsTypesApart) {
  const auto s = Make({});
  ExpectThrows<BadValue>([&] { Set<std::string>(Reference{s.referent()}); },
                         "expected a proxy of Set<std::string>, got one of Set<int>");
  EXPECT_EQ(s, Set<int>(Reference{s.referent()}));
  EXPECT_NE(s, Make({}));
}

}  // namespace
}  // namespace remoteobj
