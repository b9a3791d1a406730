// SPDX-License-Identifier: MIT
#include "remoteobj/manager/array.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process_manager.h"
#include "remoteobj/manager/tests/test_helpers.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InFourThreads;
using manager_internal::InProcessManager;

class ArrayTest : public testing::Test {
 protected:
  template <typename T>
  Array<T> Make(const std::vector<T>& numbers) {
    return manager_.Make<Array<T>>(numbers);
  }

  InProcessManager manager_{AddDataTypes};
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
  EXPECT_EQ(manager_.object_count(), 2u);
}

}  // namespace
}  // namespace remoteobj
