// SPDX-License-Identifier: MIT
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/channel_conformance.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

class SharedMemory final : public ChannelUnderTest {
 public:
  Channel& channel() override { return *channel_; }
  Listener& listener() override { return channel_->listener(); }
  bool idle() override { return channel_->free_slots() == slots_; }

 private:
  std::shared_ptr<SharedMemoryChannel> channel_ = SharedMemoryChannel::Create();
  const int slots_ = channel_->free_slots();
};

std::unique_ptr<ChannelUnderTest> Make() { return std::make_unique<SharedMemory>(); }

INSTANTIATE_TEST_SUITE_P(
    SharedMemory, ChannelConformance,
    testing::Values(ChannelConformanceParam{.name = "threads", .make = Make},
                    ChannelConformanceParam{
                        .name = "forked_listener", .make = Make, .listener = RunInProcess},
                    ChannelConformanceParam{.name = "forked_listener_and_callers",
                                            .make = Make,
                                            .listener = RunInProcess,
                                            .caller = RunInProcess}),
    ChannelConformanceName);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

using transport_internal::FaultPoint;

Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

std::string Echo(Channel& channel, const std::string& text, Deadline deadline = Watchdog()) {
  std::string result;
  channel.Call(
      [&](RequestWriter request) { request.Operations(1).Set(0, OperationKind::kCall, text, 0); },
      [&](const OutcomeReader& in) { result = Decode<std::string>(in.Value()); }, deadline);
  return result;
}

void AnswerEcho(const RequestReader& request, OutcomeWriter& outcome) {
  outcome.Value().Text(request[0].name());
}

// Serves in a thread of this process until it is destroyed.
class Server {
 public:
  using Handler = std::function<void(const RequestReader&, OutcomeWriter&)>;

  Server(SharedMemoryChannel& channel, Handler handler)
      : channel_(channel), thread_([this, handler = std::move(handler)] {
          channel_.listener().Open();
          while (!stop_.load()) {
            channel_.listener().Serve(handler, Deadline::After(absl::Milliseconds(5)));
          }
          channel_.listener().Close(Final::kFulfill, handler);
        }) {
    EXPECT_TRUE(channel.WaitUntilListening(Watchdog()));
  }
  ~Server() {
    stop_ = true;
    thread_.join();
  }

