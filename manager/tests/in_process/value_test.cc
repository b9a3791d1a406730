// SPDX-License-Identifier: MIT
//
// The data types of one value, of numbers and of attributes: Value, Array, Namespace.
#include "remoteobj/manager/value.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/array.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/namespace.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InFourThreads;
using manager_internal::TestServer;

// Value

class ValueTest : public testing::Test {
 protected:
  template <typename T>
  Value<T> Make(const T& value) {
    return manager_.Make<Value<T>>(value);
  }

  TestServer manager_{AddDataTypes};
};

TEST_F(ValueTest, GetsAndSets) {
  const auto v = Make(5);
  EXPECT_EQ(*v, 5);
  v = 6;
  EXPECT_EQ(v->get(), 6);
  v->set(7);
  v += 1;
  v -= 3;
  EXPECT_EQ(*v, 5);
  EXPECT_EQ(v->exchange(9), 5);
  EXPECT_FALSE(v->compare_exchange(5, 1));
  EXPECT_TRUE(v->compare_exchange(9, 1));
  EXPECT_EQ(v->to_string(), "1");
  EXPECT_EQ(*manager_.Make<Value<int>>(), 0);
}

TEST_F(ValueTest, HasAnyType) {
  const auto text = Make<std::string>("a");
  text = "b";
  text += "c";
  EXPECT_EQ(*text, "bc");
  EXPECT_EQ(text->to_string(), "\"bc\"");
  const auto maybe = Make<std::optional<int>>(std::nullopt);
  EXPECT_EQ(*maybe, std::nullopt);
  maybe = 5;
  EXPECT_EQ(*maybe, 5);
  const auto flag = Make(false);
  flag = true;
  EXPECT_TRUE(*flag);
  const auto time = Make(absl::UnixEpoch());
  time += absl::Seconds(5);
  time -= absl::Seconds(1);
  EXPECT_EQ(*time, absl::FromUnixSeconds(4));
  const auto letter = Make('a');
  letter += 1;
  EXPECT_EQ(*letter, 'b');
}

TEST_F(ValueTest, IsShownCutShort) {
  struct {
    std::string shown;
    std::string expected;
  } const kRows[] = {
      {Make(std::string(1000, 'x'))->to_string(), "\"" + std::string(300, 'x') + "…\""},
      {Make(std::vector<int>(1000, 12345))->to_string().substr(0, 15), "[12345, 12345, "},
      {Make(std::vector<bool>{true})->to_string(), "[1 bools]"},
      {Make(std::map<int, std::string>{{1, "\n"}})->to_string(), R"({1: "\n"})"},
      {Make(std::vector<std::vector<std::string>>(500))->to_string().substr(0, 9), "[[], [], "},
  };
  for (const auto& [shown, expected] : kRows) EXPECT_EQ(shown, expected);
}

// Python's keeps 3.7 in a Value('i').
TEST_F(ValueTest, IsOfItsType) {
  const auto v = Make<std::uint8_t>(250);
  v += 5;
  ExpectThrows<std::overflow_error>([&] { v += 1; }, "255 + 1 is not within [0, 255]");
  ExpectThrows<BadValue>([&] { Value<std::string>(Reference{v.referent()}); },
                         "expected a proxy of Value<std::string>, got one of Value<unsigned char>");
}

TEST_F(ValueTest, AssigningAProxyIsOfTheProxy) {
  auto a = Make(1);
  const auto b = Make(2);
  a = b;
  EXPECT_EQ(a, b);
  a = 3;
  EXPECT_EQ(*b, 3);
}

TEST_F(ValueTest, AddsAtOnceWhoeverElseAdds) {
  const auto number = Make(0);
  const auto time = Make(absl::ZeroDuration());
  InFourThreads([&](int) {
    number += 1;
    time += absl::Seconds(1);
  });
  EXPECT_EQ(*number, 800);
  EXPECT_EQ(*time, absl::Seconds(800));
}

