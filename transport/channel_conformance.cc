// SPDX-License-Identifier: MIT
#include "remoteobj/transport/channel_conformance.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/made_once.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

constexpr absl::Duration kWatchdog = absl::Minutes(1);

class RunningThread final : public Running {
 public:
  explicit RunningThread(std::function<void()> body) : thread_(std::move(body)) {}
  ~RunningThread() override { thread_.join(); }

 private:
  std::thread thread_;
};

class RunningProcess final : public Running {
 public:
  explicit RunningProcess(const std::function<void()>& body) {
    std::fflush(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    int status = 1;
    try {
      body();
      status = testing::Test::HasFailure() ? 1 : 0;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "a process of the test threw: %s\n", e.what());
    }
    std::fflush(nullptr);
    _exit(status);
  }
  ~RunningProcess() override {
    int status = -1;
    waitpid(pid_, &status, 0);
    EXPECT_EQ(status, 0) << "of a process of the test";
  }

 private:
  pid_t pid_;
};

struct Failed : std::runtime_error {
  explicit Failed(const ErrorInfo& error)
      : std::runtime_error(error.type + ": " + error.message), info(error) {}
  ErrorInfo info;
};

template <typename A>
auto Writing(const char* name, const A& argument) {
  return [name, &argument](RequestWriter request) {
    const OperationsWriter operations = request.Operations(1);
    operations.Set(0, OperationKind::kCall, name, 0);
    const ValueWriter out = operations.Arguments(0, 1)[0];
    if constexpr (std::is_convertible_v<const A&, std::string_view>) {
      out.Text(argument);
    } else {
      Encode(argument, out);
    }
  };
}

template <typename R>
R Result(const OutcomeReader& outcome) {
  if (outcome.kind() == OutcomeKind::kError) throw Failed(outcome.Error());
  return Decode<R>(outcome.Value());
}

// Calls `name` with one argument.
template <typename R, typename A>
R CallOn(Channel& channel, const char* name, const A& argument, Deadline deadline) {
  std::optional<R> result;
  channel.Call(
      Writing(name, argument), [&](const OutcomeReader& in) { result.emplace(Result<R>(in)); },
      deadline);
  return *std::move(result);
}

template <typename R>
R FinishOf(PendingCall& call, Deadline deadline) {
  std::optional<R> result;
  call.Finish([&](const OutcomeReader& in) { result.emplace(Result<R>(in)); }, deadline);
  return *std::move(result);
}

template <typename F>
std::string FailureOf(F&& f) {
  try {
    f();
  } catch (const Failed& e) {
    return e.what();
  }
  return "no failure";
}

// A text whose every part tells where it belongs.
std::string Pattern(std::size_t size, std::size_t seed) {
  constexpr std::size_t kPeriod = 26 * 251;
  const std::string& base = transport_internal::MadeOnce([] {
    auto* text = new std::string(2 * kPeriod, '\0');
    for (std::size_t i = 0; i < text->size(); ++i) {
      (*text)[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    }
    return text;
  });
  std::string text;
  text.reserve(size);
  while (text.size() < size) {
    text.append(base, seed * 31 % kPeriod, std::min(kPeriod, size - text.size()));
  }
  return text;
}

}  // namespace

std::unique_ptr<Running> RunInThread(std::function<void()> body) {
  return std::make_unique<RunningThread>(std::move(body));
}

std::unique_ptr<Running> RunInProcess(std::function<void()> body) {
  return std::make_unique<RunningProcess>(body);
}

ChannelConformance::ChannelConformance() : under_test_(GetParam().make()) {
  void* memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  board_ = new (memory) Board;
}

ChannelConformance::~ChannelConformance() { munmap(board_, sizeof(Board)); }

void ChannelConformance::TearDown() {
  Await([&] { return under_test_->idle(); });
}

Deadline ChannelConformance::Watchdog() { return Deadline::After(kWatchdog); }

