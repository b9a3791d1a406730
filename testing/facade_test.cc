// SPDX-License-Identifier: MIT
//
// A user's code with the one include, as it is written in the documents; it does what they say.
#include <signal.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/remoteobj.h"

namespace app {

struct Base {
  virtual ~Base() = default;
  virtual int Override() const { return 1; }
};
REMOTEOBJ_DESCRIBE(Base, Override)

// [describe]
struct Config {
  int timeout = 3;
  std::string name;
  bool operator==(const Config&) const = default;
};
REMOTEOBJ_DESCRIBE(Config, timeout, name)  // free-standing: works for types one cannot edit

class Counter : public Base {
 public:
  void Toggle(bool state = true) {
    on = state;
  }  // a default argument may be left out remotely, too
  int Inc() { return ++count; }
  Counter& Chain() {
    ++count;
    return *this;
  }
  int Override() const override { return 2; }
  void Slow() { absl::SleepFor(absl::Milliseconds(50)); }
  void Die() { raise(SIGKILL); }

  int count = 0;
  bool on = false, stop = false;
  Config config;
  std::map<std::string, int> data{{"a", 5}};
  std::vector<int> another;
  std::optional<std::string> nickname;
};
REMOTEOBJ_DESCRIBE_DERIVED(Counter, (Base), Toggle, Inc, Chain, Override, Slow, Die, count, on,
                           stop, config, data, another, nickname)
// [/describe]

enum class Colour { kRed, kBlue };

// A type of somebody else's.
struct Point {
  double x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

// One member of each type that travels.
struct Everything {
  std::atomic<int> ticks{1};
  std::atomic<bool> flag{false};
  char letter = 'a';
  std::uint64_t large = 0;
  float narrow = 0;
  double wide = 0;
  std::string text;
  Config config;
  std::optional<Config> optional;
  std::unique_ptr<int> pointer;
  std::vector<double> numbers;
  std::vector<bool> bits;
  std::vector<std::byte> bytes;
  std::array<int, 3> array{};
  std::deque<std::string> deque;
  std::list<int> list;
  std::set<int> set;
  std::map<int, std::string> map;
  std::unordered_map<std::string, int> unordered_map;
  std::unordered_set<std::string> unordered_set;
  std::variant<int, std::string> variant;
  std::pair<int, std::string> pair;
  std::tuple<int, double, bool> tuple;
  Colour colour = Colour::kRed;
  absl::Time time;
  absl::Duration duration;
  absl::Status status;
  absl::StatusOr<int> status_or = 0;
  absl::flat_hash_map<std::string, std::vector<std::optional<Config>>> nested;
  std::map<std::string, std::tuple<Colour, std::vector<std::variant<int, std::map<int, Config>>>>>
      deep;
  std::optional<absl::StatusOr<std::pair<absl::Time, std::vector<std::optional<absl::Duration>>>>>
      deep_time;
  Point point;
};
REMOTEOBJ_DESCRIBE(Everything, ticks, flag, letter, large, narrow, wide, text, config, optional,
                   pointer, numbers, bits, bytes, array, deque, list, set, map, unordered_map,
                   unordered_set, variant, pair, tuple, colour, time, duration, status, status_or,
                   nested, deep, deep_time, point)

class Safe {
 public:
  int Add(int a, int b) { return a + b; }
  double Add(double a, double b) { return a + b; }

