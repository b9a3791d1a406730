// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/object_server.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/server/current_call.h"
#include "remoteobj/manager/server/local_channel.h"
#include "remoteobj/manager/server/root.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace remoteobj::manager_internal {

// One waits until another lets it through.
class Gate final : public SharedObject {
 public:
  int pass(absl::Duration timeout) {
    CurrentCall call;
    if (open_ == 0) {
      if (call.timed_out() || timeout <= absl::ZeroDuration()) throw std::runtime_error("closed");
      call.Wait(waiting_, timeout);
    }
    --open_;
    call.LeavesSomething();
    call.IfNotReceived([this] { Open(1); });
    return ++passed_;
  }
  int pass_within(absl::Duration time) {
    CurrentCall call;
    if (open_ == 0 && !call.timed_out()) call.Wait(waiting_, time);
    return open_;
  }
  void open(int times) { Open(times); }
  int gone() const { return gone_; }

  void ClientGone(ClientId) override { ++gone_; }
  std::size_t waiting() const override { return waiting_.size(); }

 private:
  void Open(int times) {
    open_ += times;
    for (int i = 0; i < times; ++i) waiting_.WakeOne();
  }

  int open_ = 0;
  int passed_ = 0;
  int gone_ = 0;
  WaitList waiting_;
};
REMOTEOBJ_DESCRIBE(Gate, pass, pass_within, open, gone)

// Two lists, and a method that changes something before it waits.
class Queues final : public SharedObject {
 public:
  explicit Queues(std::shared_ptr<Entry> other = nullptr) : other_(std::move(other)) {}

  // In the order of which calls pass: those in `first` go on to `second`.
  int pass(int name) {
    CurrentCall call;
    if (!call.memory().has_value()) {
      call.WillWait();
      ++came_;
      call.memory() = 1;
      call.Wait(first_);
    }
    if (!open_) call.Wait(second_);
    passed_.push_back(name);
    if (other_ != nullptr) call.LeavesSomething(other_);
    return name;
  }
  int pass_second(int name) {
    CurrentCall call;
    if (!open_) call.Wait(second_);
    passed_.push_back(name);
    return name;
  }
  void wake_first(int count) {
    for (int i = 0; i < count; ++i) first_.WakeOne();
  }
  // In vain, and for good.
  void wake_second(bool open) {
    open_ = open;
    second_.WakeAll();
  }
  int came() const { return came_; }
  std::vector<int> passed() const { return passed_; }

  std::size_t waiting() const override { return first_.size() + second_.size(); }

 private:
  const std::shared_ptr<Entry> other_;
  int came_ = 0;
  bool open_ = false;
  std::vector<int> passed_;
  WaitList first_;
  WaitList second_;
};
REMOTEOBJ_DESCRIBE(Queues, pass, pass_second, wake_first, wake_second, came, passed)

struct Foo {
  explicit Foo(int start) : value(start) {}
  int Add(int n) { return value += n; }
  int Sleep(int ms) {
    absl::SleepFor(absl::Milliseconds(ms));
    return ms;
  }
  void Fail() { throw std::out_of_range("as told"); }
  int Hidden() { return 0; }
  Foo& Chain() { return *this; }
  const Foo& Other() const {
    static const Foo other(1);
    return other;
  }
  int value;
};
REMOTEOBJ_DESCRIBE(Foo, Add, Sleep, Fail, Hidden, Chain, Other, value)

struct Heir : Foo {
  using Foo::Foo;
  Foo& Base() { return *this; }
};
REMOTEOBJ_DESCRIBE_DERIVED(Heir, (Foo), Base)