TEST_F(ValueTest, HasAnotherObject) {
  {
    const auto v = Make(manager_.Make<List<int>>());
    (*v)->push_back(1);
    const List<int> first = v->exchange(manager_.Make<List<int>>());
    EXPECT_EQ(first->size(), 1u);
    EXPECT_EQ(manager_.objects().object_count(), 3u);
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

// Array

class ArrayTest : public testing::Test {
 protected:
  template <typename T>
  Array<T> Make(const std::vector<T>& numbers) {
    return manager_.Make<Array<T>>(numbers);
  }

  TestServer manager_{AddDataTypes};
};

TEST_F(ArrayTest, IndexesAndSlices) {
  const auto a = Make<int>({1, 2, 3, 4});
  EXPECT_EQ(a->size(), 4u);
  EXPECT_EQ(*a[0], 1);
  EXPECT_EQ(a->back(), 4);
  a[-1] = 5;
  a[0] += 10;
  a[1] -= 10;
  EXPECT_EQ(a->copy(), (std::vector<int>{11, -8, 3, 5}));
  EXPECT_EQ(a->slice(1, -1), (std::vector<int>{-8, 3}));
  a->assign(1, 3, {7, 8});
  a->assign(-1, 100, std::vector<int>{9});
  EXPECT_EQ(a->to_string(), "[11, 7, 8, 9]");
  EXPECT_TRUE(a[0].compare_exchange(11, 1));
  EXPECT_FALSE(a->compare_exchange(0, 11, 2));
  a->fill(6);
  EXPECT_EQ(a->copy(), (std::vector<int>{6, 6, 6, 6}));
  EXPECT_TRUE(Make<int>({})->empty());
  for (const std::int64_t index : {4, -5}) {
    const auto throws = [&](auto f) {
      ExpectThrows<std::out_of_range>(f, "no item " + std::to_string(index) + ": the array has 4");
    };
    throws([&] { *a[index]; });
    throws([&] { a[index] = 1; });
    throws([&] { a[index] += 1; });
    throws([&] { a->compare_exchange(index, 1, 2); });
  }
  ExpectThrows<std::invalid_argument>([&] { a->assign(0, 2, {1}); }, "can't assign 1 numbers to 2");
}

template <typename T>
class ArrayOfTest : public ArrayTest {};
using NumberTypes =
    testing::Types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
                   std::uint32_t, std::int64_t, std::uint64_t, float, double, char>;
TYPED_TEST_SUITE(ArrayOfTest, NumberTypes);

TYPED_TEST(ArrayOfTest, HasAllItsNumbers) {
  using Limits = std::numeric_limits<TypeParam>;
  const auto a = this->template Make<TypeParam>({Limits::lowest(), TypeParam{1}, Limits::max()});
  EXPECT_EQ(a->front(), Limits::lowest());
  EXPECT_EQ(a->back(), Limits::max());
  a[1] += 2;
  EXPECT_EQ(*a[1], 3);
  if (Limits::is_integer) {
    EXPECT_THROW(a[2] += 1, std::overflow_error);
    EXPECT_THROW(a[0] -= 1, std::overflow_error);
  }
  a[2] = Limits::lowest();
  EXPECT_EQ(a->copy(), (std::vector<TypeParam>{Limits::lowest(), 3, Limits::lowest()}));
}

TEST_F(ArrayTest, IteratesInChunks) {
  std::vector<int> numbers(20000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto a = Make(numbers);
  std::vector<int> seen;
  for (const int number : a) seen.push_back(number);
  EXPECT_EQ(seen, numbers);
  EXPECT_LT(a->to_string().size(), 400u);
}

TEST_F(ArrayTest, AddsAtOnceWhoeverElseAdds) {
  const auto a = Make<float>({0, 0});
  InFourThreads([&](int i) { a[i % 2] += 1; });
  EXPECT_EQ(a->copy(), (std::vector<float>{400, 400}));
}

// Python's takes a TypeError.
TEST_F(ArrayTest, IsOfItsType) {
  const auto a = Make<int>({1});
  ExpectThrows<BadValue>([&] { Array<unsigned>(Reference{a.referent()}); },
                         "expected a proxy of Array<unsigned int>, got one of Array<int>");
  // One that says that it is what it is not.
  const auto texts = manager_.Create("Array", Array<int>::Type(),
                                     AnyValue::Of(std::vector<std::vector<float>>{{1}}));
  EXPECT_THROW(Array<int>(texts)->assign(0, 1, {1}), BadValue);
  EXPECT_THROW(Array<int>(texts)[0] += 1, BadValue);
  EXPECT_THROW(manager_.Create("Array", "", List<int>::Arguments({1})), BadValue);
  EXPECT_THROW(manager_.Create("Array", "", AnyValue::Of(std::vector<std::vector<bool>>{{true}})),
               BadValue);
  EXPECT_EQ(manager_.objects().object_count(), 2u);
}

// Namespace

class NamespaceTest : public testing::Test {
 protected:
  TestServer manager_{AddDataTypes};
};

TEST_F(NamespaceTest, HasAttributesOfAnyTypes) {
  const auto ns = manager_.Make<Namespace>();
  EXPECT_EQ(ns->to_string(), "Namespace()");
  ns.Set("x", 10);
  ns.Set("name", "left");
  ns.Set("v", std::vector<int>{1, 2});
  EXPECT_EQ(ns.Get<int>("x"), 10);
  EXPECT_EQ(ns.Get<std::int64_t>("x"), 10);
  EXPECT_EQ(ns.Get<std::string>("name"), "left");
  EXPECT_EQ(ns.Get<std::vector<int>>("v").size(), 2u);
  EXPECT_EQ(ns.Names(), (std::vector<std::string>{"name", "v", "x"}));
  EXPECT_EQ(ns->to_string(), R"(Namespace(name="left", v=[1, 2], x=10))");
  ns.Set("x", 0.5);  // Another type than before.
  EXPECT_EQ(ns.Get<double>("x"), 0.5);
  ns.Delete("x");
  EXPECT_FALSE(ns.Has("x"));
  EXPECT_TRUE(ns.Has("v"));
}

TEST_F(NamespaceTest, ErrorsNameTheAttribute) {
  const auto ns = manager_.Make<Namespace>({{"x", AnyValue::Of(10)}, {"y", AnyValue::Of("a")}});
  ExpectThrows<std::out_of_range>([&] { ns.Get<int>("z"); }, "no attribute \"z\"");
  ExpectThrows<std::out_of_range>([&] { ns.Delete("z"); }, "no attribute \"z\"");
  ExpectThrows<BadValue>([&] { ns.Get<int>("y"); },
                         "attribute \"y\": (Namespace.at(\"y\")): expected an integer");
  ExpectThrows<BadValue>([&] { ns.Get<std::string>("x"); },
                         "attribute \"x\": (Namespace.at(\"x\")): expected text");
  for (const char* name : {"", "_x", "__class__"}) {
    ExpectThrows<std::invalid_argument>([&] { ns.Set(name, 1); },
                                        "can't be called \"" + std::string(name) + "\"");
  }
  EXPECT_EQ(ns.Names().size(), 2u);
}

TEST_F(NamespaceTest, HasOtherObjects) {
  {
    const auto ns = manager_.Make<Namespace>();
    ns.Set("list", manager_.Make<List<int>>({1}));
    ns.Set("self", ns);
    ns.Get<List<int>>("list")->push_back(2);
    EXPECT_EQ(ns.Get<List<int>>("list")->size(), 2u);
    EXPECT_EQ(ns.Get<Namespace>("self"), ns);
    ExpectThrows<BadValue>([&] { ns.Get<List<double>>("list"); }, "got one of List<int>");
    EXPECT_EQ(manager_.objects().object_count(), 2u);
    ns.Delete("self");  // It would keep itself.
  }
  EXPECT_EQ(manager_.objects().object_count(), 0u);
}

TEST_F(NamespaceTest, TellsTypesApart) {
  const auto ns = manager_.Make<Namespace>();
  ExpectThrows<BadValue>([&] { List<int>(Reference{ns.referent()}); },
                         "expected a proxy of List<int>, got one of Namespace");
  EXPECT_EQ(ns, Namespace(Reference{ns.referent()}));
  EXPECT_NE(ns, manager_.Make<Namespace>());
}

}  // namespace
}  // namespace remoteobj