 private:
  REMOTEOBJ_FRIEND(Safe)
  int combination_ = 1234;
};
REMOTEOBJ_DESCRIBE(Safe, (Add, int(int, int), double(double, double)), combination_)

struct First : std::runtime_error {
  using runtime_error::runtime_error;
};
struct Second : std::runtime_error {
  using runtime_error::runtime_error;
};
int Same(int x) { return x; }
int Other(int x) { return x; }
// All in one line, as those of a header and of the file that includes it may be.
#define REGISTER_ALL()                   \
  REMOTEOBJ_REGISTER_ERROR(app::First)   \
  REMOTEOBJ_REGISTER_ERROR(app::Second)  \
  REMOTEOBJ_REGISTER_FUNCTION(app::Same) \
  REMOTEOBJ_REGISTER_FUNCTION(app::Other)
REGISTER_ALL()

}  // namespace app

// [codec]
template <>
struct remoteobj::Codec<app::Point> {
  static void Encode(const app::Point& point, ValueWriter out) {
    remoteobj::Encode(std::pair(point.x, point.y), out);
  }
  static app::Point Decode(const ValueReader& in) {
    const auto [x, y] = remoteobj::Decode<std::pair<double, double>>(in);
    return {x, y};
  }
};
// [/codec]

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
std::string Print(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

TEST(FacadeTest, TheFirstExample) {
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);  // made before the process starts; both keep it

  remoteobj::Process worker([&] {
    auto listening = remote.ListenInBackground();  // RAII: a thread answers until the scope ends
    while (remote.listening()) {
      {
        std::scoped_lock lock(remote);  // the owner's own accesses exclude remote evaluation
        if (counter.stop) break;
        if (counter.on) ++counter.count;
      }
      absl::SleepFor(absl::Milliseconds(1));
    }
  });
  remote.WaitUntilListening(worker);  // throws at once if the process dies first
  remote.WaitUntilListening(worker, absl::Seconds(30));

  remote->Toggle(true);  // call: evaluates there, returns the value here
  int x = remote->count.Get();
  while (*remote->count == x) absl::SleepFor(absl::Milliseconds(1));
  remote->Toggle(false);
  x = remote->count.Get();  // the three ways to resolve a view
  EXPECT_EQ(x, *remote->count);
  EXPECT_EQ(x, remoteobj::Get(remote->count));
  EXPECT_EQ(counter.count, 0) << "the object here is another one";
  remote->config->timeout = 5;  // chains go through described members, in one round trip
  EXPECT_EQ(*remote->config->timeout, 5);
  int a = *remote->data["a"];
  EXPECT_EQ(a, 5);
  remote->data["b"] = 8;
  EXPECT_EQ(*remote->data["b"], 8);
  remote->another->push_back(6);  // containers expose their own members by their own names
  EXPECT_THAT(*remote->another, ElementsAre(6));
  bool has = remote->data->contains("a");
  EXPECT_TRUE(has);
  EXPECT_EQ(remote->data->size(), 2u);
  remote->data->erase("a");
  EXPECT_FALSE(remote->data->contains("a"));
  remote->nickname = "Bob";
  EXPECT_TRUE(remote->nickname.Exists());
  remote->nickname.Delete();  // resets what can be absent
  EXPECT_FALSE(remote->nickname.Exists());
  remote->count = 1;
  EXPECT_EQ(remote->Chain()->Chain()->count.Get(), 3);  // *this gives the proxy back
  std::string s = remote.PassTo(
      [k = 3](app::Counter& c) { return std::to_string(c.count * k); });  // runs there
  EXPECT_EQ(s, "9");
  EXPECT_EQ(remote->data.PassTo(&std::map<std::string, int>::size), 1u);
  EXPECT_EQ(remote->Override(), 2);
  EXPECT_EQ(remote.Super<app::Base>()->Override(), 1);  // the base's version, not the override
  auto view = remote->Inc.Lazy();                       // not evaluated yet: view.Get() does it
  EXPECT_EQ(*remote->count, 3);
  EXPECT_EQ(view.Get(), 4);
  auto future = remote->Inc.Async();  // evaluated there while we go on
  EXPECT_EQ(future.Get(), 5);
  remoteobj::Batch batch;  // many operations in one message
  auto six = batch.Call(remote->Inc);
  batch.Set(remote->data["c"], 9);
  auto nine = batch.Get(remote->data["c"]);
  batch.Send().Get();
  EXPECT_EQ(six.Get() + nine.Get(), 15);
  EXPECT_EQ(remote.Attrs("config.timeout").Get<int>(), 5);  // untyped, by name, for tools
  EXPECT_EQ(Print(remote),
            "<Remote app::Counter pid=" + std::to_string(worker.pid()) + " listening>");
  testing::internal::CaptureStderr();
  LOG(ERROR) << (remote->config->timeout);  // prints the view
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("(?.config.timeout)"));

  remote->stop.Set(true);  // remote->stop = true is the same
  worker.Join();
  EXPECT_FALSE(remote.listening());
}

