// SPDX-License-Identifier: MIT
#include "remoteobj/manager/list.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/internal/type_info_of.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

// A list whose static type has itself in it.
struct Self {
  std::optional<Reference> list;
};

template <>
struct Codec<Self> {
  static void Encode(const Self& self, ValueWriter out) {
    Codec<std::optional<Reference>>::Encode(self.list, out);
  }
  static Self Decode(const ValueReader& in) {
    return {Codec<std::optional<Reference>>::Decode(in)};
  }
};

struct Counter {
  int Add(int n) { return value += n; }
  int value = 0;
};
REMOTEOBJ_DESCRIBE(Counter, Add, value)

namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InFourThreads;
using manager_internal::TestServer;
using Ints = std::vector<int>;

class ListTest : public testing::Test {
 protected:
  static void AddTypes(manager_internal::Registry& types) {
    AddDataTypes(types);
    types.Add("Counter", {.name = TypeName<Counter>(),
                          .info = &proxy_internal::TypeOf<Counter>(),
                          .make = [](const ListReader&) { return std::make_shared<Counter>(); },
                          .run = Run::kInServer});
  }
  List<int> Make(const Ints& values) { return manager_.Make<List<int>>(values); }

  TestServer manager_{AddTypes};
};

TEST_F(ListTest, IndexesArePythons) {
  const auto l = Make({0, 1, 2, 3});
  struct {
    std::int64_t index;
    int value;
  } const kRows[] = {{0, 0}, {3, 3}, {-1, 3}, {-4, 0}};
  for (const auto& [index, value] : kRows) {
    EXPECT_EQ(l->at(index), value);
    EXPECT_EQ(*l[index], value);
  }
  const std::int64_t kBeyond[] = {4, -5, std::numeric_limits<std::int64_t>::max(),
                                  std::numeric_limits<std::int64_t>::min()};
  for (const std::int64_t index : kBeyond) {
    const auto throws = [&](auto f) {
      ExpectThrows<std::out_of_range>(f, "no item " + std::to_string(index) + ": the list has 4");
    };
    throws([&] { l->at(index); });
    throws([&] { *l[index]; });
    throws([&] { l[index] = 1; });
    throws([&] { l[index] += 1; });
    throws([&] { l->erase(index); });
    throws([&] { l->pop(index); });
    throws([&] { l[index].compare_exchange(1, 2); });
  }
  EXPECT_EQ(l->copy(), (Ints{0, 1, 2, 3}));
  const auto none = Make({});
  EXPECT_THROW(none->front(), std::out_of_range);
  EXPECT_THROW(none->back(), std::out_of_range);
  EXPECT_THROW(none->pop(), std::out_of_range);
  EXPECT_THROW(none->pop_back(), std::out_of_range);
}

TEST_F(ListTest, SlicesArePythons) {
  struct {
    std::int64_t begin, end;
    Ints slice, rest;
  } const kRows[] = {
      {0, 4, {0, 1, 2, 3}, {}}, {1, 3, {1, 2}, {0, 3}},   {-2, 100, {2, 3}, {0, 1}},
      {0, -1, {0, 1, 2}, {3}},  {3, 1, {}, {0, 1, 2, 3}}, {-100, 1, {0}, {1, 2, 3}},
      {5, 9, {}, {0, 1, 2, 3}},
  };
  for (const auto& row : kRows) {
    const auto l = Make({0, 1, 2, 3});
    EXPECT_EQ(l->slice(row.begin, row.end), row.slice);
    l->erase(row.begin, row.end);
    EXPECT_EQ(l->copy(), row.rest);
  }
  const auto l = Make({0, 1, 2, 3});
  EXPECT_EQ(l->slice(2), (Ints{2, 3}));
  l->assign(1, 3, {7, 8, 9});
  EXPECT_EQ(l->copy(), (Ints{0, 7, 8, 9, 3}));
  l->assign(3, 1, Ints{5});  // Before the third.
  EXPECT_EQ(l->copy(), (Ints{0, 7, 8, 5, 9, 3}));
}