 private:
  SharedMemoryChannel& channel_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

int StatusOfChild(absl::FunctionRef<int()> body) {
  const pid_t pid = fork();
  if (pid == 0) {
    try {
      _exit(body());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      _exit(100);
    }
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

// The listener, slow to say which call it has answered, named the next one, whose caller then read
// the outcome before.
TEST(SharedMemoryChannelTest, AnAnswerIsOfTheCallThatWasEvaluated) {
  static std::atomic<int> published{0};
  static std::atomic<int> settled{0};
  transport_internal::fault_hook = [](FaultPoint point) {
    const Deadline end = Deadline::After(absl::Milliseconds(5));
    if (point == FaultPoint::kCallerPublished) published.fetch_add(1);
    // The client sees for itself that it is answered, before it is told.
    while (point == FaultPoint::kCallerBeforeSleep && settled.load() < published.load() &&
           !end.expired()) {
    }
    // It is told only when the next one calls already.
    if (point != FaultPoint::kListenerSettled) return;
    const int now = settled.fetch_add(1) + 1;
    while (published.load() <= now && !end.expired()) {
    }
  };
  const auto channel = SharedMemoryChannel::Create();
  {
    const Server server(*channel, AnswerEcho);
    for (int i = 0; i < 100; ++i) {
      // Each in a thread of its own, which has not learnt yet that it does not pay to spin.
      std::thread([&] {
        const std::string text(1, static_cast<char>('a' + i % 26));
        EXPECT_EQ(Echo(*channel, text), text);
      }).join();
    }
  }
  transport_internal::fault_hook = nullptr;
}

TEST(SharedMemoryChannelTest, ACallerWithoutDescriptorsDoesNotTakeTheListenerForDead) {
  const auto channel = SharedMemoryChannel::Create();
  const pid_t caller = fork();
  if (caller == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    try {
      if (!channel->WaitUntilListening(Watchdog())) _exit(1);
      _exit(Echo(*channel, "slow") == "slow" ? 0 : 2);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      _exit(3);
    }
  }
  int status = -1;
  {
    const Server server(*channel, [](const RequestReader& request, OutcomeWriter& outcome) {
      absl::SleepFor(absl::Milliseconds(100));
      AnswerEcho(request, outcome);
    });
    waitpid(caller, &status, 0);
    EXPECT_EQ(Echo(*channel, "again"), "again");
  }
  EXPECT_EQ(status, 0);
}

// The window that could not be mapped was to be mapped again when the slot was freed, in a
// destructor.
std::size_t AddressSpace() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST(SharedMemoryChannelTest, ACallerWithoutAddressSpaceGetsAnError) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need all the address space there is";
  const auto channel = SharedMemoryChannel::Create();
  const pid_t listener = fork();
  if (listener == 0) {
    channel->listener().Open();
    for (int i = 0; i < 2; ++i) {
      channel->listener().Serve(
          [](const RequestReader&, OutcomeWriter& outcome) {
            outcome.Value().Text(std::string(100'000, 'x'));
          },
          Watchdog());
    }
    _exit(0);
  }
  ASSERT_TRUE(channel->WaitUntilListening(Watchdog()));
  const std::string large(100'000, 'x');
  const int status = StatusOfChild([&] {
    // Less than a window for them takes.
    const std::size_t space = AddressSpace() + (std::size_t{64} << 10);
    const rlimit little{space, space};
    setrlimit(RLIMIT_AS, &little);
    try {
      Echo(*channel, "large");
      return 1;
    } catch (const std::bad_alloc&) {
    }
    try {
      Echo(*channel, large);
      return 2;
    } catch (const std::bad_alloc&) {
    }
    return channel->free_slots() == 62 ? 0 : 3;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Echo(*channel, "with space").size(), 100'000u);
  int ended = -1;
  waitpid(listener, &ended, 0);
  EXPECT_EQ(ended, 0);
}

TEST(SharedMemoryChannelTest, APendingCallIsNotAForkedChilds) {
  const auto channel = SharedMemoryChannel::Create();
  channel->listener().Open();
  const auto call = channel->Start(
      [](RequestWriter request) { request.Operations(1).Set(0, OperationKind::kCall, "mine", 0); },
      Watchdog());
  EXPECT_EQ(StatusOfChild([&] {
              auto& copy = const_cast<std::unique_ptr<PendingCall>&>(call);
              copy.reset();
              return 0;
            }),
            0);
  EXPECT_TRUE(channel->listener().Serve(AnswerEcho, Watchdog()));
  std::string result;
  call->Finish([&](const OutcomeReader& in) { result = Decode<std::string>(in.Value()); },
               Watchdog());
  EXPECT_EQ(result, "mine");
  channel->listener().Close(Final::kFulfill, AnswerEcho);
}

// While the listener looks around, a thread withdraws its first call, and sends a second one from
// the same slot and a third from the next. The listener saw the third, and not the second.
TEST(SharedMemoryChannelTest, ACallThatTakesTheSlotOfAWithdrawnOneKeepsItsPlace) {
  static constexpr int kAsynchronous = 31;
  const auto channel = SharedMemoryChannel::Create();
  const auto writing = [](const char* text) {
    return [text](RequestWriter request) {
      request.Operations(1).Set(0, OperationKind::kCall, text, 0);
    };
  };
  const auto start = [&](const char* text) { return channel->Start(writing(text), Watchdog()); };
  channel->listener().Open();
  std::string evaluated;
  const auto serve = [&] {
    return channel->listener().Serve(
        [&](const RequestReader& request, OutcomeWriter& outcome) {
          evaluated += request[0].name();
          outcome.Value().Null();
        },
        Deadline::Passed());
  };
  // The slots' bits are set from then on, so the listener looks at all of them: it clears them only
  // when it finds nothing to do.
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (int i = 0; i < kAsynchronous; ++i) calls.push_back(start("0"));
  for (int i = 0; i < kAsynchronous; ++i) EXPECT_TRUE(serve());
  calls.clear();

  static std::function<void()> when_seen;
  transport_internal::fault_hook = [](FaultPoint point) {
    if (point == FaultPoint::kListenerSaw && when_seen) std::exchange(when_seen, nullptr)();
  };
  // Each round begins one slot further, so all but the last have a next one.
  for (int round = 0; round < kAsynchronous; ++round) {
    evaluated.clear();
    auto first = start("1");
    when_seen = [&] {
      first.reset();
      calls.push_back(start("2"));
      calls.push_back(start("3"));
    };
    EXPECT_TRUE(serve());
    EXPECT_TRUE(serve());
    EXPECT_EQ(evaluated, "23") << "round " << round;
    calls.clear();
  }
  transport_internal::fault_hook = nullptr;
  channel->listener().Close(Final::kRefuse, [](const RequestReader&, OutcomeWriter&) {});
}

}  // namespace
}  // namespace remoteobj
