// SPDX-License-Identifier: MIT
//
// Tests of what every channel must do. To run them on a channel of your own, say how it is made and
// where its listener and its callers run:
//
//   INSTANTIATE_TEST_SUITE_P(
//       Mine, remoteobj::ChannelConformance,
//       testing::Values(remoteobj::ChannelConformanceParam{.name = "forked",
//                                                          .make = MakeMine,
//                                                          .listener = remoteobj::RunInProcess}),
//       remoteobj::ChannelConformanceName);
//
// The tests themselves are in channel_conformance.cc; link gtest_main.
//
// Threads:  a test starts its processes before its threads, so that a ThreadSanitizer build may
//           fork.
// Errors:   watchdogs of a minute; nothing is said of how fast a channel is.
// Not here: what happens when a process is killed, which each channel tests itself.
#ifndef REMOTEOBJ_TRANSPORT_CHANNEL_CONFORMANCE_H_
#define REMOTEOBJ_TRANSPORT_CHANNEL_CONFORMANCE_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"

namespace remoteobj {

class ChannelUnderTest {
 public:
  virtual ~ChannelUnderTest() = default;
  virtual Channel& channel() = 0;
  virtual Listener& listener() = 0;
  // Returns true if calls that have ended have left nothing behind.
  virtual bool idle() { return true; }
};

// Something that runs beside the test. Its destructor waits for its end, and fails the test if it
// failed.
class Running {
 public:
  virtual ~Running() = default;
};

using RunEnd = std::function<std::unique_ptr<Running>(std::function<void()>)>;
std::unique_ptr<Running> RunInThread(std::function<void()> body);
std::unique_ptr<Running> RunInProcess(std::function<void()> body);

struct ChannelConformanceParam {
  std::string name;
  std::function<std::unique_ptr<ChannelUnderTest>()> make;
  RunEnd listener = RunInThread;
  RunEnd caller = RunInThread;
};

inline void PrintTo(const ChannelConformanceParam& param, std::ostream* out) { *out << param.name; }

inline std::string ChannelConformanceName(
    const testing::TestParamInfo<ChannelConformanceParam>& info) {
  return info.param.name;
}

class ChannelConformance : public testing::TestWithParam<ChannelConformanceParam> {
 protected:
  // A record of events in memory that a test's processes share.
  struct Board {
    std::atomic<bool> stop{false};
    std::atomic<int> stage{0};
    std::atomic<pid_t> waiting{0};
    std::atomic<std::int64_t> evaluated{0};
    std::atomic<std::int64_t> answered{0};
    std::atomic<std::int64_t> not_listening{0};
    std::atomic<std::int64_t> other{0};
  };

  ChannelConformance();
  ~ChannelConformance() override;
  void TearDown() override;

  Channel& channel() { return under_test_->channel(); }
  Listener& listener() { return under_test_->listener(); }
  Board& board() { return *board_; }

  // The handler that all tests use. The first operation's name says what to do.
  void Handle(const RequestReader& request, OutcomeWriter& outcome);
  // Serves until the board says stop.
  void Serve();
  // Opens, serves until the board says stop and closes, beside the test. Returns once it is open.
  std::unique_ptr<Running> Listen();
  std::unique_ptr<Running> RunListener(std::function<void()> body);
  std::unique_ptr<Running> RunCaller(std::function<void()> body);

  // Waits for a condition, and fails the test after a minute.
  static void Await(absl::FunctionRef<bool()> condition);
  static Deadline Watchdog();

 private:
  std::unique_ptr<ChannelUnderTest> under_test_;
  Board* board_;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_CHANNEL_CONFORMANCE_H_