void ChannelConformance::Await(absl::FunctionRef<bool()> condition) {
  EXPECT_TRUE(remoteobj_testing::TryEventually(condition, kWatchdog)) << "waited in vain";
}

void ChannelConformance::Handle(const RequestReader& request, OutcomeWriter& outcome) {
  board().evaluated.fetch_add(1);
  const OperationReader operation = request[0];
  const std::string name(operation.name());
  const ValueReader argument = operation.Arguments()[0];
  if (name == "echo") {
    Encode(Decode<std::string>(argument), outcome.Value());
  } else if (name == "doubles") {
    Encode(Decode<std::vector<double>>(argument), outcome.Value());
  } else if (name == "strings") {
    Encode(Decode<std::vector<std::string>>(argument), outcome.Value());
  } else if (name == "map") {
    Encode(Decode<std::map<std::string, std::string>>(argument), outcome.Value());
  } else if (name == "fail") {
    outcome.Error({.type = "std::out_of_range", .message = Decode<std::string>(argument)});
  } else if (name == "bad") {
    throw BadValue(Decode<std::string>(argument));
  } else if (name == "half") {
    const ListWriter list = outcome.Value().List(2);
    list[0].Text(Pattern(200'000, 0));
    throw BadValue("half way");
  } else if (name == "silent") {
    // Writes no outcome: a null.
  } else if (name == "deadline") {
    Encode(request.deadline().nanos(), outcome.Value());
  } else if (name == "stage") {
    // Evaluates until the board has come to that stage.
    const int stage = Decode<int>(argument);
    board().stage.fetch_add(1);
    Await([&] { return board().stage.load() >= stage; });
    outcome.Value().Int(stage);
  } else if (name == "next") {
    // The stage before.
    outcome.Value().Int(board().stage.exchange(Decode<int>(argument)));
  } else {
    outcome.Error({.type = "unknown", .message = name});
  }
}

void ChannelConformance::Serve() {
  const auto handler = [&](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); };
  while (!board().stop.load()) {
    listener().Serve(handler, Deadline::After(absl::Milliseconds(5)));
  }
}

std::unique_ptr<Running> ChannelConformance::RunListener(std::function<void()> body) {
  return GetParam().listener(std::move(body));
}

std::unique_ptr<Running> ChannelConformance::RunCaller(std::function<void()> body) {
  return GetParam().caller(std::move(body));
}

std::unique_ptr<Running> ChannelConformance::Listen() {
  auto running = RunListener([this] {
    listener().Open();
    Serve();
    listener().Close(Final::kFulfill,
                     [&](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); });
  });
  EXPECT_TRUE(channel().WaitUntilListening(Watchdog()));
  return running;
}

namespace {

// Has the board say stop before what runs is waited for.
class Stop {
 public:
  explicit Stop(std::atomic<bool>& stop) : stop_(stop) {}
  ~Stop() { stop_.store(true); }
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

 private:
  std::atomic<bool>& stop_;
};

// One call

TEST_P(ChannelConformance, ACallIsAnswered) {
  const auto running = Listen();
  const Stop stop(board().stop);
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "hello", Watchdog()), "hello");
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "", Watchdog()), "");
  EXPECT_EQ(CallOn<std::nullptr_t>(channel(), "silent", 0, Deadline::Never()), nullptr);
  EXPECT_EQ(board().evaluated.load(), 3);
}

TEST_P(ChannelConformance, AnErrorOfTheHandlerComesBack) {
  const auto running = Listen();
  const Stop stop(board().stop);
  const auto call = [&] { CallOn<int>(channel(), "fail", "no such key", Watchdog()); };
  EXPECT_EQ(FailureOf(call), "std::out_of_range: no such key");
  EXPECT_EQ(FailureOf(call), "std::out_of_range: no such key");
}

