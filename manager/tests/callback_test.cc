// SPDX-License-Identifier: MIT
//
// Objects of clients that the manager's objects call, and what those yield.
#include <signal.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj {

// A client's.
struct Ear {
  int Heard(int x) {
    heard.push_back(x);
    if (x < 0) throw std::out_of_range("negative");
    return static_cast<int>(heard.size());
  }
  int SizeOf(Queue<int> queue) { return static_cast<int>(queue->size()); }
  Queue<int> Same(Queue<int> queue) { return queue; }
  Ear& Itself() { return *this; }
  std::string Kind(int) { return "int"; }
  std::string Kind(const std::string&) { return "text"; }
  std::vector<int> heard = {};
};
REMOTEOBJ_DESCRIBE(Ear, Heard, SizeOf, Same, Itself,
                   (Kind, std::string(int), std::string(const std::string&)), heard)

// A manager's.
struct Radio {
  Radio() = default;
  explicit Radio(Proxy<Ear> first) { Tune(first); }
  void Tune(Proxy<Ear> listener) { listeners.push_back(listener); }
  void TuneOut() { listeners.clear(); }
  int Say(int x) {
    int sum = 0;
    for (const Proxy<Ear>& listener : listeners) sum += listener->Heard(x);
    return sum;
  }
  int Once(Proxy<Ear> listener, int x) { return listener->Heard(x); }
  int Send(Queue<int> queue) { return listeners.front()->SizeOf(queue); }
  Queue<int> SendBack(Queue<int> queue) { return listeners.front()->Same(queue); }
  std::string Kinds() {
    const Proxy<Ear>& ear = listeners.front();
    return ear->Kind(1) + ear->Kind(std::string("x"));
  }
  std::vector<int> AllHeard() {
    listeners.front()->Itself()->Heard(7);
    return *listeners.front()->heard;
  }

  Generator<int> Count(int from, int to) {
    for (; from < to; ++from) {
      yielded = from;
      co_yield from;
    }
  }
  Generator<std::string> Words(std::vector<std::string> words) {
    for (std::string& word : words) co_yield word;
    throw std::runtime_error("no more words");
  }
  Generator<int> Slow() {
    for (int i = 0; i < 3; ++i) {
      if (i == 2) absl::SleepFor(absl::Seconds(2));
      co_yield i;
    }
  }
  Generator<Proxy<Ear>> Listeners() {
    for (const Proxy<Ear>& listener : listeners) co_yield listener;
  }

  std::vector<Proxy<Ear>> listeners = {};
  int yielded = -1;
};
REMOTEOBJ_DESCRIBE(Radio, Tune, TuneOut, Say, Once, Send, SendBack, Kinds, AllHeard, Count, Words,
                   Slow, Listeners, yielded)

// A type on the server's thread, where all would wait for its callback.
struct Impatient {
  int Once(Proxy<Ear> listener, int x) { return listener->Heard(x); }
};
REMOTEOBJ_DESCRIBE(Impatient, Once)

namespace {

using manager_internal::AwaitObjects;
using remoteobj_testing::Eventually;

Manager NewManager(ManagerOptions options = {}) {
  Manager manager(std::move(options));
  manager.Register<Radio>("Radio");
  manager.Register<Radio, Proxy<Ear>>("TunedRadio");
  manager.Register<Impatient>("Impatient", {.run = Run::kInServer});
  manager.Start();
  return manager;
}

// With shared memory and without.
class CallbackTest : public testing::TestWithParam<bool> {
 protected:
  Manager manager_ = NewManager({.shared_memory = GetParam()});
  const Proxy<Radio> radio_ = manager_.Create<Radio>("Radio");
  // Written by another thread, under the proxy's lock.
  std::vector<int> Heard() {
    const std::scoped_lock lock(proxy_);
    return listener_.heard;
  }

  Ear listener_;
  Proxy<Ear> proxy_{listener_};
};
INSTANTIATE_TEST_SUITE_P(Ways, CallbackTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "SharedMemory" : "Socket"; });

