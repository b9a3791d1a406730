// SPDX-License-Identifier: MIT
#include "remoteobj/manager/dict.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {

struct Sum {
  int total = 0;
  std::unordered_set<int> parts = {};
  Sum& operator+=(int part) {
    total += part;
    parts.insert(part);
    return *this;
  }
};
REMOTEOBJ_DESCRIBE(Sum, total, parts)

namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InFourThreads;
using manager_internal::TestServer;
using Numbers = Dict<std::string, int>;
using Items = std::vector<std::pair<std::string, int>>;

class DictTest : public testing::Test {
 protected:
  Numbers MakeAbc() { return manager_.Make<Numbers>({{"a", 1}, {"b", 2}, {"c", 3}}); }

  TestServer manager_{AddDataTypes};
};

TEST_F(DictTest, TheItemsOfTheReference) {
  const auto d = manager_.Make<Numbers>();
  EXPECT_TRUE(d->empty());
  d["a"] = 1;
  const int one = *d["a"];
  EXPECT_EQ(one, 1);
  d["a"] += 1;
  EXPECT_EQ(*d["a"], 2);
  EXPECT_TRUE(d->contains("a"));
  EXPECT_FALSE(d->contains("b"));
  EXPECT_EQ(d->size(), 1u);
  d->update({{"b", 2}});
  EXPECT_EQ(d->keys(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(d->pop("a"), 2);
  EXPECT_EQ(d->size(), 1u);
}

TEST_F(DictTest, IsInTheOrderOfInsertion) {
  const Numbers d = MakeAbc();
  d["a"] = 10;  // Stays where it is.
  d->erase("b");
  d["b"] = 20;  // Is new.
  EXPECT_EQ(d->keys(), (std::vector<std::string>{"a", "c", "b"}));
  EXPECT_EQ(d->values(), (std::vector<int>{10, 3, 20}));
  EXPECT_EQ(d->items(), (Items{{"a", 10}, {"c", 3}, {"b", 20}}));
  EXPECT_EQ(d->popitem(), (std::pair<std::string, int>("b", 20)));
  EXPECT_EQ(d->to_string(), R"({"a": 10, "c": 3})");
}

TEST_F(DictTest, ItemsThatAreNotThere) {
  const Numbers d = MakeAbc();
  const auto throws = [](auto f) { ExpectThrows<std::out_of_range>(f, "no key \"x\""); };
  throws([&] { d->at("x"); });
  throws([&] { *d["x"]; });
  throws([&] { d["x"].Delete(); });
  throws([&] { d["x"] += 1; });
  throws([&] { d["x"].compare_exchange(1, 2); });
  throws([&] { d->pop("x"); });
  EXPECT_EQ(d->get("x"), std::nullopt);
  EXPECT_EQ(d->get("a"), 1);
  EXPECT_EQ(d->get("x", 7), 7);
  EXPECT_EQ(d->get("a", 7), 1);
  EXPECT_EQ(d->pop("x", 7), 7);
  EXPECT_EQ(d->pop("a", 7), 1);
  EXPECT_EQ(d->erase("a"), 0u);
  EXPECT_EQ(d->erase("b"), 1u);
  EXPECT_FALSE(d["b"].Exists());
  EXPECT_TRUE(d["c"].Exists());
  d["c"].Delete();
  EXPECT_TRUE(d->empty());
  ExpectThrows<std::out_of_range>([&] { d->popitem(); }, "empty");
}

TEST_F(DictTest, Updates) {
  const Numbers d = MakeAbc();
  EXPECT_FALSE(d->insert("a", 5));
  EXPECT_TRUE(d->insert("d", 4));
  d->insert_or_assign("d", 5);
  EXPECT_EQ(d->setdefault("d", 6), 5);
  EXPECT_EQ(d->setdefault("e", 6), 6);
  d->update(std::map<std::string, int>{{"a", 11}, {"f", 7}});
  d->update(Items{{"a", 12}});
  EXPECT_EQ(&(d |= {{"g", 8}}), &d);
  EXPECT_EQ(d->items(),
            (Items{{"a", 12}, {"b", 2}, {"c", 3}, {"d", 5}, {"e", 6}, {"f", 7}, {"g", 8}}));
  d->clear();
  d["a"] = 1;
  EXPECT_EQ((d | Items{{"b", 2}, {"a", 3}}), (Items{{"a", 3}, {"b", 2}}));
  EXPECT_EQ(d->items(), (Items{{"a", 1}}));
  // Another dictionary is a range of items, too.
  const Numbers other = MakeAbc();
  d->update(other);
  EXPECT_EQ(d->size(), 3u);
}

TEST_F(DictTest, ComparesAndExchanges) {
  const Numbers d = MakeAbc();
  EXPECT_FALSE(d["a"].compare_exchange(2, 3));
  EXPECT_TRUE(d["a"].compare_exchange(1, 3));
  EXPECT_TRUE(d->compare_exchange("a", 3, 4));
  EXPECT_EQ(*d["a"], 4);
  d["b"] = d["a"];  // The value.
  EXPECT_EQ(d["b"].Get(), 4);
}

TEST_F(DictTest, Iterates) {
  const Numbers d = MakeAbc();
  for (const std::size_t chunk : {1, 2, 3, 4}) {
    Items seen;
    for (const auto& [key, value] : d->Iterate(chunk)) seen.emplace_back(key, value);
    EXPECT_EQ(seen, d->items()) << chunk;
  }
  int sum = 0;
  for (auto& [key, value] : d) sum += value;
  EXPECT_EQ(sum, 6);
  for (auto& [key, value] : d->items()) sum += value;
  EXPECT_EQ(sum, 12);
  d->clear();
  for (auto& item : d) ADD_FAILURE() << item.first;
}

TEST_F(DictTest, NoticesChangesWhileItIterates) {
  const Numbers d = MakeAbc();
  const auto iterate = [&](auto change) {
    for (auto& item : d->Iterate(1)) {
      if (item.first == "a") change();
    }
  };
  iterate([&] { d["a"] = 5; });  // The size stays.
  ExpectThrows<std::runtime_error>([&] { iterate([&] { d["d"] = 4; }); }, "there were 3 items");
  ExpectThrows<std::runtime_error>([&] { iterate([&] { d->erase("b"); }); }, "and are 3");
  ExpectThrows<std::runtime_error>(
      [&] {
        iterate([&] {
          d->erase("a");
          d["e"] = 5;
        });
      },
      "changed while it was iterated");
}

TEST_F(DictTest, AddsNumbersThatFit) {
  const auto d = manager_.Make<Dict<int, std::int8_t>>();
  d[0] = 120;
  d[0] += 7;
  EXPECT_EQ(*d[0], 127);
  ExpectThrows<std::overflow_error>([&] { d[0] += 1; }, "127 + 1 is not within [-128, 127]");
  EXPECT_EQ(*d[0], 127);
  d[0] = -128;
  ExpectThrows<std::overflow_error>([&] { d[0] -= 1; }, "-128 - 1");

  const auto large = manager_.Make<Dict<int, std::uint64_t>>();
  large[0] = std::numeric_limits<std::uint64_t>::max() - 1;
  large[0] += 1;
  EXPECT_THROW(large[0] += 1, std::overflow_error);
  large[0] -= std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(*large[0], 0u);
  EXPECT_THROW(large[0] -= 1, std::overflow_error);

  const auto narrow = manager_.Make<Dict<int, float>>();
  narrow[0] = 0.1f;
  narrow[0] += 0.2f;
  EXPECT_EQ(*narrow[0], 0.1f + 0.2f);
  const auto chars = manager_.Make<Dict<char, char>>();
  chars['x'] = 'a';
  chars['x'] += 1;
  EXPECT_EQ(*chars['x'], 'b');
}

TEST_F(DictTest, AppendsTexts) {
  const auto d = manager_.Make<Dict<int, std::string>>();
  d[1] = "one";
  d[1] += ", two";
  EXPECT_EQ(*d[1], "one, two");
  EXPECT_EQ(d[1]->size(), 8u);
}

TEST_F(DictTest, AddsAtOnceWhoeverElseAdds) {
  const Numbers d = MakeAbc();
  const auto sums = manager_.Make<Dict<int, Sum>>({{1, {}}});
  const auto texts = manager_.Make<Dict<int, std::string>>({{1, ""}});
  InFourThreads([&](int i) {
    d["a"] += 1;
    d["b"] -= 1;
    sums[1] += i;  // A type that the server can't add.
    texts[1] += "x";
  });
  EXPECT_EQ(*d["a"], 801);
  EXPECT_EQ(*d["b"], -798);
  EXPECT_EQ(sums[1]->total, 799 * 800 / 2);
  EXPECT_EQ(sums[1]->parts.size(), 800u);
  EXPECT_EQ(*texts[1], std::string(800, 'x'));
}

TEST_F(DictTest, InsertsOnceWhoeverElseInserts) {
  const auto d = manager_.Make<Dict<int, int>>();
  std::atomic<int> inserted = 0;
  InFourThreads([&](int i) { inserted += d->insert(i % 100, i) ? 1 : 0; });
  EXPECT_EQ(inserted, 100);
}

TEST_F(DictTest, HasAnyKeysAndValues) {
  const auto d = manager_.Make<Dict<std::pair<int, std::string>, std::optional<int>>>();
  d[{1, "a"}] = 5;
  d[{1, "b"}] = std::nullopt;
  EXPECT_EQ((*d[{1, "a"}]), 5);
  EXPECT_EQ((*d[{1, "b"}]), std::nullopt);
  EXPECT_TRUE(d->get({1, "b"}).has_value());  // It is there, and nothing.
  EXPECT_FALSE(d->get({1, "c"}).has_value());
  EXPECT_EQ(d->to_string(), R"({[1, "a"]: 5, [1, "b"]: null})");
  const auto bools = manager_.Make<Dict<bool, bool>>({{true, false}});
  EXPECT_EQ(bools->keys(), std::vector<bool>{true});
  EXPECT_EQ(bools->get(true), false);
  const auto vectors = manager_.Make<Dict<std::vector<double>, std::vector<std::byte>>>();
  vectors[{0.5}] = {std::byte{1}};
  EXPECT_EQ(vectors[{0.5}]->size(), 1u);
}

TEST_F(DictTest, HasOtherObjects) {
  using Inner = Dict<std::string, int>;
  {
    const auto outer = manager_.Make<Dict<std::string, Inner>>();
    outer["x"] = MakeAbc();  // The proxy is gone, the object is not.
    EXPECT_EQ(manager_.objects().object_count(), 2u);
    EXPECT_EQ(*(*outer["x"])["a"], 1);
    const Inner inner = *outer["x"];
    inner["a"] = 5;
    EXPECT_EQ(outer["x"]->at("a"), 5);
    EXPECT_EQ(outer->values(), std::vector<Inner>{inner});
    EXPECT_EQ(outer->at("x"), inner);
    outer->clear();
    EXPECT_EQ(inner->size(), 3u);
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(DictTest, TellsTypesApart) {
  const Numbers d = MakeAbc();
  const Numbers same(Reference{d.referent()});
  EXPECT_EQ(same, d);
  EXPECT_NE(MakeAbc(), d);  // By identity, whatever is in it.
  ExpectThrows<BadValue>([&] { Dict<std::string, long>(Reference{d.referent()}); },
                         "expected a proxy of Dict<std::string, long>, got one of "
                         "Dict<std::string, int>");
}

TEST_F(DictTest, IsShownCutShort) {
  const auto d = manager_.Make<Dict<int, std::string>>();
  for (int i = 0; i < 1000; ++i) d[i] = "a\n";
  const std::string text = d->to_string();
  EXPECT_LT(text.size(), 400u);
  EXPECT_EQ(text.substr(0, 20), R"({0: "a\n", 1: "a\n",)");
}

}  // namespace
}  // namespace remoteobj
