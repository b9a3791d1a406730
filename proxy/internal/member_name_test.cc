// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/internal/member_name.h"

#include "gtest/gtest.h"
#include "remoteobj/proxy/describe.h"

namespace remoteobj::proxy_internal {

class Machine {
 public:
  virtual ~Machine() = default;
  virtual void Start() {}
  virtual void Stop() {}
  int Count() const { return count; }
  int count = 0;
  int other = 0;
};
REMOTEOBJ_DESCRIBE(Machine, Start, Stop, Count, count, other)

namespace {

TEST(MemberName, IsTheNameInTheDescription) {
  EXPECT_EQ(MemberName(&Machine::Count), "Count");
  EXPECT_EQ(MemberName(&Machine::count), "count");
  EXPECT_EQ(MemberName(&Machine::other), "other");
}

TEST(MemberName, TellsVirtualMethodsOfOneTypeApart) {
  EXPECT_EQ(MemberName(&Machine::Start), "Start");
  EXPECT_EQ(MemberName(&Machine::Stop), "Stop");
}

}  // namespace
}  // namespace remoteobj::proxy_internal
