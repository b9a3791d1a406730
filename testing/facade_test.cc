// SPDX-License-Identifier: MIT
//
// What a user writes with the one include, as it is written in the documents, and that it does what
// is said there.
#include <signal.h>

#include <atomic>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
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

struct Everything {
  std::atomic<int> ticks{1};
  std::variant<int, std::string> variant;
  std::pair<int, std::string> pair;
  std::tuple<int, double, bool> tuple;
  Colour colour = Colour::kRed;
  absl::Time time;
  absl::Duration duration;
  absl::Status status;
  absl::StatusOr<int> status_or = 0;
  absl::flat_hash_map<std::string, std::vector<std::optional<Config>>> nested;
  Point point;
};
REMOTEOBJ_DESCRIBE(Everything, ticks, variant, pair, tuple, colour, time, duration, status,
                   status_or, nested, point)

class Safe {
 public:
  int Add(int a, int b) { return a + b; }
  double Add(double a, double b) { return a + b; }

 private:
  REMOTEOBJ_FRIEND(Safe)
  int combination_ = 1234;
};
REMOTEOBJ_DESCRIBE(Safe, (Add, int(int, int), double(double, double)), combination_)

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
  remoteobj::Proxy remote(counter, {.fulfill_final = false, .eager = false});
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
    EXPECT_THAT(e.what(), HasSubstr("(?.Die())"));
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
    EXPECT_EQ(error->process(), "facade_test");
  }
  remote->stop = true;
  worker.Join();
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
    view.Set(value);
    EXPECT_EQ(view.Get(), value);
  };
  check(remote->ticks, 5);
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
  remote->ticks = 0;
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