TEST_P(ChannelConformance, BadValueOfTheHandlerIsTheCallersError) {
  const auto running = Listen();
  const Stop stop(board().stop);
  EXPECT_EQ(FailureOf([&] { CallOn<int>(channel(), "bad", "oh", Watchdog()); }),
            "remoteobj::BadValue: oh");
  // A wrong type.
  EXPECT_EQ(FailureOf([&] { CallOn<int>(channel(), "doubles", "text", Watchdog()); }),
            "remoteobj::BadValue: expected an array of float64, got text \"text\" in argument 0");
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "on it goes", Watchdog()), "on it goes");
}

TEST_P(ChannelConformance, BadValueReplacesHalfAnOutcome) {
  const auto running = Listen();
  const Stop stop(board().stop);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(FailureOf([&] { CallOn<int>(channel(), "half", 0, Watchdog()); }),
              "remoteobj::BadValue: half way");
    EXPECT_EQ(CallOn<std::string>(channel(), "echo", "whole", Watchdog()), "whole");
  }
}

TEST_P(ChannelConformance, AWriteThatThrowsSendsNothing) {
  const auto running = Listen();
  const Stop stop(board().stop);
  const auto throws = [](RequestWriter request) {
    const OperationsWriter operations = request.Operations(1);
    operations.Set(0, OperationKind::kCall, "echo", 0);
    operations.Arguments(0, 1)[0].Text(Pattern(100'000, 0));
    throw std::length_error("changed my mind");
  };
  const auto ignore = [](const OutcomeReader&) {};
  for (int i = 0; i < 200; ++i) {
    EXPECT_THROW(channel().Call(throws, ignore, Watchdog()), std::length_error);
    EXPECT_THROW(channel().Start(throws, Watchdog()), std::length_error);
  }
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "still", Watchdog()), "still");
  EXPECT_EQ(board().evaluated.load(), 1);
}

TEST_P(ChannelConformance, AReadThatThrowsEndsTheCall) {
  const auto running = Listen();
  const Stop stop(board().stop);
  for (int i = 0; i < 200; ++i) {
    EXPECT_THROW(CallOn<int>(channel(), "echo", "not an int", Watchdog()), BadValue);
  }
  EXPECT_EQ(board().evaluated.load(), 200);
}

TEST_P(ChannelConformance, TheHandlerSeesTheDeadline) {
  const auto running = Listen();
  const Stop stop(board().stop);
  const Deadline deadline = Watchdog();
  // Between machines only what is left of it travels.
  const auto seen = Deadline::FromNanos(CallOn<std::int64_t>(channel(), "deadline", 0, deadline));
  EXPECT_GE(seen, deadline);
  EXPECT_LE(seen.left(), kWatchdog);
  EXPECT_EQ(CallOn<std::int64_t>(channel(), "deadline", 0, Deadline::Never()), 0);
}

// Opening and closing

TEST_P(ChannelConformance, NobodyListensBeforeOpenNorAfterClose) {
  const auto call = [&] { CallOn<std::string>(channel(), "echo", "x", Watchdog()); };
  EXPECT_FALSE(channel().listening());
  EXPECT_EQ(channel().listener_pid(), 0);
  EXPECT_THROW(call(), NotListening);
  {
    const auto running = Listen();
    const Stop stop(board().stop);
    EXPECT_TRUE(channel().listening());
    EXPECT_NE(channel().listener_pid(), 0);
    EXPECT_EQ(channel().listening_here(), channel().listener_pid() == getpid());
    call();
  }
  EXPECT_FALSE(channel().listening());
  EXPECT_EQ(channel().listener_pid(), 0);
  EXPECT_THROW(call(), NotListening);
  EXPECT_THROW(channel().Start(Writing("echo", "x"), Watchdog()), NotListening);
  EXPECT_EQ(board().evaluated.load(), 1);
}

