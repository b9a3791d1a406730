// SPDX-License-Identifier: MIT
//
// A manager that was forked while another thread of its program was logging: glog's lock is held in
// it for ever.
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {
namespace {

// Called with glog's lock held; returns when the manager has been forked.
class SlowSink final : public google::LogSink {
 public:
  void send(google::LogSeverity, const char*, const char*, int, const google::LogMessageTime&,
            const char*, std::size_t) override {
    logging.Notify();
    forked.WaitForNotification();
  }

  absl::Notification logging, forked;
};

TEST(LogAfterForkTest, AManagerForkedBesideAThreadThatLogsServesOnAfterItsFirstLine) {
  SlowSink sink;
  absl::Notification begin;
  std::thread logs([&] {
    begin.WaitForNotification();
    LOG(INFO) << "a line that takes long";
  });
  // The program itself logs once that it forks beside a thread.
  Manager("", {}).Start();
  google::AddLogSink(&sink);
  begin.Notify();
  sink.logging.WaitForNotification();
  Manager manager("", {.authkey = "key"});
  manager.Start();
  // The manager logs this.
  EXPECT_THROW(Manager::Connect(manager.address(), {.authkey = "wrong"}), AuthenticationError);
  EXPECT_EQ(Manager::Connect(manager.address(), {.authkey = "key"}).object_count(), 0u);
  sink.forked.Notify();
  logs.join();
  google::RemoveLogSink(&sink);
}

}  // namespace
}  // namespace remoteobj
