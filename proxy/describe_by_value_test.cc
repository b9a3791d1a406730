// SPDX-License-Identifier: MIT
//
// A described class travels by value with its description alone: this test depends on no proxy.
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/packed.h"

namespace app {

struct Pose {
  double x = 0;
  double y = 0;

  double Length() const { return x + y; }
  bool operator==(const Pose&) const = default;
};
REMOTEOBJ_DESCRIBE(Pose, x, y, Length)

struct Track {
  std::string name;
  std::vector<Pose> poses;
  std::map<std::string, Pose> marks;

  bool operator==(const Track&) const = default;
};
REMOTEOBJ_DESCRIBE(Track, name, poses, marks)

struct LabelledTrack : Track {
  int label = 0;
};
REMOTEOBJ_DESCRIBE_DERIVED(LabelledTrack, (Track), label)

}  // namespace app

namespace remoteobj {
namespace {

TEST(DescribeByValueTest, PacksAndUnpacks) {
  const app::Track track{"a", {{1, 2}, {3, 4}}, {{"start", {5, 6}}}};
  EXPECT_EQ(Unpack<app::Track>(Pack(track)), track);
}

TEST(DescribeByValueTest, HasTheMembersOfItsBases) {
  app::LabelledTrack track;
  track.name = "b";
  track.label = 7;
  const auto copy = Unpack<app::LabelledTrack>(Pack(track));
  EXPECT_EQ(copy.name, "b");
  EXPECT_EQ(copy.label, 7);
  // Read as its base, which lacks only the label.
  EXPECT_EQ(Unpack<app::Track>(Pack(track)).name, "b");
}

TEST(DescribeByValueTest, RefusesAnotherType) {
  EXPECT_THROW(Unpack<app::Track>(Pack(app::Pose{1, 2})), BadValue);
}

}  // namespace
}  // namespace remoteobj