TEST_P(ChannelConformance, CanBeOpenedAgain) {
  for (int i = 0; i < 5; ++i) {
    board().stop = false;
    const auto running = Listen();
    const Stop stop(board().stop);
    EXPECT_EQ(CallOn<std::string>(channel(), "echo", "again", Watchdog()), "again");
  }
  EXPECT_EQ(board().evaluated.load(), 5);
}

TEST_P(ChannelConformance, OneListensAtATime) {
  const auto running = Listen();
  const Stop stop(board().stop);
  EXPECT_THROW(listener().Open(), std::logic_error);
  EXPECT_EQ(listener().is_open(), channel().listening_here());
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "untouched", Watchdog()), "untouched");
}

TEST_P(ChannelConformance, ClosingWhatIsNotOpenDoesNothing) {
  listener().Close(Final::kFulfill, [](const RequestReader&, OutcomeWriter&) {});
  EXPECT_FALSE(listener().is_open());
  EXPECT_FALSE(channel().listening());
}

TEST_P(ChannelConformance, WaitUntilListeningEndsAtTheDeadlineOrWhenSomebodyListens) {
  EXPECT_FALSE(channel().WaitUntilListening(Deadline::Passed()));
  EXPECT_FALSE(channel().WaitUntilListening(Deadline::After(absl::Milliseconds(30))));
  const auto running = RunListener([this] {
    Await([&] { return board().stage.load() == 1; });
    listener().Open();
    Serve();
    listener().Close(Final::kRefuse, [](const RequestReader&, OutcomeWriter&) {});
  });
  const Stop stop(board().stop);
  const auto waiting = RunCaller([this] {
    board().waiting = gettid();
    EXPECT_TRUE(channel().WaitUntilListening(Watchdog()));
    board().stage = 2;
  });
  Await([&] { return board().waiting.load() != 0; });
  remoteobj_testing::AwaitAsleep(board().waiting.load());
  board().stage = 1;
  Await([&] { return board().stage.load() == 2; });
}

// Calls that have arrived when the channel is closed.
void CountCall(Channel& channel, std::atomic<std::int64_t>& answered,
               std::atomic<std::int64_t>& not_listening, std::atomic<std::int64_t>& other,
               Deadline watchdog) {
  try {
    const std::string sent = Pattern(20, static_cast<std::size_t>(answered.load()));
    if (CallOn<std::string>(channel, "echo", sent, watchdog) == sent) {
      answered.fetch_add(1);
    } else {
      other.fetch_add(1);
    }
  } catch (const NotListening&) {
    not_listening.fetch_add(1);
  } catch (const std::exception& e) {
    ADD_FAILURE() << e.what();
    other.fetch_add(1);
  }
}

TEST_P(ChannelConformance, CloseServesOrRefusesWhatHasArrived) {
  constexpr int kCalls = 8;
  for (const Final final : {Final::kFulfill, Final::kRefuse}) {
    board().stage = 0;
    board().evaluated = board().answered = board().not_listening = 0;
    {
      const auto running = RunListener([this, final] {
        listener().Open();
        Await([&] { return board().stage.load() == 1; });
        listener().Close(final,
                         [&](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); });
      });
      ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
      std::vector<std::unique_ptr<PendingCall>> calls;
      for (int i = 0; i < kCalls; ++i) {
        calls.push_back(channel().Start(Writing("silent", i), Watchdog()));
      }
      for (const auto& call : calls) EXPECT_FALSE(call->ready());
      board().stage = 1;
      for (const auto& call : calls) {
        try {
          call->Finish([](const OutcomeReader&) {}, Watchdog());
          board().answered.fetch_add(1);
        } catch (const NotListening&) {
          board().not_listening.fetch_add(1);
        }
        EXPECT_TRUE(call->ready());
      }
    }
    const int served = final == Final::kFulfill ? kCalls : 0;
    EXPECT_EQ(board().evaluated.load(), served);
    EXPECT_EQ(board().answered.load(), served);
    EXPECT_EQ(board().not_listening.load(), kCalls - served);
  }
}

