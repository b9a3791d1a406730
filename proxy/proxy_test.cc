// SPDX-License-Identifier: MIT
//
// Every behaviour of a proxy, each between two processes.
#include "remoteobj/proxy/proxy.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/counter.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/wire/packed.h"
#include "remoteobj/transport/wire/references.h"

namespace lab {

// Counts how often it is copied, in this process.
struct CountsCopies {
  CountsCopies() = default;
  CountsCopies(const CountsCopies& other) : text(other.text) { ++copies; }
  CountsCopies& operator=(const CountsCopies& other) {
    text = other.text;
    ++copies;
    return *this;
  }
  CountsCopies(CountsCopies&&) = default;
  CountsCopies& operator=(CountsCopies&&) = default;

  static inline int copies = 0;
  std::string text = "new";
};
REMOTEOBJ_DESCRIBE(CountsCopies, text)

struct Shelf {
  CountsCopies Make() const { return {}; }
  CountsCopies big;
};
REMOTEOBJ_DESCRIBE(Shelf, Make, big)

struct Base {
  virtual ~Base() = default;
  virtual int Override() const { return 1; }
  int Shared() { return ++shared; }
  int shared = 10;
};
REMOTEOBJ_DESCRIBE(Base, Override, Shared, shared)

enum class Colour : std::uint8_t { kRed, kBlue };

struct Missing : std::runtime_error {
  using runtime_error::runtime_error;
};
REMOTEOBJ_REGISTER_ERROR(Missing)

struct Lost : std::exception {
  int where = 0;
  std::string what_was_lost;
};
REMOTEOBJ_DESCRIBE(Lost, where, what_was_lost)
REMOTEOBJ_REGISTER_ERROR(Lost)

struct Unknown : std::exception {
  const char* what() const noexcept override { return "nobody knows this type"; }
};

class Device : public Base {
 public:
  int Override() const override { return 2; }
  int Add(int a, int b) { return a + b; }
  double Add(double a, double b) { return a + b; }
  std::string Join(std::string_view a, const std::string& b, const char* c) const {
    return std::string(a) + b + c;
  }
  void Throw(int which) {
    switch (which) {
      case 0:
        throw std::out_of_range("there is no such thing");
      case 1:
        throw Missing("a cable");
      case 2: {
        Lost lost;
        lost.where = 7;
        lost.what_was_lost = "the key";
        throw lost;
      }
      case 3:
        throw Unknown();
      case 4:
        throw 42;
      case 5:
        throw std::system_error(ENOENT, std::generic_category(), "opening");
      case 6:
        try {
          throw std::invalid_argument("the cause");
        } catch (...) {
          std::throw_with_nested(std::runtime_error("the effect"));
        }
    }
  }
  void Sleep(int ms) { absl::SleepFor(absl::Milliseconds(ms)); }
  void Die() { raise(SIGKILL); }
  int Pid() { return getpid(); }
  const std::string& Name() const { return name_; }
  Device& Other() { return other_; }
  std::size_t Count(const std::vector<double>& values) { return values.size(); }
  std::vector<double> Make(std::size_t n) { return std::vector<double>(n, 1.5); }
  static int Static(int x) { return 2 * x; }
  int Positive(unsigned char x) { return x; }

  const int serial = 17;
  std::atomic<int> ticks{3};
  Colour colour = Colour::kRed;
  std::unique_ptr<app::Config> config;
  std::optional<app::Config> maybe;
  std::vector<bool> bits{true, false};
  std::vector<app::Config> configs{{1, "one"}, {2, "two"}};
  std::map<std::string, std::map<int, std::string>> nested{{"x", {{1, "one"}}}};

 private:
  REMOTEOBJ_FRIEND(Device)
  std::string name_ = "secret";
  int hidden_ = 5;
  static Device other_;
};
REMOTEOBJ_DESCRIBE_DERIVED(Device, (Base), Override, (Add, int(int, int), double(double, double)),
                           Join, Throw, Sleep, Die, Pid, Name, Other, Count, Make, Static, Positive,
                           serial, ticks, colour, config, maybe, bits, configs, nested, hidden_)
Device Device::other_;

template <typename T, int N>
struct Grid {
  T cells[N] = {};
  T at(int i) const { return cells[i]; }
  void set(int i, T value) { cells[i] = value; }
  int size = N;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T, int N), (Grid<T, N>), at, set, size)

// It can be encoded once, as what is moved away.
struct Once {
  mutable bool encoded = false;
};

struct Taker {
  int Take(Once) { return 1; }
};
REMOTEOBJ_DESCRIBE(Taker, Take)