// The result of each method on [3, 1, 2].
TEST_F(ListTest, Methods) {
  using L = List<int>;
  struct {
    const char* name;
    std::function<void(const L&)> method;
    Ints result;
  } const kRows[] = {
      {"append", [](const L& l) { l->push_back(1); }, {3, 1, 2, 1}},
      {"insert", [](const L& l) { l->insert(1, 9); }, {3, 9, 1, 2}},
      {"insert at the end", [](const L& l) { l->insert(100, 9); }, {3, 1, 2, 9}},
      {"insert at the beginning", [](const L& l) { l->insert(-100, 9); }, {9, 3, 1, 2}},
      {"insert before the last", [](const L& l) { l->insert(-1, 9); }, {3, 1, 9, 2}},
      {"extend", [](const L& l) { l->extend({4, 5}); }, {3, 1, 2, 4, 5}},
      {"extend by a range", [](const L& l) { l->extend(std::list<int>{4}); }, {3, 1, 2, 4}},
      {"extend by itself", [](const L& l) { l->extend(l->copy()); }, {3, 1, 2, 3, 1, 2}},
      {"+=", [](const L& l) { EXPECT_EQ(&(l += {4}), &l); }, {3, 1, 2, 4}},
      {"*=", [](const L& l) { EXPECT_EQ(&(l *= 2), &l); }, {3, 1, 2, 3, 1, 2}},
      {"*= 0", [](const L& l) { l *= 0; }, {}},
      {"set", [](const L& l) { l[1] = 7; }, {3, 7, 2}},
      {"set to another", [](const L& l) { l[1] = l[0]; }, {3, 3, 2}},
      {"+= of one", [](const L& l) { l[-1] += 5; }, {3, 1, 7}},
      {"del", [](const L& l) { l->erase(0); }, {1, 2}},
      {"pop", [](const L& l) { EXPECT_EQ(l->pop(), 2); }, {3, 1}},
      {"pop(i)", [](const L& l) { EXPECT_EQ(l->pop(0), 3); }, {1, 2}},
      {"pop_back", [](const L& l) { l->pop_back(); }, {3, 1}},
      {"remove", [](const L& l) { l->remove(1); }, {3, 2}},
      {"clear", [](const L& l) { l->clear(); }, {}},
      {"reverse", [](const L& l) { l->reverse(); }, {2, 1, 3}},
      {"sort", [](const L& l) { l->sort(); }, {1, 2, 3}},
      {"sort descending", [](const L& l) { l->sort(true); }, {3, 2, 1}},
      {"compare_exchange", [](const L& l) { EXPECT_TRUE(l[0].compare_exchange(3, 4)); }, {4, 1, 2}},
      {"no exchange", [](const L& l) { EXPECT_FALSE(l->compare_exchange(0, 2, 4)); }, {3, 1, 2}},
  };
  for (const auto& row : kRows) {
    const auto l = Make({3, 1, 2});
    row.method(l);
    EXPECT_EQ(l->copy(), row.result) << row.name;
    EXPECT_EQ(l->size(), row.result.size()) << row.name;
  }
}

TEST_F(ListTest, Asks) {
  const auto l = Make({3, 1, 2, 1});
  EXPECT_FALSE(l->empty());
  EXPECT_EQ(l->front(), 3);
  EXPECT_EQ(l->back(), 1);
  EXPECT_TRUE(l->contains(2));
  EXPECT_FALSE(l->contains(5));
  EXPECT_EQ(l->count(1), 2u);
  EXPECT_EQ(l->index(1), 1u);
  EXPECT_EQ(l->index(1, 2), 3u);
  ExpectThrows<std::invalid_argument>([&] { l->index(1, 2, 3); }, "1 is not in the list");
  ExpectThrows<std::invalid_argument>([&] { l->remove(5); }, "5 is not in the list");
  EXPECT_EQ(l->to_string(), "[3, 1, 2, 1]");
  EXPECT_EQ((l + Ints{7}), (Ints{3, 1, 2, 1, 7}));
  EXPECT_EQ((l * 2).size(), 8u);
  EXPECT_EQ((2 * l).size(), 8u);
  EXPECT_EQ(l->size(), 4u);
  ExpectThrows<std::length_error>([&] { l *= std::numeric_limits<std::int64_t>::max(); },
                                  "a list of 4 values");
  ExpectThrows<std::length_error>([&] { l *= 1 << 26; }, "1 GiB");
}

TEST_F(ListTest, SortsNumbersAndTexts) {
  const auto texts = manager_.Make<List<std::string>>({"b", "", "a"});
  texts->sort();
  EXPECT_EQ(texts->copy(), (std::vector<std::string>{"", "a", "b"}));
  const auto floats = manager_.Make<List<double>>({NAN, 1.5, -INFINITY});
  floats->sort();
  EXPECT_EQ(floats->to_string(), "[-inf, 1.5, nan]");
  const auto large = manager_.Make<List<std::uint64_t>>({~std::uint64_t{0}, 0});
  large->sort();
  EXPECT_EQ(large->front(), 0u);
  const auto pairs = manager_.Make<List<std::pair<int, int>>>({{2, 1}, {1, 2}});
  ExpectThrows<BadValue>([&] { pairs->sort(); }, "can't sort [2, 1]: only numbers and texts");
  const auto maybe = manager_.Make<List<std::optional<int>>>({2, std::nullopt});
  ExpectThrows<BadValue>([&] { maybe->sort(); }, "can't sort 2 and null");
  Make({})->sort();
}