// Every call is either evaluated and answered, or NotListening: never both, never neither.
TEST_P(ChannelConformance, NoCallIsLostWhileTheChannelOpensAndCloses) {
  constexpr int kRounds = 300;
  constexpr int kCallers = 4;
  {
    const auto running = RunListener([this] {
      const auto handler = [&](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); };
      for (int round = 0; round < kRounds; ++round) {
        listener().Open();
        for (int i = 0; i < round % 7; ++i) {
          listener().Serve(handler, Deadline::After(absl::Microseconds(50 * (round % 5))));
        }
        listener().Close(round % 3 == 0 ? Final::kRefuse : Final::kFulfill, handler);
      }
      board().stop = true;
    });
    std::vector<std::unique_ptr<Running>> callers;
    for (int i = 0; i < kCallers; ++i) {
      callers.push_back(RunCaller([this] {
        while (!board().stop.load()) {
          CountCall(channel(), board().answered, board().not_listening, board().other, Watchdog());
        }
      }));
    }
  }
  EXPECT_EQ(board().evaluated.load(), board().answered.load());
  EXPECT_GT(board().answered.load(), 0);
  EXPECT_EQ(board().other.load(), 0);
}

// Deadlines

TEST_P(ChannelConformance, ADeadlineInTheQueueMeansNotEvaluated) {
  const auto running = RunListener([this] {
    listener().Open();
    Await([&] { return board().stage.load() == 1; });
    Serve();
    listener().Close(Final::kFulfill, [](const RequestReader&, OutcomeWriter&) {});
  });
  const Stop stop(board().stop);
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  for (int i = 0; i < 5; ++i) {
    EXPECT_THROW(
        CallOn<std::string>(channel(), "echo", "late", Deadline::After(absl::Milliseconds(5))),
        DeadlineExceeded);
  }
  EXPECT_THROW(CallOn<std::string>(channel(), "echo", "late", Deadline::Passed()),
               DeadlineExceeded);
  // One that nobody waits for, and that nobody has taken back.
  const auto late =
      channel().Start(Writing("echo", "late"), Deadline::After(absl::Milliseconds(1)));
  // Another machine is sent what is left, which begins when the call arrives there.
  absl::SleepFor(absl::Milliseconds(200));
  board().stage = 1;
  EXPECT_EQ(FailureOf([&] { FinishOf<std::string>(*late, Watchdog()); }),
            "remoteobj::DeadlineExceeded: the request came too late");
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "in time", Watchdog()), "in time");
  EXPECT_EQ(board().evaluated.load(), 1);
}

TEST_P(ChannelConformance, ADeadlineDuringEvaluationLeavesTheChannelWell) {
  const auto running = Listen();
  const Stop stop(board().stop);
  for (int i = 0; i < 5; ++i) {
    board().stage = 0;
    EXPECT_THROW(CallOn<int>(channel(), "stage", 2, Deadline::After(absl::Milliseconds(20))),
                 DeadlineExceeded);
    board().stage = 2;
    EXPECT_EQ(CallOn<std::string>(channel(), "echo", "on it goes", Watchdog()), "on it goes");
  }
}

TEST_P(ChannelConformance, FinishCanBeTriedAgainAfterADeadline) {
  const auto running = Listen();
  const Stop stop(board().stop);
  const auto call = channel().Start(Writing("stage", 2), Watchdog());
  EXPECT_THROW(FinishOf<int>(*call, Deadline::After(absl::Milliseconds(20))), DeadlineExceeded);
  EXPECT_THROW(FinishOf<int>(*call, Deadline::Passed()), DeadlineExceeded);
  EXPECT_FALSE(call->ready());
  board().stage = 2;
  EXPECT_EQ(FinishOf<int>(*call, Watchdog()), 2);
  EXPECT_TRUE(call->ready());
}

// Calls under way