namespace {

template <typename T>
RegisteredType TypeFor(std::function<std::shared_ptr<void>(const ListReader&)> make) {
  RegisteredType type{
      .name = TypeName<T>(), .info = &proxy_internal::TypeOf<T>(), .make = std::move(make)};
  if constexpr (std::is_base_of_v<SharedObject, T>) {
    type.shared = [](void* object) -> SharedObject* { return static_cast<T*>(object); };
    type.built_in = true;
  }
  return type;
}

class ObjectServerTest : public testing::Test {
 protected:
  static Registry Types() {
    Registry types;
    types.Add("Gate", TypeFor<Gate>([](const ListReader&) { return std::make_shared<Gate>(); }));
    types.Add("Queues", TypeFor<Queues>([](const ListReader& in) {
                return std::make_shared<Queues>(
                    in.size() == 0
                        ? nullptr
                        : std::dynamic_pointer_cast<Entry>(Decode<Reference>(in[0]).referent));
              }));
    const auto make_foo = [](const ListReader& in) {
      return std::make_shared<Foo>(Decode<int>(in[0]));
    };
    RegisteredType foo = TypeFor<Foo>(make_foo);
    foo.exposed = {"Add", "Sleep", "Fail", "Chain", "Other", "value"};
    types.Add("Foo", foo);
    foo.run = Run::kInServer;
    types.Add("QuickFoo", foo);
    RegisteredType heir = TypeFor<Heir>(
        [](const ListReader& in) { return std::make_shared<Heir>(Decode<int>(in[0])); });
    heir.exposed = {"Base", "value"};
    types.Add("Heir", heir);
    return types;
  }

  Reference Make(const std::string& type_id, const std::string& type, const AnyValue& arguments) {
    return root_->create(type_id, type, arguments);
  }
  Proxy<Gate> MakeGate() {
    return Proxy<Gate>(Make("Gate", TypeName<Gate>(), AnyValue::Of(std::vector<AnyValue>{})));
  }
  Proxy<Foo> MakeFoo(const char* type_id = "Foo") {
    return Proxy<Foo>(Make(type_id, "", AnyValue::Of(std::vector<AnyValue>{AnyValue::Of(10)})));
  }
  void AwaitWaiting(std::size_t count) {
    remoteobj_testing::Eventually(absl::StrCat(count, " calls wait"), [&] {
      std::size_t waiting = 0;
      for (const ObjectInfo& object : root_->inspect().objects) waiting += object.waiting;
      return waiting == count;
    });
  }

