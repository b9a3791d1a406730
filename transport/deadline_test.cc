// SPDX-License-Identifier: MIT
#include "remoteobj/transport/deadline.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace remoteobj {
namespace {

TEST(DeadlineTest, ExpiresWhenTheTimeIsOver) {
  const Deadline later = Deadline::After(absl::Hours(1));
  EXPECT_FALSE(later.expired());
  EXPECT_GT(later.left(), absl::ZeroDuration());
  EXPECT_LE(later.left(), absl::Hours(1));
  for (const absl::Duration none :
       {absl::ZeroDuration(), -absl::Seconds(1), -absl::InfiniteDuration()}) {
    EXPECT_TRUE(Deadline::After(none).expired()) << none;
    EXPECT_LE(Deadline::After(none).left(), absl::ZeroDuration()) << none;
  }
  EXPECT_TRUE(Deadline::Passed().expired());
  EXPECT_LE(Deadline::Passed().left(), absl::ZeroDuration());
}

TEST(DeadlineTest, NeverIsWhereATimeoutIsInfiniteOrTooLarge) {
  EXPECT_FALSE(Deadline::Never().expired());
  EXPECT_EQ(Deadline::Never().left(), absl::InfiniteDuration());
  EXPECT_EQ(Deadline::After(absl::InfiniteDuration()), Deadline::Never());
  EXPECT_EQ(Deadline::After(absl::Hours(24) * 366 * 1000), Deadline::Never());
  EXPECT_EQ(Deadline::Never() + -absl::InfiniteDuration(), Deadline::Never());
}

TEST(DeadlineTest, HasAnOrder) {
  const Deadline soon = Deadline::After(absl::Seconds(1));
  EXPECT_LT(Deadline::Passed(), Deadline::Now());
  EXPECT_LT(Deadline::Now(), soon);
  EXPECT_LT(soon, soon + absl::Nanoseconds(1));
  EXPECT_EQ(std::min({Deadline::Never(), soon + absl::Seconds(1), soon}), soon);
}

// A number from a message: a reader believes nothing.
TEST(DeadlineTest, EveryNumberIsADeadline) {
  const Deadline soon = Deadline::After(absl::Seconds(1));
  for (const Deadline deadline : {Deadline::Never(), Deadline::Passed(), soon}) {
    EXPECT_EQ(Deadline::FromNanos(deadline.nanos()), deadline);
  }
  EXPECT_EQ(Deadline::Never().nanos(), 0);
  EXPECT_EQ(Deadline::FromNanos(-1), Deadline::Passed());
  EXPECT_EQ(Deadline::FromNanos(std::numeric_limits<std::int64_t>::min()), Deadline::Passed());
  EXPECT_EQ(Deadline::FromNanos(std::numeric_limits<std::int64_t>::max()), Deadline::Never());
}

}  // namespace
}  // namespace remoteobj