TEST(FacadeTest, ReachingAListener) {
  app::Counter counter;
  counter.count = 7;
  remoteobj::Proxy remote(counter, {.fulfill_final = false, .lazy_chains = false});
  EXPECT_THROW(remote->count.Get(), remoteobj::NotListening);  // nobody listens
  EXPECT_EQ(remote->count.GetOr(0), 0);                        // this default instead
  EXPECT_EQ(remote->count.GetOrElse([] { return 9; }), 9);     // the same, lazily
  EXPECT_EQ(remote->count.GetOrLocal(), 7);                    // evaluates on the local object
  const absl::StatusOr<int> tried = remote->count.TryGet();    // never throws
  EXPECT_EQ(tried.status().code(), absl::StatusCode::kUnavailable);

  remoteobj::Process worker([&] {
    auto listening = remote.Listen();  // the manual form, in the owner's own loop
    while (!counter.stop) {
      remote.ProcessRequests();  // until there are none
      remote.Poll(absl::Milliseconds(100));
    }
  });
  remote.WaitUntilListening(worker);
  EXPECT_THROW(remote->Slow.Timeout(absl::Milliseconds(1))(), remoteobj::DeadlineExceeded);
  EXPECT_EQ(remote->Slow.Timeout(absl::Milliseconds(1)).TryCall().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(remote->count.GetOr(0), 7);
  remote->stop = true;
  worker.Join();
}

TEST(FacadeTest, TheSameExpressionInTheListeningProcess) {
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);
  auto listening = remote.Listen();  // nobody polls
  EXPECT_EQ(remote->Inc(), 1);
  EXPECT_EQ(counter.count, 1);
}

TEST(FacadeTest, TheListenerDies) {
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);
  const auto listen = [&] {
    auto listening = remote.Listen();
    while (!counter.stop) remote.Poll(absl::InfiniteDuration());
  };
  remoteobj::Process worker(listen);
  remote.WaitUntilListening(worker);
  try {
    remote->Die();
    FAIL();
  } catch (const remoteobj::ListenerDied& e) {
    EXPECT_EQ(e.pid(), worker.pid());
    EXPECT_EQ(e.end().signal, SIGKILL);
    EXPECT_THAT(e.what(), HasSubstr("(app::Counter.Die())"));
  }
  EXPECT_THROW(remote->count.Get(), remoteobj::NotListening);
  EXPECT_THROW(remote.WaitUntilListening(worker), remoteobj::ListenerDied);
  EXPECT_THROW(worker.Join(), remoteobj::ProcessDied);

  remoteobj::Process next(listen);  // a new process on the same proxy
  remote.WaitUntilListening(next);
  EXPECT_EQ(remote->Inc(), 1);
  remote->stop = true;
  next.Join();
}

