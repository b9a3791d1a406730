// SPDX-License-Identifier: MIT
//
// Dicts, lists and their kin between processes, as in Python but for what TYPES.md names. The test
// of each type has what one process alone sees.
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/manager/array.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/namespace.h"
#include "remoteobj/manager/set.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/manager/value.h"
#include "remoteobj/process/process.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

using manager_internal::Elsewhere;
using manager_internal::OneManager;

using Numbers = std::vector<int>;
using Items = std::vector<std::pair<std::string, int>>;

class DataSemantics : public OneManager {};

TEST_F(DataSemantics, ListHasThePythonMethods) {
  const auto l = manager().List<int>({3, 1, 2});
  // Each changes it in one process, and is seen in another.
  const auto after = [&](auto change) {
    Elsewhere([&] { change(l); });
    return l->copy();
  };
  using L = List<int>;
  EXPECT_EQ(after([](const L& l) { l->push_back(1); }), (Numbers{3, 1, 2, 1}));
  EXPECT_EQ(after([](const L& l) { l->insert(-1, 9); }), (Numbers{3, 1, 2, 9, 1}));
  EXPECT_EQ(after([](const L& l) { l->extend({7, 8}); }), (Numbers{3, 1, 2, 9, 1, 7, 8}));
  EXPECT_EQ(after([](const L& l) { l->remove(1); }), (Numbers{3, 2, 9, 1, 7, 8}));
  EXPECT_EQ(after([](const L& l) { l->reverse(); }), (Numbers{8, 7, 1, 9, 2, 3}));
  EXPECT_EQ(after([](const L& l) { l->sort(); }), (Numbers{1, 2, 3, 7, 8, 9}));
  EXPECT_EQ(after([](const L& l) { l->sort(true); }), (Numbers{9, 8, 7, 3, 2, 1}));
  EXPECT_EQ(after([](const L& l) { l[-1] = 7; }), (Numbers{9, 8, 7, 3, 2, 7}));
  EXPECT_EQ(after([](const L& l) { l->erase(0); }), (Numbers{8, 7, 3, 2, 7}));
  EXPECT_EQ(after([](const L& l) { l->assign(1, 3, {5, 5, 5}); }), (Numbers{8, 5, 5, 5, 2, 7}));
  EXPECT_EQ(after([](const L& l) { l->erase(-3, -1); }), (Numbers{8, 5, 5, 7}));
  EXPECT_EQ(Elsewhere([&] { return l->pop() * 10 + l->pop(0); }), 78);
  EXPECT_EQ(Elsewhere([&] { return l->slice(-1); }), Numbers{5});
  EXPECT_EQ(Elsewhere([&] { return l->count(5) * 10 + l->index(5); }), 20u);
  EXPECT_TRUE(Elsewhere([&] { return l->contains(5) && !l->contains(6) && l->size() == 2; }));
  EXPECT_EQ(after([](const L& l) { l->clear(); }), Numbers{});
  EXPECT_THROW(Elsewhere([&] { l->pop(); }), std::out_of_range);
  EXPECT_THROW(Elsewhere([&] { *l[3]; }), std::out_of_range);
  EXPECT_THROW(Elsewhere([&] { l->remove(3); }), std::invalid_argument);
}

