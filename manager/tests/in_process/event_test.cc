// SPDX-License-Identifier: MIT
#include "remoteobj/manager/event.h"

#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/server/types/sync_types.h"
#include "remoteobj/manager/tests/in_process/clients_testing.h"

namespace remoteobj::manager_internal {
namespace {

class EventTest : public testing::Test {
 protected:
  Begun<bool> BeginWait(TestClient& client) {
    return client.Begin<bool>(event_, "wait", absl::InfiniteDuration());
  }

  TestServer server_{AddSyncTypes};
  TestClient a_{server_};
  TestClient b_{server_};
  Event event_ = a_.Make<Event>();
  Event event_b_ = b_.Get(event_);
};

TEST_F(EventTest, IsAFlag) {
  EXPECT_FALSE(event_b_->is_set());
  EXPECT_FALSE(event_->wait(absl::ZeroDuration()));
  EXPECT_FALSE(event_->wait(-absl::Seconds(1)));
  EXPECT_FALSE(event_->wait(absl::Milliseconds(5)));
  event_->set();
  event_->set();
  EXPECT_TRUE(event_b_->is_set());
  EXPECT_TRUE(event_b_->wait());
  EXPECT_TRUE(event_b_->wait(absl::ZeroDuration()));
  event_b_->clear();
  EXPECT_FALSE(event_->is_set());
  EXPECT_FALSE(event_->wait(absl::Milliseconds(1)));
  EXPECT_EQ(server_.waiting(), 0u);
}

TEST_F(EventTest, AllWhoWaitGoOnEvenIfItIsClearedAtOnce) {
  std::vector<Begun<bool>> waiting;
  for (int i = 0; i < 1000; ++i) waiting.push_back(BeginWait(i % 2 == 0 ? a_ : b_));
  EXPECT_EQ(server_.waiting(), 1000u);
  event_->set();
  event_->clear();
  for (Begun<bool>& one : waiting) EXPECT_TRUE(one.Get());
  EXPECT_FALSE(BeginWait(a_).ready());
}

TEST_F(EventTest, WakesAThread) {
  std::thread waiter([&] { EXPECT_TRUE(event_b_->wait()); });
  server_.AwaitWaiting(1);
  event_->set();
  waiter.join();
}

TEST_F(EventTest, TheDeadWaitNoLonger) {
  std::thread waiter([&] { EXPECT_THROW(event_b_->wait(), ClientDied); });
  server_.AwaitWaiting(1);
  Begun<bool> other = BeginWait(a_);
  b_.Die();
  waiter.join();
  EXPECT_EQ(server_.waiting(), 1u);
  event_->set();
  EXPECT_TRUE(other.Get());
}

}  // namespace
}  // namespace remoteobj::manager_internal