TEST_P(CallbackTest, AClientsObjectIsCalled) {
  const auto listening = proxy_.ListenInBackground();
  EXPECT_EQ(radio_->Once(proxy_, 5), 1);
  radio_->Tune(proxy_);
  EXPECT_EQ(radio_->Say(6), 2);
  EXPECT_EQ(radio_->Say(7), 3);
  EXPECT_EQ(radio_->AllHeard(), (std::vector<int>{5, 6, 7, 7}));
  EXPECT_EQ(radio_->Kinds(), "inttext");
  EXPECT_THROW(radio_->Say(-1), std::out_of_range);
  EXPECT_EQ(radio_->Say(8), 6);
}

// The calling process need not have a thread that listens.
TEST_P(CallbackTest, IsCalledWhileItsOwnerWaits) {
  const auto listening = proxy_.Listen();
  EXPECT_EQ(radio_->Once(proxy_, 5), 1);
  EXPECT_EQ(Heard(), std::vector<int>{5});
}

TEST_P(CallbackTest, NobodyListens) {
  EXPECT_THROW(radio_->Once(proxy_, 5), NotListening);
  {
    const auto listening = proxy_.ListenInBackground();
    radio_->Tune(proxy_);
    EXPECT_EQ(radio_->Say(1), 1);
  }
  EXPECT_THROW(radio_->Say(1), NotListening);
  const auto listening = proxy_.ListenInBackground();
  EXPECT_EQ(radio_->Say(1), 2);
}

TEST_P(CallbackTest, AsAnArgumentOfAConstructor) {
  const auto listening = proxy_.ListenInBackground();
  const auto tuned = manager_.Create<Radio>("TunedRadio", proxy_);
  EXPECT_EQ(tuned->Say(3), 1);
}

TEST_P(CallbackTest, ObjectsOfTheManagerGoAlong) {
  const auto listening = proxy_.ListenInBackground();
  radio_->Tune(proxy_);
  const auto queue = manager_.Queue<int>();
  queue->put(1);
  EXPECT_EQ(radio_->Send(queue), 1);
  EXPECT_EQ(radio_->SendBack(queue), queue);
}

TEST_P(CallbackTest, InContainersForOtherClients) {
  const auto listeners = manager_.List<Proxy<Ear>>();
  const Event ready = manager_.Event();
  Process other([&] {
    ready->wait();
    return (*listeners[0])->Heard(9);
  });
  const auto listening = proxy_.ListenInBackground();
  listeners->push_back(proxy_);
  ready->set();
  other.Join();
  EXPECT_EQ(*other.result(), 1);
  EXPECT_EQ(Heard(), std::vector<int>{9});
}

TEST_P(CallbackTest, LeavesNothingBehind) {
  const auto listening = proxy_.ListenInBackground();
  const auto objects = manager_.object_count();
  for (int i = 0; i < 3; ++i) {
    radio_->Tune(proxy_);
    radio_->Tune(proxy_);
    EXPECT_EQ(radio_->Say(1), 4 * i + 3);
    radio_->TuneOut();
    AwaitObjects(manager_, objects);
  }
}

TEST_P(CallbackTest, AClientThatDies) {
  Process client([&] {
    Ear listener;
    const Proxy<Ear> proxy(listener);
    const auto listening = proxy.ListenInBackground();
    radio_->Tune(proxy);
    for (;;) pause();
  });
  Eventually("the client listens",
             [&] { return radio_->Listeners().begin() != std::default_sentinel; });
  EXPECT_EQ(radio_->Say(1), 1);
  client.Kill();
  EXPECT_THROW(
      for (;;) {
        try {
          radio_->Say(1);
        } catch (const ListenerDied&) {  // It was in the middle of it.
        }
      },
      NotListening);
  radio_->TuneOut();
  EXPECT_EQ(radio_->Say(1), 0);
  EXPECT_ANY_THROW(client.Join());
}

TEST_P(CallbackTest, WhereAllWouldWaitItIsAnError) {
  const auto listening = proxy_.ListenInBackground();
  const auto impatient = manager_.Create<Impatient>("Impatient");
  EXPECT_THROW(impatient->Once(proxy_, 1), std::logic_error);
  EXPECT_EQ(radio_->Once(proxy_, 1), 1);
}

