// SPDX-License-Identifier: MIT
//
// Proxies as arguments of processes that are no forks. Has a main of its own, which begins with
// Init(): it is the program that is re-executed.
#include "remoteobj/process/spawn.h"

#include <stdexcept>
#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/counter.h"

namespace app {

void Serve(remoteobj::Proxy<Counter> remote) {
  Counter counter;
  remote.Bind(counter);
  auto listening = remote.Listen();
  while (!counter.stop) remote.Poll(absl::InfiniteDuration());
}
int Use(remoteobj::Proxy<Counter> remote) {
  remote->count = 40;
  remote->Inc();
  return remote->Inc();
}
void ListenWithNothing(remoteobj::Proxy<Counter> remote) { auto listening = remote.Listen(); }

REMOTEOBJ_REGISTER_FUNCTION(Serve)
REMOTEOBJ_REGISTER_FUNCTION(Use)
REMOTEOBJ_REGISTER_FUNCTION(ListenWithNothing)

}  // namespace app

namespace remoteobj {
namespace {

using testing::HasSubstr;

class ProxySpawnTest : public testing::TestWithParam<Start> {
 protected:
  app::Counter counter_;
  Proxy<app::Counter> remote_{counter_};
};

TEST_P(ProxySpawnTest, TheNewProcessListens) {
  Process server({.start = GetParam()}, app::Serve, remote_);
  remote_.WaitUntilListening(server);
  EXPECT_EQ(remote_->Inc(), 1);
  remote_->config->timeout = 5;
  EXPECT_EQ(*remote_->config->timeout, 5);
  EXPECT_EQ(remote_.listener_pid(), server.pid());
  Process user({.start = GetParam()}, app::Use, remote_);
  user.Join();
  EXPECT_EQ(user.result(), 42);
  EXPECT_EQ(*remote_->count, 42);
  EXPECT_EQ(counter_.count, 0) << "the one here is another";
  remote_->stop = true;
  server.Join();
}

TEST_P(ProxySpawnTest, TheNewProcessUses) {
  auto listening = remote_.ListenInBackground();
  Process user({.start = GetParam()}, app::Use, remote_);
  user.Join();
  EXPECT_EQ(user.result(), 42);
  const std::scoped_lock lock(remote_);
  EXPECT_EQ(counter_.count, 42);
}

TEST_P(ProxySpawnTest, CodeDoesNotTravelToAnotherImage) {
  Process server({.start = GetParam()}, app::Serve, remote_);
  remote_.WaitUntilListening(server);
  try {
    remote_.PassTo([](app::Counter& counter) { return counter.count; });
    FAIL();
  } catch (const BadValue& e) {
    EXPECT_THAT(e.what(), HasSubstr("only between forks"));
  }
  EXPECT_EQ(remote_->Inc(), 1) << "the listener goes on";
  server.Kill();
}

TEST_P(ProxySpawnTest, ThereIsNothingToListenWithUntilItIsBound) {
  Process server({.start = GetParam()}, app::ListenWithNothing, remote_);
  try {
    server.Join();
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("Bind() one"));
  }
}

TEST_P(ProxySpawnTest, AProxyIsNoValueOtherwise) {
  try {
    Process process([this] { return remote_; });
    process.Join();
    FAIL();
  } catch (const BadValue& e) {
    EXPECT_THAT(e.what(), HasSubstr("argument of a process that is being started"));
  }
}

INSTANTIATE_TEST_SUITE_P(Starts, ProxySpawnTest, testing::Values(Start::kSpawn, Start::kForkServer),
                         [](const auto& start) {
                           return start.param == Start::kSpawn ? "Spawn" : "ForkServer";
                         });

}  // namespace
}  // namespace remoteobj

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