TEST_F(DataSemantics, ListOperatorsInPlaceGiveTheProxyAndOthersCopies) {
  auto l = manager().List<int>({1, 2});
  static_assert(std::is_same_v<decltype(l += Numbers{}), const List<int>&>);
  static_assert(std::is_same_v<decltype(l *= 2), const List<int>&>);
  Elsewhere([&] { (l += {3}) *= 2; });
  EXPECT_EQ(l->copy(), (Numbers{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(Elsewhere([&] { return (l + Numbers{4}).size() + (l * 2).size() + (2 * l).size(); }),
            7u + 12u + 12u);
  EXPECT_EQ(l->size(), 6u);
}

// In chunks; in Python with a call for each.
TEST_F(DataSemantics, ListIterationSeesWhatIsAppendedElsewhereAndEndsAtTheEnd) {
  const auto l = manager().List<int>({1, 2});
  Numbers seen;
  for (const int value : l->Iterate(/*chunk_size=*/1)) {
    if (value == 1) Elsewhere([&] { l->push_back(3); });
    if (value == 2) Elsewhere([&] { l[2] = 4; });
    seen.push_back(value);
  }
  EXPECT_EQ(seen, (Numbers{1, 2, 4}));
}

TEST_F(DataSemantics, DictHasThePythonMethods) {
  const auto d = manager().Dict<std::string, int>({{"b", 1}, {"a", 2}});
  Elsewhere([&] {
    d["c"] = 3;
    d->update({{"a", 4}, {"d", 5}});
    d["b"].Delete();
  });
  EXPECT_EQ(d->items(), (Items{{"a", 4}, {"c", 3}, {"d", 5}}));  // In the order of insertion.
  EXPECT_EQ(Elsewhere([&] { return d->keys(); }), (std::vector<std::string>{"a", "c", "d"}));
  EXPECT_EQ(Elsewhere([&] { return d->values(); }), (Numbers{4, 3, 5}));
  EXPECT_EQ(Elsewhere([&] { return d->popitem(); }), (std::pair<std::string, int>{"d", 5}));
  EXPECT_EQ(Elsewhere([&] { return d->pop("a") * 10 + d->pop("a", 7); }), 47);
  EXPECT_EQ(Elsewhere([&] { return d->setdefault("c", 9) * 10 + d->setdefault("e", 9); }), 39);
  EXPECT_EQ(Elsewhere([&] { return d->get("x"); }), std::nullopt);
  EXPECT_EQ(Elsewhere([&] { return d->get("e", 0) + d->get("x", 1); }), 10);
  EXPECT_TRUE(Elsewhere([&] { return d->contains("e") && !d->contains("a") && d->size() == 2; }));
  EXPECT_THROW(Elsewhere([&] { *d["a"]; }), std::out_of_range);
  EXPECT_THROW(Elsewhere([&] { d->pop("a"); }), std::out_of_range);
  Elsewhere([&] { d->clear(); });
  EXPECT_TRUE(d->empty());
  EXPECT_THROW(Elsewhere([&] { d->popitem(); }), std::out_of_range);
}

TEST_F(DataSemantics, DictOperatorsInPlaceGiveTheProxyAndOthersCopies) {
  auto d = manager().Dict<std::string, int>({{"a", 1}});
  static_assert(std::is_same_v<decltype(d |= Items{}), const Dict<std::string, int>&>);
  Elsewhere([&] { (d |= {{"b", 2}}) |= Items{{"a", 3}}; });
  EXPECT_EQ(Elsewhere([&] { return d | Items{{"c", 4}}; }), (Items{{"a", 3}, {"b", 2}, {"c", 4}}));
  EXPECT_EQ(d->size(), 2u);
}

// In Python one of two sums is lost.
TEST_F(DataSemantics, DictItemsAreAddedToInOneStep) {
  const auto d = manager().Dict<std::string, int>({{"n", 0}});
  const auto add = [&] {
    for (int i = 0; i < 500; ++i) d["n"] += 1;
  };
  Process one(add), two(add);
  one.Join();
  two.Join();
  EXPECT_EQ(*d["n"], 1000);
}

// The items, in chunks; in Python the keys, with a call for each.
TEST_F(DataSemantics, DictIterationThrowsWhenTheSizeHasChanged) {
  const auto d = manager().Dict<std::string, int>({{"a", 1}, {"b", 2}});
  EXPECT_EQ(Elsewhere([&] {
              Items items;
              for (const auto& [key, value] : d) items.emplace_back(key, value);
              return items;
            }),
            d->items());
  const auto iterate = [&] {
    for (const auto& item : d->Iterate(/*chunk_size=*/1)) {
      Elsewhere([&] { d[item.first + "!"] = 3; });
    }
  };
  EXPECT_THROW(iterate(), std::runtime_error);
}

// It is the client's: who dies leaves none behind in the manager, where Python has one.
TEST_F(DataSemantics, IteratorIsNoObjectOfTheManager) {
  const auto l = manager().List<int>({1});
  auto at = l.begin();
  EXPECT_EQ(manager().object_count(), 1u);
  ++at;
  EXPECT_TRUE(at == l.end());
  Elsewhere([&] { l->push_back(2); });
  EXPECT_TRUE(at == l.end());  // Exhausted stays exhausted.
}

TEST_F(DataSemantics, SetHasThePythonMethods) {
  const auto s = manager().Set<int>({1, 2});
  using Values = std::set<int>;
  Elsewhere([&] {
    s->insert(3);
    s->erase(9);
    s->remove(1);
  });
  EXPECT_EQ(s->copy(), (Values{2, 3}));
  EXPECT_EQ(Elsewhere([&] { return s | Values{4}; }), (Values{2, 3, 4}));
  EXPECT_EQ(Elsewhere([&] { return s & Values{3, 4}; }), Values{3});
  EXPECT_EQ(Elsewhere([&] { return s - Values{3, 4}; }), Values{2});
  EXPECT_EQ(Elsewhere([&] { return s ^ Values { 3, 4 }; }), (Values{2, 4}));
  EXPECT_TRUE(Elsewhere([&] {
    return s->isdisjoint({1}) && s->issubset({1, 2, 3}) && s->issuperset({2}) && s->contains(2);
  }));
  auto& same = s;
  static_assert(std::is_same_v<decltype(same |= Values{}), const Set<int>&>);
  Elsewhere([&] { (((s |= {4, 5}) &= {3, 4, 5}) -= {3}) ^= {4, 6}; });
  EXPECT_EQ(s->copy(), (Values{5, 6}));
  EXPECT_EQ(Elsewhere([&] { return s->pop(); }), 5);
  EXPECT_THROW(Elsewhere([&] { s->remove(5); }), std::out_of_range);
  Elsewhere([&] { s->clear(); });
  EXPECT_THROW(Elsewhere([&] { s->pop(); }), std::out_of_range);
}

// In Python the typecode is ignored.
TEST_F(DataSemantics, ValueHasAType) {
  const auto v = manager().Value<std::int8_t>(3);
  Elsewhere([&] { v = std::int8_t{7}; });
  EXPECT_EQ(*v, 7);
  EXPECT_EQ(Elsewhere([&] { return v->exchange(100); }), 7);
  EXPECT_EQ(v->get(), 100);
  EXPECT_THROW(Elsewhere([&] { v += std::int8_t{100}; }), std::overflow_error);
  manager().Publish("v", v);
  EXPECT_THROW(Elsewhere([&] { Manager::Connect(manager().address()).Get<Value<double>>("v"); }),
               BadValue);
  manager().Unpublish("v");
}

TEST_F(DataSemantics, ArrayIsOfOneTypeAndOneLength) {
  const auto a = manager().Array<double>({0, 1, 2});
  Elsewhere([&] {
    a[-1] = 0.5;
    a->assign(0, 2, {5, 6});
    a[0] += 1;
  });
  EXPECT_EQ(a->copy(), (std::vector<double>{6, 6, 0.5}));
  EXPECT_EQ(Elsewhere([&] { return a->slice(1); }), (std::vector<double>{6, 0.5}));
  EXPECT_EQ(Elsewhere([&] { return a->size(); }), 3u);
  EXPECT_THROW(Elsewhere([&] { a->assign(0, 2, {1}); }), std::invalid_argument);
  EXPECT_THROW(Elsewhere([&] { a[3] = 1; }), std::out_of_range);
  static_assert(!std::is_assignable_v<decltype(a[0]), std::string>);  // TypeError.
}

TEST_F(DataSemantics, NamespaceSharesAllItsNames) {
  const auto ns = manager().Namespace();
  Elsewhere([&] {
    ns.Set("b", 2);
    ns.Set("a", std::string("one"));
  });
  EXPECT_EQ(ns->to_string(), "Namespace(a=\"one\", b=2)");
  EXPECT_EQ(ns.Get<int>("b"), 2);
  Elsewhere([&] { ns.Delete("b"); });
  EXPECT_FALSE(ns.Has("b"));
  EXPECT_THROW(Elsewhere([&] { ns.Get<int>("b"); }), std::out_of_range);
  EXPECT_THROW(Elsewhere([&] { ns.Delete("b"); }), std::out_of_range);
  // In Python such names are the proxy's.
  EXPECT_THROW(Elsewhere([&] { ns.Set("_b", 2); }), std::invalid_argument);
}

// There is no SharedMemoryManager: a large value goes through shared memory by itself.
TEST_F(DataSemantics, LargeValuesNeedNoSharedMemoryManager) {
  const auto d = manager().Dict<int, std::vector<double>>();
  constexpr std::size_t kSize = 1 << 20;
  Elsewhere([&] { d[0] = std::vector<double>(kSize, 0.5); });
  EXPECT_EQ(*d[0], std::vector<double>(kSize, 0.5));
}

}  // namespace
}  // namespace remoteobj
