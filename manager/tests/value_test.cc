// SPDX-License-Identifier: MIT
#include "remoteobj/manager/value.h"

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process_manager.h"
#include "remoteobj/manager/tests/test_helpers.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InFourThreads;
using manager_internal::InProcessManager;

class ValueTest : public testing::Test {
 protected:
  template <typename T>
  Value<T> Make(const T& value) {
    return manager_.Make<Value<T>>(value);
  }

  InProcessManager manager_{AddDataTypes};
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
    EXPECT_EQ(manager_.object_count(), 3u);
  }
  EXPECT_EQ(manager_.object_count(), 0u);
}

}  // namespace
}  // namespace remoteobj