TEST(FacadeTest, ErrorsComeBackAsTheirOwnType) {
  app::Counter counter;
  remoteobj::Proxy<app::Counter> remote(counter);
  remoteobj::Process worker([&] {
    auto listening = remote.Listen();
    while (!counter.stop) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(worker);
  try {
    remote->data->at("missing");
    FAIL();
  } catch (const std::out_of_range& e) {
    const remoteobj::RemoteError* error = remoteobj::RemoteErrorOf(e);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->type(), "std::out_of_range");
    EXPECT_EQ(error->message(), e.what());
    EXPECT_EQ(error->pid(), worker.pid());
    EXPECT_EQ(error->process(), worker.name());
  }
  remote->stop = true;
  worker.Join();
}

TEST(FacadeTest, RegistrationsAtOneLineDoNotCollide) {
  remoteobj::Process first([] { throw app::First("first"); });
  EXPECT_THROW(first.Join(), app::First);
  remoteobj::Process second([] { throw app::Second("second"); });
  EXPECT_THROW(second.Join(), app::Second);
}

TEST(FacadeTest, WhatTravelsByValue) {
  app::Everything everything;
  remoteobj::Proxy remote(everything);
  remoteobj::Process worker([&] {
    auto listening = remote.Listen();
    while (everything.ticks != 0) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(worker);
  const auto check = [](const auto& view, auto value) {
    SCOPED_TRACE(Print(view));
    EXPECT_NE(view.Get(), value);
    view.Set(value);
    EXPECT_EQ(view.Get(), value);
  };
  check(remote->ticks, 5);
  check(remote->flag, true);
  check(remote->letter, 'b');
  check(remote->large, ~std::uint64_t{0});
  check(remote->narrow, 0.5f);
  check(remote->wide, 0.1);
  check(remote->text, std::string("nul \0 in it", 11));
  check(remote->config, app::Config{5, "five"});
  check(remote->optional, std::optional(app::Config{6, "six"}));
  remote->optional->timeout = 7;  // Through what it holds.
  EXPECT_EQ(remote->optional.Get()->timeout, 7);
  remote->optional.Delete();
  EXPECT_EQ(remote->optional.Get(), std::nullopt);
  EXPECT_EQ(remote->pointer.Get(), nullptr);
  remote->pointer = std::make_unique<int>(8);
  EXPECT_EQ(*remote->pointer.Get(), 8);
  check(remote->numbers, std::vector{1.5, -0.5});
  check(remote->bits, std::vector{true, false, true});
  check(remote->bytes, std::vector{std::byte{0}, std::byte{255}});
  check(remote->array, std::array{1, 2, 3});
  check(remote->deque, std::deque<std::string>{"a", ""});
  check(remote->list, std::list{3, 1, 2});
  check(remote->set, std::set{3, 1, 2});
  check(remote->map, std::map<int, std::string>{{1, "one"}, {2, "two"}});
  check(remote->unordered_map, std::unordered_map<std::string, int>{{"one", 1}});
  check(remote->unordered_set, std::unordered_set<std::string>{"one", "two"});
  check(remote->variant, std::variant<int, std::string>("text"));
  check(remote->pair, std::pair(1, std::string("one")));
  check(remote->tuple, std::tuple(1, 2.5, true));
  check(remote->colour, app::Colour::kBlue);
  check(remote->time, absl::FromUnixSeconds(1234567890));
  check(remote->duration, absl::Seconds(5));
  check(remote->status, absl::NotFoundError("nothing there"));
  check(remote->status_or, absl::StatusOr<int>(6));
  check(remote->point, app::Point{1, 2});
  remote->nested["k"] = {std::nullopt, app::Config{9, "nine"}};
  EXPECT_EQ(remote->nested.Get().at("k").at(1)->name, "nine");
  decltype(everything.deep) deep;
  deep["d"] = {app::Colour::kBlue, {1, std::map<int, app::Config>{{2, {3, "three"}}}}};
  check(remote->deep, deep);
  decltype(everything.deep_time) deep_time;
  deep_time.emplace(std::pair(
      absl::UnixEpoch(), std::vector<std::optional<absl::Duration>>{absl::Nanoseconds(1), {}}));
  check(remote->deep_time, deep_time);
  check(remote->deep_time, decltype(deep_time)(absl::DataLossError("of time")));
  // It is all there, and was only there.
  EXPECT_TRUE(remote.PassTo([](app::Everything& there) {
    return there.text.size() == 11 && there.deep.at("d") != decltype(there.deep)::mapped_type() &&
           there.array[2] == 3 && there.deep_time->status().message() == "of time";
  }));
  EXPECT_EQ(everything.text, "");
  // A client that knows no types sends numbers as a list.
  remote.Attrs("numbers").Set(std::list{1, 2});
  EXPECT_THAT(*remote->numbers, ElementsAre(1, 2));
  EXPECT_THROW(remote.Attrs("array").Set(std::list<std::int64_t>{1, 2, std::int64_t{1} << 40}),
               remoteobj::BadValue);
  remote->ticks = 0;
  worker.Join();
}

TEST(FacadeTest, ProxiesByValueInSeveralThreads) {
  app::Counter counter;
  remoteobj::Proxy remote(counter);
  remoteobj::Process worker([remote, &counter] {
    auto listening = remote.Listen();
    while (!counter.stop) remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(worker);
  constexpr int kThreads = 8;
  constexpr int kCalls = 200;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([remote, t, &wrong] {
      const std::string mine = std::to_string(t);
      int last = 0;
      for (int i = 0; i < kCalls; ++i) {
        const auto copy = remote;
        const int count = copy->Inc();
        if (count <= last) ++wrong;
        last = count;
        copy->data[mine] = i;
        auto pending = copy->data[mine].Async();
        if (*copy->data[mine] != i || pending.Get() != i) ++wrong;
        if (copy.Attrs("config.timeout").Get<int>() != 3) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(*remote->count, kThreads * kCalls);
  EXPECT_EQ(remote->data->size(), kThreads + 1u);
  remote->stop = true;
  worker.Join();
}

TEST(FacadeTest, OverloadsAndPrivateMembers) {
  app::Safe safe;
  remoteobj::Proxy remote(safe);
  auto listening = remote.Listen();
  EXPECT_EQ(remote->Add(1, 2), 3);
  EXPECT_EQ(remote->Add(0.5, 2.25), 2.75);
  EXPECT_EQ(*remote->combination_, 1234);
}

}  // namespace