TEST_P(ChannelConformance, StartedCallsFinishInAnyOrder) {
  const auto running = Listen();
  const Stop stop(board().stop);
  // More than a channel may have places for.
  constexpr std::size_t kCalls = 200;
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (std::size_t i = 0; i < kCalls; ++i) {
    calls.push_back(channel().Start(Writing("echo", Pattern(30, i)), Watchdog()));
    // Other calls go on beside them.
    EXPECT_EQ(CallOn<std::string>(channel(), "echo", "beside", Watchdog()), "beside");
  }
  for (std::size_t i = kCalls; i-- > 0;) {
    EXPECT_EQ(FinishOf<std::string>(*calls[i], Watchdog()), Pattern(30, i));
  }
  Await([&] { return calls[0]->ready(); });
}

// Synchronous calls among asynchronous ones.
TEST_P(ChannelConformance, CallsAreEvaluatedInTheOrderInWhichTheyWereSent) {
  const auto listening = Listen();
  const Stop stop(board().stop);
  constexpr int kCalls = 2000;
  std::deque<std::pair<int, std::unique_ptr<PendingCall>>> started;
  const auto finish_first = [&] {
    const auto [i, call] = std::move(started.front());
    started.pop_front();
    ASSERT_EQ(FinishOf<int>(*call, Watchdog()), i - 1);
  };
  std::minstd_rand random;
  for (int i = 1; i <= kCalls && !HasFatalFailure(); ++i) {
    if (random() % 4 == 0) {
      ASSERT_EQ(CallOn<int>(channel(), "next", i, Watchdog()), i - 1);
    } else {
      started.emplace_back(i, channel().Start(Writing("next", i), Watchdog()));
    }
    while (started.size() > random() % 40) finish_first();
  }
  while (!started.empty()) finish_first();
}

TEST_P(ChannelConformance, AStartedCallIsFinishedByAnotherThread) {
  const auto running = Listen();
  const Stop stop(board().stop);
  for (int i = 0; i < 100; ++i) {
    auto call = channel().Start(Writing("echo", "passed on"), Watchdog());
    std::thread([&] {
      EXPECT_EQ(FinishOf<std::string>(*call, Watchdog()), "passed on");
      call.reset();
    }).join();
  }
}

