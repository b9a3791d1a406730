// SPDX-License-Identifier: MIT
//
// Tests that a function behaves the same for its owner wherever it runs: in a Process, on a Thread,
// or in a Job that is either. And tests of threads alone.
#include "remoteobj/process/job.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/thread.h"
#include "remoteobj/testing/eventually.h"

namespace remoteobj {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

struct InAProcess {
  static constexpr bool kThreaded = false;
  using Options = ProcessOptions;
  template <typename... A>
  static auto Start(ProcessOptions options, A&&... call) {
    return Process(std::move(options), std::forward<A>(call)...);
  }
};

struct OnAThread {
  static constexpr bool kThreaded = true;
  using Options = ThreadOptions;
  template <typename... A>
  static auto Start(ThreadOptions options, A&&... call) {
    return Thread(std::move(options), std::forward<A>(call)...);
  }
};

template <typename Where>
class RunsTest : public testing::Test {
 protected:
  static constexpr bool kThreaded = Where::kThreaded;
  // No options, or some, and what to call.
  template <typename F, typename... A>
    requires(!std::is_same_v<std::decay_t<F>, typename Where::Options>)
  static auto Start(F&& function, A&&... arguments) {
    return Where::Start({}, std::forward<F>(function), std::forward<A>(arguments)...);
  }
  template <typename... A>
  static auto Start(typename Where::Options options, A&&... call) {
    return Where::Start(std::move(options), std::forward<A>(call)...);
  }
};

struct WhereNames {
  template <typename Where>
  static std::string GetName(int) {
    return Where::kThreaded ? "Thread" : "Process";
  }
};
using Everywhere = testing::Types<InAProcess, OnAThread>;
TYPED_TEST_SUITE(RunsTest, Everywhere, WhereNames);

int Add(int x, int y) { return x + y; }

Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

Generator<int> FailsAfter(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
  throw std::out_of_range("woah!!");
}

// Returns the message of the function's exception; empty if it throws nothing.
template <typename F>
std::string MessageOf(const F& function) {
  try {
    function();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

// All that it yields, and the message of the error at the end.
template <typename T>
std::pair<std::vector<T>, std::string> Collect(Generator<T> yields) {
  std::vector<T> all;
  try {
    for (T& value : yields) all.push_back(std::move(value));
  } catch (const std::exception& e) {
    return {std::move(all), e.what()};
  }
  return {std::move(all), ""};
}

TYPED_TEST(RunsTest, SendsNoResultsIfNoneAreWanted) {
  auto sum = TypeParam::Start({.results = false}, Add, 5, 6);
  EXPECT_TRUE(sum.Join());
  EXPECT_EQ(sum.result(), std::nullopt);
  auto range = TypeParam::Start({.results = false}, Range, 4);
  for (const int i : range.result()) ADD_FAILURE() << i;
  EXPECT_TRUE(range.Join());
  auto fails = TypeParam::Start({.results = false}, [] { throw std::out_of_range("too far"); });
  EXPECT_THROW(fails.Join(), std::out_of_range);
}

TYPED_TEST(RunsTest, GetWaitsForTheResult) {
  auto sum = TestFixture::Start([] {
    remoteobj::SleepFor(absl::Milliseconds(1));
    return 11;
  });
  EXPECT_EQ(sum.Get(), 11);
  EXPECT_EQ(sum.Get(), 11) << "each time";
  const absl::StatusOr<int> again = sum.TryGet();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, 11);
  auto nothing = TestFixture::Start([] {});
  nothing.Get();
  EXPECT_TRUE(nothing.TryGet().ok());
  EXPECT_TRUE(nothing.TryJoin().ok());
  auto moved = TestFixture::Start([] { return std::make_unique<int>(5); });
  const std::unique_ptr<int> five = moved.Get();
  EXPECT_EQ(*five, 5);
}

// Whatever the options say: there is nothing to return.
TYPED_TEST(RunsTest, GetThrowsIfThereIsNoResult) {
  const auto throws = []() -> int { throw std::out_of_range("too far"); };
  for (const bool raises : {true, false}) {
    auto fails = TypeParam::Start({.raises = raises}, throws);
    EXPECT_THROW(fails.Get(), std::out_of_range);
    EXPECT_EQ(fails.TryGet().status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(fails.TryJoin().code(),
              raises ? absl::StatusCode::kOutOfRange : absl::StatusCode::kOk);
    auto stopped =
        TypeParam::Start({.raises = raises}, [] { remoteobj::SleepFor(absl::Minutes(1)); });
    stopped.RequestStop();
    EXPECT_THROW(stopped.Get(), StopRequested);
    EXPECT_TRUE(stopped.TryJoin().ok());
  }
  auto silent = TypeParam::Start({.results = false}, Add, 5, 6);
  EXPECT_THROW(silent.Get(), std::logic_error);
}

TYPED_TEST(RunsTest, GetGivesUpAfterTheTimeout) {
  auto sleeps = TypeParam::Start({.timeout = absl::Milliseconds(5)}, [] {
    remoteobj::SleepFor(absl::Minutes(1));
    return 0;
  });
  try {
    sleeps.Get();
    FAIL();
  } catch (const DeadlineExceeded& e) {
    EXPECT_EQ(e.waited(), absl::Milliseconds(5));
    EXPECT_THAT(e.what(), AllOf(HasSubstr(sleeps.name()), HasSubstr("still runs (waited 5ms)")));
  }
  EXPECT_EQ(sleeps.TryGet().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(sleeps.TryJoin(absl::ZeroDuration()).code(), absl::StatusCode::kDeadlineExceeded);
  sleeps.RequestStop();
  EXPECT_TRUE(sleeps.Join(absl::InfiniteDuration()));
}

TYPED_TEST(RunsTest, AResultThatIsNotThereCanBeAskedForAndThrows) {
  auto text = TestFixture::Start([] {
    remoteobj::SleepFor(absl::Minutes(1));
    return std::string("text");
  });
  EXPECT_FALSE(text.result());
  EXPECT_EQ(text.result(), std::nullopt);
  EXPECT_EQ(text.result().value_or("none"), "none");
  EXPECT_THROW(*text.result(), std::logic_error);
  EXPECT_THROW(text.result()->size(), std::logic_error);
  EXPECT_THROW(text.result().value(), std::logic_error);
  text.RequestStop();
  EXPECT_TRUE(text.Join());
  EXPECT_EQ(text.result(), std::nullopt) << "it did not return";
  auto returns = TestFixture::Start([] { return std::string("text"); });
  returns.Join();
  const std::optional<std::string> copy = returns.result();
  EXPECT_EQ(copy, "text");
  EXPECT_EQ(returns.result(), copy);
  EXPECT_EQ(returns.result()->size(), 4u);
}

TYPED_TEST(RunsTest, Results) {
  const auto check = [](auto function, auto expected) {
    auto run = TestFixture::Start(function);
    EXPECT_TRUE(run.Join());
    for (int i = 0; i < 2; ++i) {  // Each time.
      const auto result = run.result();
      ASSERT_TRUE(result.has_value());
      EXPECT_EQ(*result, expected);
    }
    EXPECT_EQ(run.exit_code(), 0);
    EXPECT_FALSE(run.alive());
    EXPECT_TRUE(run.errors().empty());
  };
  using Deep = std::map<std::string, std::vector<std::optional<double>>>;
  check([] { return 11; }, 11);
  check([] { return -1.5; }, -1.5);
  check([] { return true; }, true);
  check([] { return std::string(); }, std::string());
  check([] { return "a literal"; }, std::string("a literal"));
  check([] { return std::string("\0\xff", 2); }, std::string("\0\xff", 2));
  check([] { return Deep{{"a", {1.5, std::nullopt}}, {"", {}}}; },
        Deep{{"a", {1.5, std::nullopt}}, {"", {}}});
  check([] { return std::tuple(1, std::string("two")); }, std::tuple(1, std::string("two")));
  check([] { return std::optional<int>(); }, std::optional<int>());
}

TYPED_TEST(RunsTest, Arguments) {
  std::string text = "one ";
  auto run = TestFixture::Start([](const std::string& first, std::unique_ptr<std::string> second,
                                   int third) { return first + *second + std::to_string(third); },
                                text, std::make_unique<std::string>("two "), 3);
  text = "changed";
  run.Join();
  EXPECT_EQ(run.result(), "one two 3");
  auto sum = TestFixture::Start(Add, 5, 6);
  sum.Join();
  EXPECT_EQ(sum.result(), 11);
  struct Camera {
    int Frames(int n) const { return n * scale; }
    int scale;
  };
  auto member = TestFixture::Start(&Camera::Frames, Camera{2}, 4);
  member.Join();
  EXPECT_EQ(member.result(), 8);
}

TYPED_TEST(RunsTest, Nothing) {
  auto run = TestFixture::Start([] {});
  EXPECT_TRUE(run.Join());
  EXPECT_TRUE(run.Join()) << "again";
  EXPECT_EQ(run.exit_code(), 0);
}

TYPED_TEST(RunsTest, NoResult) {
  const auto check = [](auto function) {
    auto run = TestFixture::Start({.raises = false}, function);
    EXPECT_TRUE(run.Join());
    EXPECT_EQ(run.result(), std::nullopt);
  };
  check([]() -> int { throw std::runtime_error("no"); });
  check([]() -> int { throw StopRequested(); });
  if (!TestFixture::kThreaded) check([]() -> int { _exit(0); });
}

TYPED_TEST(RunsTest, LateReadOfTheResult) {
  auto run = TestFixture::Start(Add, 5, 6);
  auto yields = TestFixture::Start(Range, 3);
  remoteobj_testing::Eventually("both have ended", [&] { return !run.alive() && !yields.alive(); });
  EXPECT_EQ(run.result(), 11) << "not joined yet";
  EXPECT_THAT(Collect(yields.result()).first, ElementsAre(0, 1, 2));
  EXPECT_TRUE(run.Join());
  EXPECT_EQ(run.exit_code(), 0);
  EXPECT_EQ(run.result(), 11) << "after all";
  // It outlives what it came from.
  auto moved = std::make_unique<decltype(run)>(std::move(run));
  EXPECT_EQ(moved->result(), 11);
  Generator<int> left = TestFixture::Start(FailsAfter, 2).result();
  EXPECT_EQ(Collect(std::move(left)), std::pair(std::vector{0, 1}, std::string("woah!!")));
}

TYPED_TEST(RunsTest, Yields) {
  const auto check = [](auto yields, const std::vector<int>& values, const std::string& error) {
    for (const bool join_first : {false, true}) {
      auto run = TestFixture::Start(yields);
      if (join_first) {
        EXPECT_EQ(MessageOf([&] { run.Join(); }), error);
      }
      EXPECT_EQ(Collect(run.result()), std::pair(values, error));
      EXPECT_EQ(Collect(run.result()), std::pair(std::vector<int>(), error))
          << "values once, the error each time";
      EXPECT_EQ(MessageOf([&] { run.Join(); }), error);
      EXPECT_EQ(run.exit_code(), error.empty() ? 0 : 1);
    }
  };
  check([]() -> Generator<int> { return Range(4); }, {0, 1, 2, 3}, "");
  check([]() -> Generator<int> { return Range(0); }, {}, "");
  check([]() -> Generator<int> { return FailsAfter(4); }, {0, 1, 2, 3}, "woah!!");
  check([]() -> Generator<int> { return FailsAfter(0); }, {}, "woah!!");
  check([]() -> Generator<int> { throw std::runtime_error("at once"); }, {}, "at once");
}

TYPED_TEST(RunsTest, YieldsOfAProducerThatWaits) {
  auto run = TestFixture::Start({.max_backlog = 100}, Range, 1000);
  EXPECT_EQ(Collect(run.result()).first.size(), 1000u);
  auto joined = TestFixture::Start({.max_backlog = 100}, Range, 1000);
  EXPECT_TRUE(joined.Join());
  EXPECT_EQ(Collect(joined.result()).first.size(), 1000u);
}

TYPED_TEST(RunsTest, AnEarlyEndStopsTheProducer) {
  auto run = TestFixture::Start([]() -> Generator<int> {
    for (int i = 0;; ++i) co_yield i;
  });
  for (const int i : run.result()) {
    if (i == 3) break;
  }
  EXPECT_TRUE(run.Join());
  EXPECT_EQ(run.exit_code(), 0);
}

TYPED_TEST(RunsTest, BigResults) {
  constexpr std::size_t kSize = 20 << 20;
  auto run = TestFixture::Start([] { return std::string(kSize, 'x'); });
  EXPECT_TRUE(run.Join());
  EXPECT_TRUE(run.result() == std::string(kSize, 'x'));
  auto yields = TestFixture::Start([]() -> Generator<std::vector<double>> {
    for (int i = 0; i < 5; ++i) co_yield std::vector<double>(200'000, i);
  });
  int i = 0;
  for (const std::vector<double>& values : yields.result()) {
    EXPECT_TRUE(values == std::vector<double>(200'000, i++));
  }
  EXPECT_EQ(i, 5);
}

TYPED_TEST(RunsTest, Names) {
  const std::string kind = TestFixture::kThreaded ? "thread" : "process";
  const auto own = [] {
    char name[16] = {};
    prctl(PR_GET_NAME, name);
    return std::string(name);
  };
  auto named = TestFixture::Start({.name = "a camera in the attic"}, own);
  named.Join();
  EXPECT_EQ(named.name(), "a camera in the attic");
  EXPECT_EQ(named.result(), "a camera in the") << "the kernel keeps 15 bytes";
  EXPECT_THAT(TestFixture::Start(own).name(), MatchesRegex(kind + "-[0-9]+"));
  const std::string first = TestFixture::Start(Add, 1, 2).name();
  EXPECT_THAT(first, StartsWith("Add-"));
  EXPECT_EQ(TestFixture::Start(&Add, 1, 2).name(),
            "Add-" + std::to_string(std::stoi(first.substr(4)) + 1));
  EXPECT_EQ(own(), "job_test") << "the caller keeps its own";
}

TYPED_TEST(RunsTest, Errors) {
  const auto check = [](auto function, auto expect) {
    auto run = TestFixture::Start({.name = "cam"}, function);
    for (int i = 0; i < 2; ++i) {  // Each time.
      try {
        run.Join();
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::exception& e) {
        expect(e);
        const RemoteError* const remote = RemoteErrorOf(e);
        ASSERT_NE(remote, nullptr);
        EXPECT_EQ(remote->thread(), "cam");
        EXPECT_EQ(remote->pid() == getpid(), TestFixture::kThreaded);
        EXPECT_THAT(remote->traceback(), Not(IsEmpty()));
      }
    }
    EXPECT_EQ(run.exit_code(), 1);
    ASSERT_EQ(run.errors().size(), 1u);
    EXPECT_THROW(run.errors().RaiseAny(), std::exception);
  };
  check([] { throw std::out_of_range("too far"); },
        [](const std::exception& e) {
          EXPECT_NE(dynamic_cast<const std::out_of_range*>(&e), nullptr);
          EXPECT_STREQ(e.what(), "too far");
        });
  check([] { throw std::system_error(ENOENT, std::generic_category(), "open"); },
        [](const std::exception& e) {
          const auto* error = dynamic_cast<const std::system_error*>(&e);
          ASSERT_NE(error, nullptr);
          EXPECT_EQ(error->code(), std::errc::no_such_file_or_directory);
        });
  check([] { throw 42; },
        [](const std::exception& e) {
          const auto* remote = dynamic_cast<const RemoteError*>(&e);
          ASSERT_NE(remote, nullptr);
          EXPECT_EQ(remote->type(), "int");
        });
  check(
      [] {
        try {
          throw std::out_of_range("inner");
        } catch (...) {
          std::throw_with_nested(std::runtime_error("outer"));
        }
      },
      [](const std::exception& e) {
        ASSERT_EQ(RemoteErrorOf(e)->causes().size(), 1u);
        EXPECT_EQ(RemoteErrorOf(e)->causes()[0].message, "inner");
      });
}

TYPED_TEST(RunsTest, ErrorsThatAreNotRaised) {
  const Except shared;
  auto run = TestFixture::Start({.raises = false, .errors = shared}, [&] {
    shared("work", {.raises = false}, [] { throw std::logic_error("one"); });
    throw std::runtime_error("two");
  });
  EXPECT_TRUE(run.Join());
  ASSERT_EQ(shared.size(), 2u);
  EXPECT_EQ(shared.First()->group(), "work");
  EXPECT_EQ(shared.Last()->message(), "two");
  EXPECT_EQ(run.errors().size(), 2u);
  EXPECT_EQ(run.exit_code(), 1);
}

TYPED_TEST(RunsTest, ErrorsThatNobodyTookAreLogged) {
  const auto log = [](const auto& use) {
    testing::internal::CaptureStderr();
    use();
    return testing::internal::GetCapturedStderr();
  };
  const auto fails = [] { throw std::out_of_range("too far"); };
  EXPECT_THAT(
      log([&] { TestFixture::Start({.name = "cam"}, fails); }),
      AllOf(HasSubstr("cam failed, and its error was not retrieved"), HasSubstr("too far")));
  EXPECT_EQ(log([&] { EXPECT_THROW(TestFixture::Start(fails).Join(), std::out_of_range); }), "");
  EXPECT_EQ(log([&] { EXPECT_EQ(TestFixture::Start(fails).errors().size() > 1, false); }), "");
}

TYPED_TEST(RunsTest, RequestStop) {
  const auto check = [](auto function) {
    auto run = TestFixture::Start({.timeout = absl::Minutes(1)}, function);
    run.RequestStop();
    EXPECT_TRUE(run.Join());
    EXPECT_EQ(run.exit_code(), 0);
    EXPECT_TRUE(run.errors().empty());
  };
  check([] { remoteobj::SleepFor(absl::InfiniteDuration()); });
  check([] {
    for (;;) InterruptionPoint();
  });
  check([] {
    while (!IsStopRequested()) absl::SleepFor(absl::Milliseconds(1));
  });
  check([]() -> Generator<int> {
    for (int i = 0;; ++i) co_yield i;
  });
  check([](std::stop_token stop) {
    while (!stop.stop_requested()) absl::SleepFor(absl::Milliseconds(1));
  });
  check([](std::stop_token stop) {
    while (!stop.stop_requested()) remoteobj::SleepFor(absl::InfiniteDuration());
  });
}

TYPED_TEST(RunsTest, AStopTokenComesBeforeTheArguments) {
  auto run = TestFixture::Start(
      [](std::stop_token stop, int number) {
        while (!stop.stop_requested()) remoteobj::SleepFor(absl::Hours(1));
        InterruptionPoint();  // Throws nothing: the function looks by itself.
        return number;
      },
      17);
  EXPECT_FALSE(run.Join(absl::Milliseconds(5)));
  EXPECT_EQ(run.result(), std::nullopt);
  EXPECT_EQ(run.exit_code(), std::nullopt);
  EXPECT_TRUE(run.alive());
  run.RequestStop();
  run.Join();
  EXPECT_EQ(run.result(), 17);
}

TYPED_TEST(RunsTest, Throw) {
  auto run = TestFixture::Start([] {
    std::string caught;
    while (caught.size() < 3) {
      try {
        remoteobj::SleepFor(absl::InfiniteDuration());
      } catch (const std::out_of_range& e) {
        caught += e.what();
      }
    }
    return caught;
  });
  for (const char* text : {"a", "b", "c"}) run.Throw(std::out_of_range(text));
  run.Join();
  EXPECT_EQ(run.result(), "abc");
  auto fails = TestFixture::Start([] { remoteobj::SleepFor(absl::InfiniteDuration()); });
  fails.Throw(std::invalid_argument("stop it"));
  EXPECT_THROW(fails.Join(), std::invalid_argument);
  auto yields = TestFixture::Start([]() -> Generator<std::string> {
    std::string caught;
    while (caught.empty()) {
      try {
        co_yield "value";
      } catch (const std::runtime_error& e) {
        caught = e.what();
      }
    }
    co_yield caught;
  });
  yields.Throw(std::runtime_error("thrown in"));
  EXPECT_EQ(Collect(yields.result()).first.back(), "thrown in");
}

TYPED_TEST(RunsTest, DestructorAsksItToStopAfterTheTimeoutOrAnException) {
  testing::internal::CaptureStderr();
  {
    auto run = TestFixture::Start({.name = "slow", .timeout = absl::Milliseconds(1)},
                                  [] { remoteobj::SleepFor(absl::InfiniteDuration()); });
    EXPECT_FALSE(run.Join());
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("slow did not end within"));
  try {
    auto run = TestFixture::Start([] { remoteobj::SleepFor(absl::InfiniteDuration()); });
    throw std::runtime_error("passing by");
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "passing by");
  }
}

TYPED_TEST(RunsTest, OnCloseComesOnce) {
  int calls = 0;
  {
    auto run = TestFixture::Start({.on_close = [&] { ++calls; }}, [] {});
    EXPECT_EQ(calls, 0);
    run.Join();
    run.Join();
  }
  EXPECT_EQ(calls, 1);
  {
    auto run = TestFixture::Start({.on_close = [&] { ++calls; }}, [] {});
  }
  EXPECT_EQ(calls, 2);
}

TYPED_TEST(RunsTest, IsMoved) {
  auto first = TestFixture::Start(Add, 1, 2);
  auto second = TestFixture::Start(Add, 3, 4);
  first = std::move(second);
  first.Join();
  EXPECT_EQ(first.result(), 7);
  second = TestFixture::Start(Add, 5, 6);
  second.Join();
  EXPECT_EQ(second.result(), 11);
}

TYPED_TEST(RunsTest, WithJoins) {
  int sum = 0;
  With(TestFixture::Start(Range, 4), [&](auto& run) {
    for (const int i : run.result()) sum += i;
  });
  EXPECT_EQ(sum, 6);
  EXPECT_THROW(With(TestFixture::Start([] { throw std::out_of_range("x"); }), [](auto&) {}),
               std::out_of_range);
}

// --- Where they differ ---

int ThrowOutOfRange() { throw std::out_of_range("not caught"); }

// Expects it of all processes, whether they are a Process or a Job.
template <typename Start>
void ExpectThatDeathsAreTold(const Start& start) {
  struct Case {
    int (*function)();
    int exit_code;
  };
  const Case cases[] = {{[]() -> int { _exit(3); }, 3},
                        {[]() -> int { std::_Exit(0); }, 0},
                        {[] { return raise(SIGKILL); }, -SIGKILL},
                        {[]() noexcept { return ThrowOutOfRange(); }, -SIGABRT}};
  for (const Case& c : cases) {
    auto run = start({}, c.function);
    EXPECT_THROW(run.Join(), ProcessDied);
    EXPECT_THROW(run.Join(), ProcessDied) << "each time";
    EXPECT_EQ(run.exit_code(), c.exit_code);
    EXPECT_EQ(run.result(), std::nullopt);
    auto silent = start({.raises = false}, c.function);
    EXPECT_TRUE(silent.Join());
    EXPECT_TRUE(silent.errors().empty());
    EXPECT_EQ(silent.exit_code(), c.exit_code);
  }
  const auto wait = [] {
    absl::SleepFor(absl::Minutes(1));
    return 0;
  };
  auto polite = start({}, +wait);
  EXPECT_NE(polite.pid(), getpid());
  polite.Terminate();
  EXPECT_THROW(polite.Join(), ProcessDied);
  EXPECT_EQ(polite.exit_code(), -SIGTERM);
  auto killed = start({}, +wait);
  killed.Kill();
  EXPECT_THROW(killed.Join(), ProcessDied);
  EXPECT_EQ(killed.exit_code(), -SIGKILL);
}

TEST(CrashTest, OfAProcess) {
  ExpectThatDeathsAreTold([](ProcessOptions options, int (*function)()) {
    return Process(std::move(options), function);
  });
}

TEST(CrashTest, OfAJob) {
  ExpectThatDeathsAreTold(
      [](JobOptions options, int (*function)()) { return Job(std::move(options), function); });
}

class JobTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Threaded, JobTest, testing::Bool());

TEST_P(JobTest, IsAsWhatRunsIt) {
  const bool threaded = GetParam();
  Job sum({.threaded = threaded}, Add, 5, 6);
  EXPECT_THAT(sum.name(), StartsWith("Add-"));
  EXPECT_EQ(sum.pid() == getpid(), threaded);
  EXPECT_TRUE(sum.Join());
  EXPECT_EQ(sum.result(), 11);
  Job fails({.name = "cam", .threaded = threaded}, FailsAfter, 3);
  EXPECT_EQ(Collect(fails.result()), std::pair(std::vector{0, 1, 2}, std::string("woah!!")));
  EXPECT_THROW(fails.Join(), std::out_of_range);
  EXPECT_EQ(fails.exit_code(), 1);
  EXPECT_EQ(fails.errors().Last()->pid() == getpid(), threaded);
  Job where({.threaded = threaded}, &getpid);
  where.Join();
  EXPECT_EQ(where.result(), where.pid());
  Job moved = std::move(where);
  EXPECT_EQ(where.pid(), 0);
  Job stops({.threaded = threaded}, [](std::stop_token stop) {
    while (!stop.stop_requested()) remoteobj::SleepFor(absl::Hours(1));
    return 1;
  });
  stops.RequestStop();
  stops.Join();
  EXPECT_EQ(stops.result(), 1);
}

TEST(ThreadTest, CanNotBeEndedByForce) {
  Job job({.threaded = true}, [] { remoteobj::SleepFor(absl::InfiniteDuration()); });
  EXPECT_EQ(job.pid(), getpid());
  EXPECT_THROW(job.Terminate(), std::logic_error);
  EXPECT_THROW(job.Kill(), std::logic_error);
  EXPECT_TRUE(job.alive());
  job.RequestStop();
  EXPECT_TRUE(job.Join());
}

TEST(ThreadTest, SharesTheMemory) {
  int number = 1;
  Thread thread([&] { number = 2; });
  thread.Join();
  EXPECT_EQ(number, 2);
}

TEST(ThreadTest, DestructorWaits) {
  std::atomic<bool> done = false;
  {
    Thread thread([&] {
      absl::SleepFor(absl::Milliseconds(20));
      done = true;
    });
  }
  EXPECT_TRUE(done);
}

TEST(ThreadTest, EachIsInterruptedOnItsOwn) {
  const auto sleep = [] { remoteobj::SleepFor(absl::InfiniteDuration()); };
  Thread first(sleep), second(sleep);
  first.RequestStop();
  EXPECT_TRUE(first.Join());
  EXPECT_FALSE(second.Join(absl::Milliseconds(5)));
  // One that waits for another one is interrupted in that, too.
  Thread waits([&] { second.Join(); });
  waits.RequestStop();
  EXPECT_TRUE(waits.Join());
  EXPECT_TRUE(second.alive());
  second.RequestStop();
  EXPECT_TRUE(second.Join());
  // A thread that the library has not started is never interrupted.
  InterruptionPoint();
}

TEST(ThreadTest, ThrowsObjectsThatOutliveIt) {
  std::optional<Thread<>> thread(std::in_place, [] { throw std::out_of_range("too far"); });
  std::exception_ptr error;
  try {
    thread->Join();
  } catch (...) {
    error = std::current_exception();
  }
  thread.reset();
  EXPECT_THROW(std::rethrow_exception(error), std::out_of_range);
}

TEST(ThreadTest, IsNotTheAffairOfAForkThatHasACopy) {
  absl::Notification stop;
  auto thread = std::make_unique<Thread<int>>([&] {
    stop.WaitForNotification();
    return 5;
  });
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    const auto refuses = [](const auto& call) {
      try {
        call();
        return false;
      } catch (const std::logic_error&) {
        return true;
      }
    };
    if (!refuses([&] { thread->Join(); })) _exit(2);
    if (!refuses([&] { return thread->result(); })) _exit(3);
    if (thread->exit_code()) _exit(4);
    thread.reset();  // Neither waits nor ends the program.
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(thread->alive());
  stop.Notify();
  EXPECT_TRUE(thread->Join());
  EXPECT_EQ(thread->result(), 5);
}

}  // namespace
}  // namespace remoteobj