TEST_F(ListTest, Iterates) {
  const auto l = Make({1, 2, 3});
  for (const std::size_t chunk : {1, 2, 3, 4}) {
    Ints seen;
    for (const int i : l->Iterate(chunk)) seen.push_back(i);
    EXPECT_EQ(seen, (Ints{1, 2, 3})) << chunk;
  }
  EXPECT_THROW(l->Iterate(0), std::invalid_argument);
  for (const int i : l->Iterate(std::numeric_limits<std::size_t>::max())) EXPECT_NE(i, 0);
  EXPECT_EQ((Make({5}) + l), (Ints{5, 1, 2, 3}));
  // It sees changes that are made during the loop, and ends at the end.
  Ints seen;
  for (const int i : l->Iterate(1)) {
    seen.push_back(i);
    if (i == 1) l[1] = 20;
    if (i == 20) l->push_back(4);
    if (i == 3) l->erase(0);
  }
  EXPECT_EQ(seen, (Ints{1, 20, 3}));
  const auto bools = manager_.Make<List<bool>>({true, false});
  int set = 0;
  for (const bool is : bools) set += is ? 1 : 0;
  EXPECT_EQ(set, 1);
}

TEST_F(ListTest, HasAnyValues) {
  const auto bytes = manager_.Make<List<std::byte>>({std::byte{1}});
  EXPECT_EQ(bytes->copy(), std::vector<std::byte>{std::byte{1}});
  const auto nested = manager_.Make<List<Ints>>({{1, 2}, {}});
  EXPECT_EQ(*nested[0], (Ints{1, 2}));
  EXPECT_EQ(nested[0]->size(), 2u);
  EXPECT_EQ(nested->to_string(), "[[1, 2], []]");
  const auto pointers = manager_.Make<List<std::unique_ptr<int>>>();
  pointers->push_back(std::make_unique<int>(5));
  EXPECT_EQ(*pointers->at(0), 5);
}

TEST_F(ListTest, AddsAtOnceWhoeverElseAdds) {
  const auto l = Make({0, 0});
  InFourThreads([&](int) {
    l[0] += 1;
    l->push_back(1);
  });
  EXPECT_EQ(*l[0], 800);
  EXPECT_EQ(l->size(), 802u);
}

TEST_F(ListTest, HasOtherObjects) {
  {
    std::optional<List<int>> inner(Make({1, 2}));
    const auto outer = manager_.Make<List<List<int>>>({*inner, *inner});
    inner.reset();
    EXPECT_EQ(manager_.objects().object_count(), 2u);
    outer[0]->push_back(3);
    EXPECT_EQ(outer[1]->size(), 3u);
    EXPECT_EQ(*outer[0], *outer[1]);
    EXPECT_EQ(outer->index(*outer[1]), 0u);
    inner = outer->front();
    outer->clear();
    EXPECT_EQ(inner->operator->()->copy(), (Ints{1, 2, 3}));
    const auto d = manager_.Make<Dict<std::string, List<int>>>();
    d["list"] = *inner;
    d["list"]->push_back(4);
    EXPECT_EQ((*d["list"])->back(), 4);
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(ListTest, HasObjectsOfUsersTypes) {
  using Counters = List<Proxy<Counter>>;
  {
    const auto l = manager_.Make<Counters>();
    l->push_back(
        Proxy<Counter>(manager_.Create("Counter", "", AnyValue::Of(std::vector<AnyValue>{}))));
    EXPECT_EQ(l[0]->Add(2), 2);
    EXPECT_EQ(l->at(0)->Add(3), 5);
    EXPECT_EQ(manager_.objects().object_count(), 2u);
    const Proxy<Counter> kept = l->pop();
    EXPECT_EQ(kept->Add(1), 6);
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(ListTest, MayHaveItselfInIt) {
  std::uint64_t id;
  {
    const auto l = manager_.Make<List<Self>>();
    id = l.referent()->id();
    l->push_back({Reference{l.referent()}});
    EXPECT_EQ(List<Self>(*l[0]->list), l);
    EXPECT_EQ(l->to_string().substr(0, 7), "[<List<");
  }
  EXPECT_EQ(manager_.objects().object_count(), 1u);  // It keeps itself.
  List<Self>(manager_.Find(id))->clear();
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(ListTest, AChainOfListsEndsHoweverLongItIs) {
  {
    auto last = manager_.Make<List<Self>>();
    for (int i = 0; i < 50000; ++i) {
      last = manager_.Make<List<Self>>({Self{Reference{last.referent()}}});
    }
    EXPECT_EQ(manager_.objects().object_count(), 50001u);
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(ListTest, TellsTypesApart) {
  const auto l = Make({});
  ExpectThrows<BadValue>([&] { List<std::string>(Reference{l.referent()}); },
                         "expected a proxy of List<std::string>, got one of List<int>");
  ExpectThrows<BadValue>([&] { Dict<int, int>(Reference{l.referent()}); }, "got one of List<int>");
  EXPECT_EQ(l, List<int>(Reference{l.referent()}));
  EXPECT_NE(l, Make({}));
}

}  // namespace
}  // namespace remoteobj
