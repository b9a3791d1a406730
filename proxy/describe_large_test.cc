// SPDX-License-Identifier: MIT
//
// The largest number of members of a description.
#include "gtest/gtest.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/here_testing.h"
#include "remoteobj/proxy/view.h"

#define TEN(x) x##0, x##1, x##2, x##3, x##4, x##5, x##6, x##7, x##8, x##9
#define HUNDRED(x)                                                                        \
  TEN(x##0), TEN(x##1), TEN(x##2), TEN(x##3), TEN(x##4), TEN(x##5), TEN(x##6), TEN(x##7), \
      TEN(x##8), TEN(x##9)
struct Large {
  int HUNDRED(a), HUNDRED(b), HUNDRED(c);
};
REMOTEOBJ_DESCRIBE(Large, HUNDRED(a), HUNDRED(b), HUNDRED(c))

namespace remoteobj {
namespace {

using proxy_internal::Arrow;
using proxy_internal::Node;
using proxy_internal::TypeOf;

TEST(DescribeLargeTest, NamesThreeHundredMembers) {
  EXPECT_EQ(TypeOf<Large>().members().size(), 300u);
  EXPECT_EQ(TypeOf<Large>().members()[299].name, "c99");
  const Arrow<Large> large(Node{nullptr, View()});
  EXPECT_AT_ARROW(large, a00);
  EXPECT_AT_ARROW(large, b55);
  EXPECT_AT_ARROW(large, c99);
}

TEST(DescribeLargeTest, ReachesEachOfThreeHundredMembers) {
  Here<Large> large;
  large.object.a00 = 1;
  large.object.b55 = 2;
  large.object.c99 = 3;
  EXPECT_EQ(*large.remote->a00, 1);
  EXPECT_EQ(*large.remote->b55, 2);
  EXPECT_EQ(*large.remote->c99, 3);
  large.remote->c98 = 4;
  EXPECT_EQ(large.object.c98, 4);
}

}  // namespace
}  // namespace remoteobj