  ObjectServer server_{Types()};
  Proxy<Root> root_{Reference{server_.Find(0)}};
};

TEST_F(ObjectServerTest, MakesObjectsAndForgetsThem) {
  EXPECT_EQ(root_->object_count(), 0u);
  {
    const Proxy<Foo> foo = MakeFoo();
    EXPECT_EQ(foo->Add(5), 15);
    EXPECT_EQ(*foo->value, 15);
    foo->value = 1;
    const Proxy<Foo> same = foo;
    EXPECT_EQ(same->Add(1), 2);
    EXPECT_EQ(root_->object_count(), 1u);
  }
  // A thread that has just called it has it for a moment longer.
  remoteobj_testing::Eventually("the objects are gone", [&] { return root_->object_count() == 0; });
  EXPECT_THROW(root_->create("Bar", "", AnyValue::Of(std::vector<AnyValue>{})),
               std::invalid_argument);
  EXPECT_THROW(root_->create("", "", AnyValue::Of(std::vector<AnyValue>{})), std::invalid_argument);
}

// Each was kept until its time was over.
TEST_F(ObjectServerTest, TimersOfCallsThatAreGivenUpAreForgotten) {
  const Proxy<Gate> gate = MakeGate();
  std::vector<Future<int>> calls;
  for (int i = 0; i < 1000; ++i) calls.push_back(gate->pass_within.Async(absl::Hours(1 + i)));
  AwaitWaiting(1000);
  EXPECT_NE(server_.NextTimeout(), Deadline::Never());
  calls.clear();
  AwaitWaiting(0);
  EXPECT_EQ(server_.NextTimeout(), Deadline::Never());
}

TEST_F(ObjectServerTest, ErrorsAreTyped) {
  for (const char* type_id : {"Foo", "QuickFoo"}) {
    const Proxy<Foo> foo = MakeFoo(type_id);
    EXPECT_THROW(foo->Fail(), std::out_of_range);
    EXPECT_THROW(foo->Hidden(), NotExposed);
    EXPECT_THROW(foo.PassTo([](Foo& it) { return it.value; }), BadValue);
    EXPECT_EQ(foo->Add(1), 11);
  }
}

// The chain goes on behind a call's result, as dict.keys().front() does: the manager died of it.
TEST_F(ObjectServerTest, AnEmptyResultHasNoFirstItem) {
  const Proxy<Queues> queues(
      Make("Queues", TypeName<Queues>(), AnyValue::Of(std::vector<AnyValue>{})));
  for (const char* name : {"front", "back", "pop_back"}) {
    const View view = View().GetAttribute("passed").Call().GetAttribute(name).Call();
    EXPECT_THROW(queues.Of(view).Get<int>(), std::out_of_range) << name;
  }
  EXPECT_EQ(queues->came(), 0);
}

// Only the first step of a chain was checked.
TEST_F(ObjectServerTest, WhatIsNotExposedIsNotReachedBehindACall) {
  const auto hidden = [](View view) { return view.GetAttribute("Hidden").Call(); };
  for (const char* type_id : {"Foo", "QuickFoo"}) {
    const Proxy<Foo> foo = MakeFoo(type_id);
    for (const View& view : {View(), View().GetAttribute("Chain").Call(),
                             View().GetAttribute("Chain").Call().GetAttribute("Chain").Call(),
                             View().GetAttribute("Other").Call()}) {
      EXPECT_THROW(foo.Of(hidden(view)).Get<int>(), NotExposed) << view;
      EXPECT_THROW(foo.Of(view.GetAttribute("Hidden")).Exists(), NotExposed) << view;
      EXPECT_GT(foo.Of(view.GetAttribute("value")).Get<int>(), 0) << view;
    }
  }
  const Proxy<Heir> heir(Make("Heir", "", AnyValue::Of(std::vector<AnyValue>{AnyValue::Of(10)})));
  const View base = View().GetAttribute("Base").Call();
  EXPECT_THROW(heir.Of(hidden(base)).Get<int>(), NotExposed);
  EXPECT_EQ(heir.Of(base.GetAttribute("value")).Get<int>(), 10);
}

TEST_F(ObjectServerTest, TakesABatchOfWhatIsExposed) {
  for (const char* type_id : {"Foo", "QuickFoo"}) {
    const Proxy<Foo> foo = MakeFoo(type_id);
    Batch batch;
    Future<int> sum = batch.Call(foo->Add, 5);
    Future<void> fails = batch.Call(foo->Fail);
    batch.Set(foo->value, 1);
    Future<int> again = batch.Call(foo->Add, 1);
    Future<void> all = batch.Send();
    EXPECT_EQ(again.Get(), 2);
    EXPECT_EQ(sum.Get(), 15);
    EXPECT_THROW(fails.Get(), std::out_of_range);
    EXPECT_THROW(all.Get(), std::out_of_range);
    // A method that is not exposed can't be reached behind one that is.
    Future<int> not_done = batch.Call(foo->Add, 1);
    Future<int> hidden = batch.Call(foo->Hidden);
    EXPECT_THROW(batch.Send().Get(), NotExposed);
    EXPECT_THROW(hidden.Get(), NotExposed);
    EXPECT_THROW(not_done.Get(), NotExposed);
    EXPECT_EQ(*foo->value, 2);
  }
}

TEST_F(ObjectServerTest, ABatchKeepsTheOthersWaitingForAWhileOnly) {
  const auto calls = [&](const char* type_id, int count) {
    const Proxy<Foo> foo = MakeFoo(type_id);
    Batch batch;
    for (int i = 0; i < count; ++i) batch.Call(foo->Add, 1);
    Future<int> last = batch.Call(foo->Add, 1);
    batch.Send().Get();
    return last.Get();
  };
  EXPECT_EQ(calls("QuickFoo", 9'999), 10'010);
  EXPECT_THROW(calls("QuickFoo", 10'000), BadValue);
  EXPECT_EQ(calls("Foo", 10'000), 10'011);
}

// A constructor of a user's type runs without the lock, which the other objects of a batch need.
TEST_F(ObjectServerTest, TakesNoBatchThatMakesObjects) {
  Batch batch;
  const auto arguments = AnyValue::Of(std::vector<AnyValue>{AnyValue::Of(1)});
  batch.Call(root_->object_count);
  batch.Call(root_->create, "Foo", "", arguments);
  EXPECT_THROW(batch.Send().Get(), BadValue);

  const Proxy<Gate> gate = MakeGate();
  Future<Reference> made = batch.Call(root_->create, "Foo", "", arguments);
  batch.Call(gate->open, 1);
  EXPECT_THROW(batch.Send().Get(), BadValue);
  EXPECT_THROW(made.Get(), BadValue);
  EXPECT_TRUE(gate->pass(absl::ZeroDuration())) << "the others go on";
  EXPECT_EQ(root_->object_count(), 1u);
}

TEST_F(ObjectServerTest, NamesObjects) {
  const Proxy<Foo> foo = MakeFoo();
  EXPECT_THROW(root_->get("foo"), std::out_of_range);
  const auto arguments = AnyValue::Of(std::vector<AnyValue>{AnyValue::Of(1)});
  const Proxy<Foo> other(root_->get_or_create("foo", "Foo", "", arguments));
  const Proxy<Foo> again(root_->get_or_create("foo", "Foo", "", arguments));
  other->value = 77;
  EXPECT_EQ(*again->value, 77);
  EXPECT_EQ(*Proxy<Foo>(root_->get("foo"))->value, 77);
  EXPECT_EQ(root_->names(), std::vector<std::string>{"foo"});
  EXPECT_THROW(Proxy<Gate>(root_->get("foo")), BadValue);
  root_->unpublish("foo");
  EXPECT_THROW(root_->get("foo"), std::out_of_range);
  EXPECT_THROW(root_->unpublish("foo"), std::out_of_range);
}

TEST_F(ObjectServerTest, AGoneObjectIsStale) {
  std::uint64_t id;
  {
    const Reference foo = Make("Foo", "", AnyValue::Of(std::vector<AnyValue>{AnyValue::Of(1)}));
    id = foo.referent->id();
    EXPECT_EQ(server_.Find(id), foo.referent);
  }
  // The thread that has made it has it for a moment longer.
  remoteobj_testing::Eventually("the objects are gone",
                                [&] { return server_.object_count() == 0; });
  EXPECT_THROW(server_.Find(id), StaleReference);
  EXPECT_THROW(server_.Find(id + 1), StaleReference);
}

TEST_F(ObjectServerTest, WaitsWithoutAThread) {
  const Proxy<Gate> gate = MakeGate();
  std::vector<Future<int>> waiting;
  for (int i = 0; i < 100; ++i) waiting.push_back(gate->pass.Async(absl::InfiniteDuration()));
  AwaitWaiting(100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(waiting[i].ready());
    gate->open(1);
    EXPECT_TRUE(waiting[i].ready());
    EXPECT_EQ(waiting[i].Get(), i + 1);
  }
  EXPECT_EQ(root_->inspect().threads, 0u);
}

TEST_F(ObjectServerTest, WaitsNoLongerThanItsTimeout) {
  const Proxy<Gate> gate = MakeGate();
  EXPECT_THROW(gate->pass(absl::ZeroDuration()), std::runtime_error);
  EXPECT_THROW(gate->pass(absl::Milliseconds(5)), std::runtime_error);
  EXPECT_THROW(gate->pass.Timeout(absl::Milliseconds(5))(absl::InfiniteDuration()),
               DeadlineExceeded);
  AwaitWaiting(0);
}

TEST_F(ObjectServerTest, WhatIsNotReceivedComesBack) {
  const Proxy<Gate> gate = MakeGate();
  {
    Future<int> given_up = gate->pass.Async(absl::InfiniteDuration());
    gate->open(1);
    EXPECT_TRUE(given_up.ready());
  }
  EXPECT_EQ(gate->pass(absl::ZeroDuration()), 2);
  // It goes to the waiting call.
  auto given_up = std::make_unique<Future<int>>(gate->pass.Async(absl::InfiniteDuration()));
  Future<int> next = gate->pass.Async(absl::InfiniteDuration());
  gate->open(1);
  EXPECT_FALSE(next.ready());
  given_up.reset();
  EXPECT_EQ(next.Get(), 4);
}

TEST_F(ObjectServerTest, ToldOfClientsThatGo) {
  const Proxy<Gate> gate = MakeGate();
  const ClientId client = server_.AddClient({.pid = 1});
  const auto entry = server_.Find(root_->inspect().objects[0].id);
  const auto channel = NewLocalChannel(server_, *entry, client);
  gate->open(1);
  channel->Call(
      [](RequestWriter request) {
        View().GetAttribute("pass").Call(absl::ZeroDuration()).Write(request.Operations(2));
      },
      [](const OutcomeReader& outcome) { proxy_internal::ThrowIfError(outcome); },
      Deadline::Never());
  EXPECT_EQ(gate->gone(), 0);
  EXPECT_EQ(root_->inspect().clients.size(), 1u);
  server_.RemoveClient(client);
  EXPECT_EQ(gate->gone(), 1);
  server_.RemoveClient(client);
  EXPECT_EQ(gate->gone(), 1);
  EXPECT_EQ(root_->inspect().clients.size(), 0u);
}

TEST_F(ObjectServerTest, WhoWaitsOnKeepsItsPlace) {
  const Proxy<Queues> queues(
      Make("Queues", TypeName<Queues>(), AnyValue::Of(std::vector<AnyValue>{})));
  std::vector<Future<int>> waiting;
  waiting.push_back(queues->pass_second.Async(1));
  for (const int name : {3, 4, 5}) waiting.push_back(queues->pass.Async(name));
  waiting.push_back(queues->pass_second.Async(2));
  // They come to the second list behind the calls that wait there, in their order.
  queues->wake_first(3);
  waiting.push_back(queues->pass_second.Async(6));
  queues->wake_second(/*open=*/false);
  queues->wake_second(/*open=*/false);
  AwaitWaiting(6);
  queues->wake_second(/*open=*/true);
  EXPECT_EQ(queues->passed(), (std::vector<int>{1, 2, 3, 4, 5, 6}));
}

TEST_F(ObjectServerTest, ChangesNothingIfItMayNotWait) {
  const Reference reference =
      Make("Queues", TypeName<Queues>(), AnyValue::Of(std::vector<AnyValue>{}));
  const Proxy<Queues> queues(reference);
  HeapMessage message;
  View().GetAttribute("pass").Call(1).Write(
      transport_internal::RequestOn(message, Deadline::Never()).Operations(2));
  message.Set(1, 0, reference.referent->id());
  auto in = message.Read();
  EXPECT_EQ(server_.TryNow(0, transport_internal::RequestIn(in)), nullptr);
  EXPECT_EQ(queues->came(), 0);
  const Future<int> waiting = queues->pass.Async(1);
  EXPECT_EQ(queues->came(), 1);
}

TEST_F(ObjectServerTest, AnotherObjectIsToldOfClientsThatGo) {
  const Reference gate = Make("Gate", TypeName<Gate>(), AnyValue::Of(std::vector<AnyValue>{}));
  const ClientId client = server_.AddClient({.pid = 1});
  {
    const Proxy<Queues> queues(
        Make("Queues", TypeName<Queues>(), AnyValue::Of(std::vector<Reference>{gate})));
    queues->wake_second(/*open=*/true);
    const auto entry = server_.Find(root_->inspect().objects[1].id);
    const auto channel = NewLocalChannel(server_, *entry, client);
    const auto call = channel->Start(
        [](RequestWriter request) {
          View().GetAttribute("pass").Call(1).Write(request.Operations(2));
        },
        Deadline::Never());
    queues->wake_first(1);
    call->Finish([](const OutcomeReader& outcome) { proxy_internal::ThrowIfError(outcome); },
                 Deadline::Never());
  }
  EXPECT_EQ(Proxy<Gate>(gate)->gone(), 0);
  server_.RemoveClient(client);
  EXPECT_EQ(Proxy<Gate>(gate)->gone(), 1);
}

TEST_F(ObjectServerTest, ASlowObjectStopsNobodyElse) {
  const Proxy<Foo> slow = MakeFoo();
  std::vector<Future<int>> sleeping;
  for (int i = 0; i < 3; ++i) sleeping.push_back(slow->Sleep.Async(30));
  const Proxy<Foo> other = MakeFoo();
  EXPECT_EQ(other->Add(1), 11);
  EXPECT_FALSE(sleeping[2].ready());
  for (Future<int>& one : sleeping) EXPECT_EQ(one.Get(), 30);
}

TEST_F(ObjectServerTest, ManyThreadsAtOnce) {
  const Proxy<Foo> foo = MakeFoo();
  const Proxy<Gate> gate = MakeGate();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        foo->Add(1);
        gate->open(1);
        gate->pass(absl::InfiniteDuration());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*foo->value, 810);
  EXPECT_THROW(gate->pass(absl::ZeroDuration()), std::runtime_error);
}

}  // namespace
}  // namespace remoteobj::manager_internal
