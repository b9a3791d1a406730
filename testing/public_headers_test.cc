// SPDX-License-Identifier: MIT
//
// All public headers in one file: no two of them declare the same name.
#include "gtest/gtest.h"
#include "remoteobj/remoteobj.h"
#include "remoteobj/testing/counter.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/channel_conformance.h"
#include "remoteobj/transport/rpc/tls.h"
#include "remoteobj/transport/rpc/tls_layer.h"

namespace remoteobj {
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ChannelConformance);
}

TEST(PublicHeadersTest, CompileTogether) {
  static_assert(remoteobj::Run::kOnThread != remoteobj::Run::kInServer);
  const remoteobj::RunEnd run = remoteobj::RunInThread;
  EXPECT_TRUE(run);
}