// Each of them took a thread of the manager for good; with 64 of them nobody was served any more.
TEST_P(CallbackTest, SeventyThatNeverAnswerLeaveThreadsForOthers) {
  Process hostile([this] {
    Ear deaf;
    Proxy<Ear> proxy{deaf};
    const auto listening = proxy.ListenInBackground();
    const std::scoped_lock never_answers(proxy);
    std::vector<Proxy<Radio>> radios;
    std::vector<Future<int>> calls;
    for (int i = 0; i < 70; ++i) {
      radios.push_back(manager_.Create<Radio>("Radio"));
      calls.push_back(radios.back()->Once.Async(proxy, i));
    }
    for (Future<int>& call : calls) call.Get();
  });
  Eventually("the threads that the client may have wait", [&] {
    return std::ranges::count_if(manager_.Inspect().objects, [](const ObjectInfo& object) {
             return object.type == "remoteobj::Radio" && object.waiting == 1;
           }) == 32;
  });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(manager_.Create<Radio>("Radio")->Say(i), 0);
  hostile.Kill();
}

TEST_P(CallbackTest, OfAnotherManager) {
  Manager other = NewManager();
  const auto listening = proxy_.ListenInBackground();
  const auto radio = other.Create<Radio>("Radio");
  EXPECT_EQ(radio->Once(proxy_, 1) + radio_->Once(proxy_, 1), 3);
  // A proxy of the one can't be called by the other.
  EXPECT_THROW(radio->Send(manager_.Queue<int>()), BadValue);
}

TEST_P(CallbackTest, Yields) {
  std::vector<int> came;
  for (const int x : radio_->Count(0, 1000)) came.push_back(x);
  EXPECT_EQ(came.size(), 1000u);
  EXPECT_EQ(came.back(), 999);

  std::vector<std::string> words;
  const auto run = [&] {
    for (const std::string& word : radio_->Words({"a", "b"})) words.push_back(word);
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(words, (std::vector<std::string>{"a", "b"}));
}

// Values that no client asks for are not made.
TEST_P(CallbackTest, YieldsNoMoreThanIsWanted) {
  const auto objects = manager_.object_count();
  {
    auto count = radio_->Count(0, 1'000'000'000);
    EXPECT_EQ(*radio_->yielded, -1);
    auto at = count.begin();
    for (int i = 0; i < 100; ++i) ++at;
    EXPECT_EQ(*at, 100);
    EXPECT_LT(*radio_->yielded, 1000);
    EXPECT_EQ(manager_.object_count(), objects + 1);
  }
  AwaitObjects(manager_, objects);
}

TEST_P(CallbackTest, WhatIsReadyDoesNotWaitForWhatIsSlow) {
  const Deadline too_late = Deadline::After(absl::Seconds(2));
  auto slow = radio_->Slow();
  auto at = slow.begin();
  EXPECT_EQ(*at, 0);
  ++at;
  EXPECT_EQ(*at, 1);
  // The third takes two seconds: those before came at once.
  EXPECT_FALSE(too_late.expired());
  ++at;
  EXPECT_EQ(*at, 2);
  ++at;
  EXPECT_TRUE(at == std::default_sentinel);
}

// The object lives on as long as its values are wanted.
TEST_P(CallbackTest, YieldsWithoutAProxyOfTheObject) {
  std::optional<Proxy<Radio>> radio = manager_.Create<Radio>("Radio");
  auto count = (*radio)->Count(0, 300);
  auto at = count.begin();
  radio.reset();
  int last = 0;
  for (; at != std::default_sentinel; ++at) last = *at;
  EXPECT_EQ(last, 299);
}

TEST_P(CallbackTest, YieldsReferences) {
  const auto listening = proxy_.ListenInBackground();
  radio_->Tune(proxy_);
  radio_->Tune(proxy_);
  int sum = 0;
  for (const Proxy<Ear>& listener : radio_->Listeners()) sum += listener->Heard(1);
  EXPECT_EQ(sum, 3);
}

TEST_P(CallbackTest, AProcessThatDiesAsItReads) {
  const auto objects = manager_.object_count();
  Process client([&] {
    for (const int x : radio_->Count(0, 1'000'000'000)) {
      if (x == 10) raise(SIGKILL);
    }
  });
  EXPECT_ANY_THROW(client.Join());
  AwaitObjects(manager_, objects);
  EXPECT_EQ(radio_->Say(1), 0);
}

TEST(StreamTest, OnlyObjectsOfManagersYieldToOthers) {
  Radio radio;
  const Proxy<Radio> proxy(radio);
  const auto listening = proxy.ListenInBackground();
  EXPECT_THROW(std::ignore = proxy->Count(0, 1), BadValue);
}

}  // namespace
}  // namespace remoteobj