TEST_P(ChannelConformance, AStartedCallMayBeDropped) {
  const auto running = Listen();
  const Stop stop(board().stop);
  for (int i = 0; i < 300; ++i) {
    const auto dropped = channel().Start(Writing("echo", Pattern(100'000, 0)), Watchdog());
    if (i % 2 == 0) Await([&] { return dropped->ready(); });
  }
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "last", Watchdog()), "last");
}

// Many at a time

TEST_P(ChannelConformance, ManyCallersGetTheirOwnAnswers) {
  constexpr int kProcesses = 4;
  constexpr int kThreads = 3;
  constexpr int kCalls = 500;
  const auto running = Listen();
  const Stop stop(board().stop);
  std::vector<std::unique_ptr<Running>> callers;
  for (int p = 0; p < kProcesses; ++p) {
    callers.push_back(RunCaller([this, p] {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([this, p, t] {
          for (int i = 0; i < kCalls; ++i) {
            const auto seed = static_cast<std::size_t>((p * kThreads + t) * kCalls + i);
            // Some of them spill.
            const std::string sent = Pattern(i % 50 == 0 ? 9000 + seed : seed % 97, seed);
            EXPECT_EQ(CallOn<std::string>(channel(), "echo", sent, Watchdog()), sent);
            board().answered.fetch_add(1);
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }));
  }
  callers.clear();
  EXPECT_EQ(board().answered.load(), kProcesses * kThreads * kCalls);
  EXPECT_EQ(board().evaluated.load(), kProcesses * kThreads * kCalls);
}

TEST_P(ChannelConformance, MoreCallersThanPlacesAllGetThrough) {
  constexpr int kProcesses = 2;
  constexpr int kThreads = 50;
  constexpr int kCalls = 20;
  const auto running = Listen();
  const Stop stop(board().stop);
  std::vector<std::unique_ptr<Running>> callers;
  for (int p = 0; p < kProcesses; ++p) {
    callers.push_back(RunCaller([this] {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([this] {
          for (int i = 0; i < kCalls; ++i) {
            CountCall(channel(), board().answered, board().not_listening, board().other,
                      Watchdog());
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }));
  }
  callers.clear();
  EXPECT_EQ(board().answered.load(), kProcesses * kThreads * kCalls);
}

// Waking

TEST_P(ChannelConformance, WakeEndsAServeThatWaits) {
  listener().Open();
  const auto nothing = [](const RequestReader&, OutcomeWriter&) { ADD_FAILURE(); };
  for (int i = 0; i < 50; ++i) {
    std::thread waker([&] {
      if (i % 2 == 0) absl::SleepFor(absl::Milliseconds(1));
      listener().Wake();
    });
    EXPECT_FALSE(listener().Serve(nothing, Watchdog()));
    waker.join();
  }
  // Or the next.
  listener().Wake();
  EXPECT_FALSE(listener().Serve(nothing, Watchdog()));
  EXPECT_FALSE(listener().Serve(nothing, Deadline::After(absl::Milliseconds(5))));
  EXPECT_FALSE(listener().Serve(nothing, Deadline::Passed()));
  listener().Close(Final::kFulfill, nothing);
}

// Sizes

TEST_P(ChannelConformance, MessagesOfAllSizesArrive) {
  const auto running = Listen();
  const Stop stop(board().stop);
  std::vector<std::size_t> sizes = {0, 1, 7, 8, 9, 100, 1000, 1 << 20};
  // Around what a slot of 8 KiB holds, and where a text gets memory of its own.
  for (std::size_t size = 8048 - 200; size <= 8048 + 64; ++size) sizes.push_back(size);
  for (std::size_t size = 65536 - 20; size <= 65536 + 20; ++size) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    const std::string text = Pattern(size, size);
    EXPECT_TRUE(CallOn<std::string>(channel(), "echo", text, Watchdog()) == text) << size;
    // A small call does not see what a large one has left.
    EXPECT_EQ(CallOn<std::string>(channel(), "echo", "small", Watchdog()), "small") << size;
  }
}

TEST_P(ChannelConformance, AMessageOf64MiBArrivesBothWays) {
  const auto running = Listen();
  const Stop stop(board().stop);
  std::vector<double> numbers(8 << 20);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i) * 0.5;
  EXPECT_TRUE(CallOn<std::vector<double>>(channel(), "doubles", numbers, Watchdog()) == numbers);
  EXPECT_EQ(CallOn<std::string>(channel(), "echo", "small", Watchdog()), "small");
}

TEST_P(ChannelConformance, AMessageOfManyLargePartsArrives) {
  const auto running = Listen();
  const Stop stop(board().stop);
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < 1000; ++i) strings.push_back(Pattern(100'000, i));
  EXPECT_TRUE(CallOn<std::vector<std::string>>(channel(), "strings", strings, Watchdog()) ==
              strings);
}

// Memory for the small parts doubled with each large part between them, and was soon too much.
TEST_P(ChannelConformance, SmallPartsBetweenLargeOnesDoNotMakeAMessageTooLarge) {
  const auto running = Listen();
  const Stop stop(board().stop);
  std::map<std::string, std::string> map;
  for (std::size_t i = 0; i < 1000; ++i) {
    map.emplace(absl::StrCat("key ", i, Pattern(1000, i)), Pattern(70'000, i));
  }
  EXPECT_TRUE(
      (CallOn<std::map<std::string, std::string>>(channel(), "map", map, Watchdog()) == map));
}

}  // namespace
}  // namespace remoteobj