// With the proxy as a member, as the examples of Python's remoteobj begin.
struct Robot {
  remoteobj::Proxy<Robot> remote{*this};
  int steps = 0;
  bool stop = false;

  int Walk(int by) { return steps += by; }
  Robot& Turn() {
    ++steps;
    return *this;
  }
  void Run() {
    auto listening = remote.Listen();
    while (!stop) remote.Poll(absl::InfiniteDuration());
  }
  int WalkThere(int by);
};
REMOTEOBJ_DESCRIBE(Robot, steps, stop, Walk, Turn)

int Robot::WalkThere(int by) { return remote->Walk(by); }

int StepsTimes(const Robot& robot, int factor) { return robot.steps * factor; }

}  // namespace lab

template <>
struct remoteobj::Codec<lab::Once> {
  static void Encode(const lab::Once& value, ValueWriter out) {
    if (std::exchange(value.encoded, true)) throw std::invalid_argument("encoded twice");
    out.Null();
  }
  static lab::Once Decode(const ValueReader&) { return {}; }
};

namespace remoteobj {
namespace {

using app::Counter;
using lab::Device;
using remoteobj_testing::Forked;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
std::string Print(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

// A T in another process, listening in background until it is told to stop.
template <typename T>
class Remote {
 public:
  explicit Remote(ProxyOptions options = {})
      : remote(object, options), child_([this] {
          auto listening = remote.ListenInBackground();
          for (;;) absl::SleepFor(absl::Seconds(1));
        }) {
    remote.WaitUntilListening(child_);
  }

  Forked& child() { return child_; }

  T object;
  Proxy<T> remote;

 private:
  Forked child_;
};

class CounterTest : public testing::Test {
 protected:
  Remote<Counter> counter_;
  Proxy<Counter>& remote = counter_.remote;
};

class DeviceTest : public testing::Test {
 protected:
  Remote<Device> device_;
  Proxy<Device>& remote = device_.remote;
};

TEST_F(CounterTest, CallsAMethodThere) {
  EXPECT_EQ(remote->Inc(), 1);
  EXPECT_EQ(remote->Inc(), 2);
  EXPECT_EQ(counter_.object.count, 0) << "the object in this process is another one";
}

TEST_F(CounterTest, LeavesADefaultArgumentOut) {
  remote->Toggle();
  EXPECT_TRUE(*remote->on);
  remote->Toggle(false);
  EXPECT_FALSE(*remote->on);
}

TEST(ProxyTest, WhatGetReturnsIsMoved) {
  Remote<lab::Shelf> shelf;
  shelf.remote->big->text = "set";
  lab::CountsCopies x;
  x = shelf.remote->big.Get();
  EXPECT_EQ(x.text, "set");
  x = remoteobj::Get(shelf.remote->big);
  x = shelf.remote->big.Async().Get();
  EXPECT_EQ(x.text, "set");
  x = shelf.remote->Make();
  EXPECT_EQ(x.text, "new");
  const lab::CountsCopies y = shelf.remote->big.Get();
  EXPECT_EQ(y.text, "set");
  EXPECT_EQ(lab::CountsCopies::copies, 0);
  x = *shelf.remote->big;  // A const value, so that a change of it does not compile.
  EXPECT_EQ(lab::CountsCopies::copies, 1);
}

TEST_F(CounterTest, ResolvesAViewInThreeWays) {
  remote->count = 7;
  EXPECT_EQ(remote->count.Get(), 7);
  EXPECT_EQ(*remote->count, 7);
  EXPECT_EQ(remoteobj::Get(remote->count), 7);
}

TEST_F(CounterTest, SetsMembers) {
  remote->stop = true;
  EXPECT_TRUE(*remote->stop);
  remote->stop.Set(false);
  EXPECT_FALSE(*remote->stop);
  remote->on = true;
  remote->stop = remote->on;
  EXPECT_TRUE(*remote->stop);
}

TEST_F(CounterTest, ChainsThroughDescribedMembers) {
  EXPECT_EQ(*remote->config->timeout, 3);
  remote->config->timeout = 5;
  remote->config->name = "five";
  const app::Config config = *remote->config;
  EXPECT_EQ(config.timeout, 5);
  EXPECT_EQ(config.name, "five");
  remote->config = app::Config{6, "six"};
  EXPECT_EQ(*remote->config->name, "six");
}

TEST_F(CounterTest, WalksIntoContainers) {
  EXPECT_EQ(*remote->data["a"], 5);
  remote->data["b"] = 8;
  EXPECT_EQ(*remote->data["b"], 8);
  EXPECT_TRUE(remote->data->contains("a"));
  EXPECT_TRUE(remote->data["a"].Exists());
  EXPECT_EQ(remote->data->size(), 2u);
  EXPECT_EQ(remote->data->erase("a"), 1u);
  EXPECT_FALSE(remote->data->contains("a"));
  remote->data["b"].Delete();
  EXPECT_TRUE(remote->data->empty());
  EXPECT_TRUE(remote->data->insert({"c", 1}));
  EXPECT_FALSE(remote->data->insert({"c", 2}));
  EXPECT_EQ(remote->data->at("c"), 1);

  remote->another->push_back(6);
  remote->another->push_back(7);
  EXPECT_EQ(*remote->another[1], 7);
  remote->another[1] = 9;
  EXPECT_THAT(*remote->another, ElementsAre(6, 9));
  remote->another[0].Delete();
  EXPECT_THAT(remote->another.Get(), ElementsAre(9));
  EXPECT_THROW(remote->another[5].Get(), std::out_of_range);
  EXPECT_THROW(remote->another[-1].Get(), std::out_of_range);
  EXPECT_THROW(remote->data["missing"].Get(), std::out_of_range);
}

TEST_F(CounterTest, DeletesWhatCanBeAbsent) {
  EXPECT_FALSE(remote->nickname.Exists());
  EXPECT_EQ(*remote->nickname, std::nullopt);
  remote->nickname = "Bob";
  EXPECT_TRUE(remote->nickname.Exists());
  EXPECT_EQ(*remote->nickname, "Bob");
  remote->nickname.Delete();
  EXPECT_FALSE(remote->nickname.Exists());
  EXPECT_TRUE(remote->count.Exists());
}

TEST_F(CounterTest, GivesTheProxyBackForThis) {
  EXPECT_EQ(remote->Chain()->Chain()->count.Get(), 2);
  EXPECT_EQ(remote->Chain()->Inc(), 4);
}

TEST_F(CounterTest, PassesAFunctionToTheObject) {
  remote->count = 4;
  const std::string s = remote.PassTo([k = 3](Counter& c) { return std::to_string(c.count * k); });
  EXPECT_EQ(s, "12");
  EXPECT_EQ(remote->data.PassTo(&std::map<std::string, int>::size), 1u);
  EXPECT_EQ(remote.PassTo(&Counter::Inc), 5);
  EXPECT_EQ(remote.PassTo(
                [](Counter& c, int by, const std::string& name) {
                  c.count += by;
                  c.config.name = name;
                  return c.count;
                },
                10, "ten"),
            15);
  EXPECT_EQ(*remote->config->name, "ten");
  EXPECT_EQ(remote.PassTo([](Counter& c) -> Counter& { return c; })->count.Get(), 15);
  EXPECT_THROW(remote.PassTo([](Counter&) { throw std::out_of_range("there"); }),
               std::out_of_range);
}

TEST_F(CounterTest, IsLazyWhenAsked) {
  auto view = remote->Inc.Lazy();
  EXPECT_EQ(*remote->count, 0);
  EXPECT_EQ(view.Get(), 1);
  EXPECT_EQ(*view, 2);
  auto count = remote->count.Lazy();
  EXPECT_EQ(count.Get(), 2);
  count = 5;
  EXPECT_EQ(*remote->count, 5);
}

TEST_F(CounterTest, IsAsynchronousWhenAsked) {
  auto first = remote->Inc.Async();
  auto second = remote->Inc.Async();
  EXPECT_EQ(first.Get() + second.Get(), 3);
  EXPECT_THROW(first.Get(), std::logic_error);
  EXPECT_EQ(remote->count.Async().Get(), 2);
  std::vector<Future<int>> many;
  for (int i = 0; i < 200; ++i) many.push_back(remote->Inc.Async());
  for (int i = 0; i < 200; ++i) many[i].Get();
  EXPECT_EQ(*remote->count, 202);
}

TEST_F(CounterTest, IsUntypedForTools) {
  EXPECT_EQ(remote.Attrs("config.timeout").Get<int>(), 3);
  remote.Attrs("config.timeout").Set(9);
  EXPECT_EQ(*remote->config->timeout, 9);
  EXPECT_EQ(remote.Attrs("Inc").Call<int>(), 1);
  EXPECT_EQ(remote.Attrs("data").Item("a").Get<int>(), 5);
  EXPECT_EQ(remote.Attrs("data").Length(), 1u);
  EXPECT_TRUE(remote.Attrs("data").Contains("a"));
  EXPECT_TRUE(remote.Attrs("Inc").Exists());
  EXPECT_THROW(remote.Attrs("missing").Exists(), NotDescribed);
  remote.Attrs("nickname").Set("x");
  remote.Attrs("nickname").Delete();
  EXPECT_FALSE(remote->nickname.Exists());
}

TEST_F(CounterTest, HasAStatusTwinForWhatThrows) {
  using absl::StatusCode;
  const UntypedView data = remote.Attrs("data");
  EXPECT_EQ(data.TryLength().value(), 1u);
  EXPECT_EQ(data.TryContains("a").value(), true);
  EXPECT_TRUE(data.Item("b").TrySet(7).ok());
  EXPECT_EQ(data.Item("b").TryGet<int>().value(), 7);
  EXPECT_EQ(data.Item("b").TrySet("no number").code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(data.Item("b").TryDelete().ok());
  EXPECT_EQ(data.Item("b").TryDelete().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(remote.Attrs("Inc").TryCall<int>().value(), 1);
  EXPECT_EQ(remote.Attrs("Inc").TryCall<int>("no argument").status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(remote.Attrs("nickname").TryExists().value(), false);
  const UntypedView missing = remote.Attrs("missing");
  EXPECT_EQ(missing.TryExists().status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(missing.TryLength().status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(missing.TryContains(1).status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(remote->data["a"].TryExists().value(), true);
  EXPECT_EQ(*remote.TryGet().value()->count, 1);
}

TEST(ProxyTest, ListensWithAStatus) {
  app::Counter counter;
  const Proxy<app::Counter> remote(counter);
  const absl::StatusOr<Listening> listening = remote.TryListen();
  ASSERT_TRUE(listening.ok()) << listening.status();
  EXPECT_EQ(remote.TryListen().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(remote.TryListenInBackground().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(CounterTest, SetsAndDeletesItemsOfAnUntypedView) {
  const UntypedView data = remote.Attrs("data");
  data.Item("a").Set(6);
  data.Item("b").Set(7);
  EXPECT_EQ(*remote->data["a"] + *remote->data["b"], 13);
  data.Item("a").Delete();
  EXPECT_FALSE(data.Contains("a"));
  remote->another->push_back(1);
  remote.Attrs("another").Item(0).Set(8);
  EXPECT_EQ(*remote->another[0], 8);
  EXPECT_THROW(data.Item("missing").Delete(), std::out_of_range);
  EXPECT_THROW(data.Item("a").Set("no number"), BadValue);
  EXPECT_THROW(remote.Of(View().Length()).Set(1), std::logic_error);
  EXPECT_THROW(remote.Of(View()).Delete(), std::logic_error);
}

TEST_F(CounterTest, Prints) {
  EXPECT_EQ(Print(remote),
            "<Remote app::Counter pid=" + std::to_string(counter_.child().pid()) + " listening>");
  EXPECT_EQ(Print(remote->config->timeout), "(?.config.timeout)");
  EXPECT_EQ(Print(remote->data["a"]), "(?.data[\"a\"])");
  EXPECT_EQ(Print(remote->Toggle.Lazy(true)), "(?.Toggle(true))");
  EXPECT_EQ(Print(remote->Inc), "(?.Inc)");
  EXPECT_EQ(Print(remote.Attrs("a.b").Item(3)), "(?.a.b[3])");
  counter_.child().Kill();
  EXPECT_EQ(Print(remote), "<Remote app::Counter not listening>");
}

TEST_F(DeviceTest, CallsTheBasesVersion) {
  EXPECT_EQ(remote->Override(), 2);
  EXPECT_EQ(remote.Super<lab::Base>()->Override(), 1);
  EXPECT_EQ(remote->Shared(), 11) << "a base's members are members";
  EXPECT_EQ(*remote->shared, 11);
  EXPECT_EQ(*remote.Super<lab::Base>()->shared, 11);
}

TEST_F(DeviceTest, ChoosesOverloads) {
  EXPECT_EQ(remote->Add(1, 2), 3);
  EXPECT_EQ(remote->Add(1.5, 2.25), 3.75);
}

TEST_F(DeviceTest, ConvertsArguments) {
  EXPECT_EQ(remote->Join("a", "b", "c"), "abc");
  EXPECT_EQ(remote->Join(std::string("a"), std::string_view("b").data(), "c"), "abc");
  EXPECT_EQ(remote->Static(4), 8);
  EXPECT_EQ(remote->Name(), "secret");
  EXPECT_EQ(*remote->hidden_, 5);
}

TEST_F(DeviceTest, ReachesMembersOfAllKinds) {
  EXPECT_EQ(*remote->serial, 17);
  EXPECT_EQ(*remote->ticks, 3);
  remote->ticks = 4;
  EXPECT_EQ(*remote->ticks, 4);
  remote->colour = lab::Colour::kBlue;
  EXPECT_EQ(*remote->colour, lab::Colour::kBlue);
  EXPECT_FALSE(remote->config.Exists());
  EXPECT_THROW(remote->config->timeout.Get(), BadValue);
  remote->maybe = app::Config{1, "m"};
  EXPECT_EQ(*remote->maybe->name, "m");
  remote->bits[1] = true;
  EXPECT_EQ(*remote->bits[1], true);
  EXPECT_EQ(*remote->configs[1]->name, "two");
  remote->configs[1]->name = "zwei";
  EXPECT_EQ(*remote->configs[1]->name, "zwei");
  EXPECT_EQ(*remote->nested["x"][1], "one");
  remote->nested["x"][2] = "two";
  EXPECT_EQ(remote->nested["x"]->size(), 2u);
}

TEST_F(DeviceTest, RefusesAnotherObjectThanThis) { EXPECT_THROW(remote->Other(), BadValue); }

// Calls `f`, which throws an E; returns what RemoteErrorOf says of it.
template <typename E, typename F>
RemoteError Caught(F f) {
  try {
    f();
  } catch (const E& e) {
    const RemoteError* error = RemoteErrorOf(e);
    if (error == nullptr) throw std::logic_error("this error is not a remote one");
    return *error;
  }
  throw std::logic_error("nothing was thrown");
}

TEST_F(DeviceTest, ThrowsWhatWasThrownThere) {
  const RemoteError error = Caught<std::out_of_range>([&] { remote->Throw(0); });
  EXPECT_EQ(error.type(), "std::out_of_range");
  EXPECT_EQ(error.message(), "there is no such thing");
  EXPECT_EQ(error.pid(), device_.child().pid());
  EXPECT_LT(absl::Now() - error.time(), absl::Minutes(1));

  EXPECT_EQ(Caught<lab::Missing>([&] { remote->Throw(1); }).message(), "a cable");
  try {
    remote->Throw(2);
    FAIL();
  } catch (const lab::Lost& lost) {
    EXPECT_EQ(lost.where, 7);
    EXPECT_EQ(lost.what_was_lost, "the key");
  }
  EXPECT_EQ(Caught<RemoteError>([&] { remote->Throw(3); }).type(), "lab::Unknown");
  EXPECT_EQ(Caught<RemoteError>([&] { remote->Throw(4); }).message(), "42");
  try {
    remote->Throw(5);
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
    EXPECT_THAT(e.what(), HasSubstr("opening"));
  }
  const RemoteError nested = Caught<std::runtime_error>([&] { remote->Throw(6); });
  EXPECT_EQ(nested.type(), "std::runtime_error");
  ASSERT_EQ(nested.causes().size(), 1u);
  EXPECT_EQ(nested.causes()[0].message, "the cause");
}

TEST_F(DeviceTest, SaysWhatIsWrongWithACall) {
  EXPECT_THROW(remote.Attrs("nothing").Get<int>(), NotDescribed);
  EXPECT_THROW(remote.Attrs("serial").Set(4), NotDescribed);
  EXPECT_THROW(remote.Attrs("Throw").Call<int>("text"), BadValue);
  EXPECT_THROW(remote.Attrs("Throw").Call<int>(1, 2, 3), BadValue);
  EXPECT_THROW(remote.Attrs("serial").Get<std::string>(), BadValue);
  EXPECT_THROW(remote.Attrs("Positive").Call<int>(256), BadValue);
  EXPECT_THROW(remote.Attrs("Positive").Call<int>(-1), BadValue);
  EXPECT_THROW(remote.Attrs("serial").Call<int>(), NotDescribed);
  EXPECT_THROW(remote.Attrs("Throw").Get<int>(), NotDescribed);
  EXPECT_THROW(remote.Attrs("Throw.x").Get<int>(), NotDescribed);
  EXPECT_THROW(remote.Attrs("serial").Length(), NotDescribed);
  EXPECT_EQ(*remote->serial, 17) << "the listener goes on";
  const absl::StatusOr<int> value = remote.Attrs("nothing").TryGet<int>();
  EXPECT_THAT(std::string(value.status().message()),
              HasSubstr("lab::Device has no described member nothing"));
}

TEST_F(DeviceTest, GivesUpAtTheDeadline) {
  EXPECT_THROW(remote->Sleep.Timeout(absl::Milliseconds(20))(300), DeadlineExceeded);
  EXPECT_EQ(remote->Sleep.Timeout(absl::Milliseconds(20)).TryCall(300).code(),
            absl::StatusCode::kDeadlineExceeded);
  remote->Sleep.Timeout(absl::Seconds(30))(1);
  EXPECT_EQ(*remote->serial.Timeout(absl::Seconds(30)), 17);
  try {
    remote->Sleep.Timeout(absl::Milliseconds(5))(200);
    FAIL();
  } catch (const DeadlineExceeded& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("(lab::Device.Sleep(200))"), HasSubstr("(waited 5ms)")));
    EXPECT_EQ(e.waited(), absl::Milliseconds(5));
  }
}

TEST_F(DeviceTest, TellsOfTheListenersDeath) {
  try {
    remote->Die();
    FAIL();
  } catch (const ListenerDied& e) {
    EXPECT_EQ(e.pid(), device_.child().pid());
    EXPECT_EQ(e.end().signal, SIGKILL);
    EXPECT_TRUE(e.evaluating());
    EXPECT_THAT(e.what(), HasSubstr("(lab::Device.Die())"));
  }
  EXPECT_THROW(remote->Pid(), NotListening);
  EXPECT_EQ(remote->Pid.TryCall().status().code(), absl::StatusCode::kUnavailable);
  // Until a new process listens on the same proxy.
  Forked second([&] {
    auto listening = remote.ListenInBackground();
    for (;;) absl::SleepFor(absl::Seconds(1));
  });
  remote.WaitUntilListening(second);
  EXPECT_EQ(remote->Pid(), second.pid());
}

TEST_F(DeviceTest, CarriesLargeValues) {
  EXPECT_EQ(remote->Count(std::vector<double>(1 << 20, 2.0)), 1u << 20);
  EXPECT_EQ(remote->Make(1 << 20), std::vector<double>(1 << 20, 1.5));
}

TEST_F(DeviceTest, ServesManyProcessesAndThreads) {
  const auto client = [&] {
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 500; ++i) wrong += remote->Add(t * 1000, i) != t * 1000 + i;
      });
    }
    for (auto& thread : threads) thread.join();
    if (wrong != 0) throw std::logic_error("wrong answers");
  };
  Forked a(client), b(client), c(client);
  EXPECT_EQ(a.Wait(), 0);
  EXPECT_EQ(b.Wait(), 0);
  EXPECT_EQ(c.Wait(), 0);
}

TEST(ProxyTest, DescribesClassTemplates) {
  Remote<lab::Grid<double, 4>> grid;
  grid.remote->set(2, 1.5);
  EXPECT_EQ(grid.remote->at(2), 1.5);
  EXPECT_EQ(*grid.remote->size, 4);
}

TEST(ProxyTest, FallsBackWhereNobodyListens) {
  Counter counter;
  counter.count = 4;
  Proxy remote(counter);
  EXPECT_THROW(remote->count.Get(), NotListening);
  EXPECT_THROW(remote->Inc(), NotListening);
  EXPECT_EQ(remote->count.GetOr(9), 9);
  EXPECT_EQ(remote->count.GetOrElse([] { return 8; }), 8);
  EXPECT_EQ(remote->count.GetOrLocal(), 4);
  const absl::StatusOr<int> tried = remote->count.TryGet();
  EXPECT_EQ(tried.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(tried.status().message()), HasSubstr("(app::Counter.count)"));
  EXPECT_FALSE(remote.listening());
  EXPECT_THROW(remote.WaitUntilListening(absl::Milliseconds(20)), DeadlineExceeded);
  Forked ends([] {});
  EXPECT_THROW(remote.WaitUntilListening(ends), ListenerDied);
}

TEST(ProxyTest, BypassesTheTransportInTheListeningProcess) {
  Counter counter;
  Proxy remote(counter);
  auto listening = remote.Listen();  // Nobody polls: a call through the channel would hang.
  EXPECT_EQ(remote->Inc(), 1);
  EXPECT_EQ(counter.count, 1);
  EXPECT_EQ(remote->Inc.Async().Get(), 2);
  EXPECT_EQ(remote->Chain()->count.Get(), 3);
  EXPECT_THROW(remote->data["x"].Get(), std::out_of_range);
  EXPECT_EQ(remote.PassTo([](Counter& c) { return c.count; }), 3);
}

TEST(ProxyTest, ListensInTheOwnersOwnLoop) {
  Counter counter;
  Proxy remote(counter);
  Forked owner([&] {
    auto listening = remote.Listen();
    while (!counter.stop) remote.Poll(absl::Seconds(10));
  });
  remote.WaitUntilListening(owner);
  EXPECT_EQ(remote->Inc(), 1);
  remote->stop = true;
  EXPECT_EQ(owner.Wait(), 0);
  EXPECT_THROW(remote->Inc(), NotListening);
}

TEST(ProxyTest, ProcessesRequestsUntilThereAreNone) {
  Counter counter;
  Proxy remote(counter);
  Forked owner([&] {
    auto listening = remote.Listen();
    int served = 0;
    while (served < 5) served += remote.ProcessRequests();
  });
  remote.WaitUntilListening(owner);
  for (int i = 0; i < 5; ++i) remote->Inc();
  EXPECT_EQ(owner.Wait(), 0);
}

// For an owner in whose process another thread listens.
void WaitUntilStopped(const Counter& counter, Proxy<Counter>& remote) {
  for (;;) {
    {
      const std::scoped_lock lock(remote);
      if (counter.stop) return;
    }
    absl::SleepFor(absl::Milliseconds(1));
  }
}

TEST(ProxyTest, LocksOutRemoteEvaluation) {
  Counter counter;
  Proxy remote(counter);
  Forked owner([&] {
    auto listening = remote.ListenInBackground();
    for (int i = 0; i < 200; ++i) {
      std::scoped_lock lock(remote);
      const int before = counter.count;
      absl::SleepFor(absl::Microseconds(100));
      if (counter.count != before) throw std::logic_error("the lock was not kept");
      if (counter.stop) return;
    }
    WaitUntilStopped(counter, remote);
  });
  remote.WaitUntilListening(owner);
  for (int i = 0; i < 1000; ++i) remote->Inc();
  remote->stop = true;
  EXPECT_EQ(owner.Wait(), 0);
}

TEST(ProxyTest, EagerChainsTravelInOneRoundTrip) {
  Remote<Counter> counter({.lazy_chains = true});
  EXPECT_EQ(counter.remote->Chain()->Chain()->count.Get(), 2);
  const Proxy<Counter> pending = counter.remote->Chain();
  EXPECT_EQ(*counter.remote->count, 2) << "not evaluated yet";
  EXPECT_THAT(Print(pending), HasSubstr("<Remote app::Counter (?.Chain()) pid="));
  const Proxy<Counter> sent = pending.Get();
  EXPECT_EQ(*counter.remote->count, 3);
  EXPECT_EQ(Print(sent), Print(counter.remote));
  EXPECT_EQ(*sent.Get()->count, 3) << "once";
}

TEST(ProxyTest, IsAMemberOfItsOwnClass) {
  lab::Robot robot;
  Forked worker([&] { robot.Run(); });
  robot.remote.WaitUntilListening(worker);
  EXPECT_EQ(robot.remote->Walk(3), 3);
  EXPECT_EQ(robot.WalkThere(2), 5);
  robot.remote->stop = true;
  EXPECT_EQ(worker.Wait(), 0);
  EXPECT_EQ(robot.steps, 0);
}

TEST(ProxyTest, WhatAMethodGivesBackIsAProxy) {
  lab::Robot robot;
  Forked worker([&] { robot.Run(); });
  robot.remote.WaitUntilListening(worker);
  const Proxy<lab::Robot> kept = robot.remote->Turn();
  EXPECT_EQ(kept.listener_pid(), worker.pid());
  kept.WaitUntilListening(worker);
  EXPECT_EQ(kept.PassTo([](lab::Robot& there) { return there.steps; }), 1);
  EXPECT_EQ(kept->Turn()->Walk(1), 3);
  EXPECT_EQ(Print(kept), Print(robot.remote));
  {
    ProcessAttachments attachments;
    Pack(kept, attachments);
    EXPECT_EQ(attachments.descriptors().size(), 1u) << "an argument of another process";
    EXPECT_THROW(PackValue([&](ValueWriter out) { Encode(kept->Turn.Lazy(), out); }, attachments),
                 BadValue);
  }
  EXPECT_EQ(kept.Timeout(absl::Seconds(100))->Walk(1), 4);
  EXPECT_THROW(kept.Timeout(absl::ZeroDuration())->Walk(1), DeadlineExceeded);
  robot.remote->stop = true;
  EXPECT_EQ(worker.Wait(), 0);
}

TEST(ProxyTest, PassesAFunctionByItsName) {
  lab::Robot robot;
  robot.steps = 3;
  auto listening = robot.remote.Listen();
  EXPECT_EQ(robot.remote.PassTo(lab::StepsTimes, 5), 15);
  EXPECT_EQ(robot.remote.PassTo(&lab::StepsTimes, 5), 15);
}

TEST(ProxyTest, HasDefaultValuesWhereNobodyListens) {
  lab::Robot robot;
  robot.steps = 7;
  const Proxy remote(robot, {.default_values = true});
  EXPECT_EQ(*remote->steps, 0);
  EXPECT_EQ(remote->steps.GetOr(9), 9) << "one of its own comes first";
  EXPECT_EQ(remote->steps.GetOrLocal(), 7);
  EXPECT_EQ(remote->steps.TryGet().value(), 0);
  EXPECT_EQ(remote->Walk(3), 0);
  EXPECT_EQ(*remote->Turn()->steps, 0);
  remote->steps = 5;
  EXPECT_FALSE(remote->steps.Exists());
  EXPECT_EQ(remote.PassTo(lab::StepsTimes, 2), 0);
  EXPECT_EQ(remote.Attrs("steps").Get<int>(), 0);
  EXPECT_THROW(remote->Walk.Async(3).Get(), NotListening);
  Forked worker([&] {
    auto listening = remote.Listen();
    remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(worker);
  EXPECT_EQ(*remote->steps, 7);
}

TEST(ProxyTest, TriesToWaitForAListener) {
  lab::Robot robot;
  EXPECT_EQ(robot.remote.TryWaitUntilListening(absl::ZeroDuration()).code(),
            absl::StatusCode::kDeadlineExceeded);
  Forked ended([] {});
  EXPECT_EQ(robot.remote.TryWaitUntilListening(ended).code(), absl::StatusCode::kAborted);
  auto listening = robot.remote.Listen();
  EXPECT_TRUE(robot.remote.TryWaitUntilListening(absl::Seconds(100)).ok());
  EXPECT_TRUE(robot.remote.TryWaitUntilListening().ok());
}

TEST(ProxyTest, AnErrorIsNotHiddenByAnArgumentThatCannotBePrinted) {
  lab::Taker taker;
  Proxy remote(taker);
  Forked worker([&] {
    auto listening = remote.Listen();
    pause();
  });
  remote.WaitUntilListening(worker);
  try {
    remote->Take.Timeout(absl::Milliseconds(1))(lab::Once());
    FAIL();
  } catch (const DeadlineExceeded& e) {
    EXPECT_THAT(e.what(), HasSubstr("(lab::Taker.Take(<lab::Once>)): "));
  }
  auto future = remote->Take.Async(lab::Once());
  EXPECT_THROW(future.Get(absl::Milliseconds(1)), DeadlineExceeded);
  worker.Kill();
  try {
    future.Get();
    FAIL();
  } catch (const ListenerDied& e) {
    EXPECT_THAT(e.what(), HasSubstr("(lab::Taker.Take(<lab::Once>)): "));
  } catch (const NotListening&) {  // The listener had not begun with the call.
  }
}

TEST(ProxyTest, OnlyOneProcessListens) {
  Remote<Counter> counter;
  EXPECT_THROW(auto listening = counter.remote.Listen(), std::logic_error);
}

// Clients call while the listener opens and closes: each call is answered, or was not evaluated.
void CallWhileClosing(bool fulfill) {
  int open_for_good[2];
  ASSERT_EQ(pipe(open_for_good), 0);
  Counter counter;
  Proxy remote(counter, {.fulfill_final = fulfill});
  Forked owner([&] {
    for (int round = 0; round < 100; ++round) {
      auto listening = remote.ListenInBackground();
      absl::SleepFor(absl::Milliseconds(1));
    }
    auto listening = remote.ListenInBackground();
    if (write(open_for_good[1], "x", 1) != 1) throw std::runtime_error("write");
    WaitUntilStopped(counter, remote);
  });
  remote.WaitUntilListening(owner);
  int answered = 0;
  for (int i = 0; i < 20000; ++i) {
    try {
      remote->Inc();
      ++answered;
    } catch (const NotListening&) {
    }
  }
  close(open_for_good[1]);
  char byte;
  EXPECT_EQ(read(open_for_good[0], &byte, 1), 1);
  close(open_for_good[0]);
  EXPECT_EQ(*remote->count, answered);
  EXPECT_GT(answered, 0);
  remote->stop = true;
  EXPECT_EQ(owner.Wait(), 0);
}

TEST(ProxyTest, LosesNoCallerWhenItClosesAndFulfills) { CallWhileClosing(true); }
TEST(ProxyTest, LosesNoCallerWhenItClosesAndRefuses) { CallWhileClosing(false); }

}  // namespace
}  // namespace remoteobj
