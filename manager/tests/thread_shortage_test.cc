// SPDX-License-Identifier: MIT
//
// A manager that can begin no further thread for a while (a container's limit of pids, say).
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include <atomic>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"

namespace {
std::atomic<bool> no_threads = false;
}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
  static const auto real =
      reinterpret_cast<decltype(&pthread_create)>(dlsym(RTLD_NEXT, "pthread_create"));
  return no_threads ? EAGAIN : real(thread, attributes, start, argument);
}

namespace remoteobj {
namespace {

// In the manager's process.
absl::Notification gate;
std::atomic<int> at_gate = 0, destroyed = 0;

// Its methods are called on threads.
struct Thing {
  ~Thing() { ++destroyed; }
  int Inc() { return ++count; }
  void AwaitGate() {
    ++at_gate;
    gate.WaitForNotification();
  }
  Generator<int> Numbers() {
    for (int i = 0; i < 3; ++i) co_yield i;
  }
  int count = 0;
};

// Its methods are called where the manager serves everybody.
struct Control {
  void SetNoThreads(bool set) { no_threads = set; }
  void OpenGate() { gate.Notify(); }
  int AtGate() { return at_gate; }
  int Destroyed() { return destroyed; }
};

}  // namespace
REMOTEOBJ_DESCRIBE(Thing, Inc, AwaitGate, Numbers, count)
REMOTEOBJ_DESCRIBE(Control, SetNoThreads, OpenGate, AtGate, Destroyed)
namespace {

using remoteobj_testing::Eventually;

class ThreadShortageTest : public testing::TestWithParam<bool> {
 protected:
  ThreadShortageTest() : manager_(ManagerOptions{.shared_memory = GetParam()}) {
    manager_.Register<Thing>("Thing");
    manager_.Register<Control>("Control", {.run = Run::kInServer});
    manager_.Start();
    control_.emplace(manager_.Create<Control>("Control"));
  }
  const Proxy<Control>& control() const { return *control_; }
  Proxy<Thing> NewThing() { return manager_.Create<Thing>("Thing"); }

  // From now on no thread is idle, and none can be begun.
  void BeginShortage() {
    do {
      busy_.push_back(NewThing());
      waiting_.push_back(busy_.back()->AwaitGate.Async());
      Eventually("the call has begun",
                 [&] { return control()->AtGate() >= static_cast<int>(waiting_.size()); });
    } while (manager_.Inspect().threads > waiting_.size());
    control()->SetNoThreads(true);
  }
  void OpenGate() {
    control()->OpenGate();
    for (Future<void>& one : waiting_) one.Get();
  }

 private:
  Manager manager_;
  std::optional<Proxy<Control>> control_;
  std::vector<Proxy<Thing>> busy_;
  std::vector<Future<void>> waiting_;
};
INSTANTIATE_TEST_SUITE_P(, ThreadShortageTest, testing::Bool(), [](const auto& info) {
  return info.param ? "SharedMemory" : "SocketsOnly";
});

TEST_P(ThreadShortageTest, WithoutAFirstThreadAnObjectIsRefusedAndLaterMade) {
  control()->SetNoThreads(true);
  EXPECT_THROW(NewThing(), std::system_error);
  control()->SetNoThreads(false);
  EXPECT_EQ(NewThing()->Inc(), 1);
}

TEST_P(ThreadShortageTest, ACallThatIsRefusedIsNotEvaluatedLater) {
  const Proxy<Thing> thing = NewThing();
  BeginShortage();
  EXPECT_THROW(thing->Inc(), std::system_error);
  control()->SetNoThreads(false);
  EXPECT_EQ(thing->Inc(), 1);
  OpenGate();
  EXPECT_EQ(thing->Inc(), 2);
}

TEST_P(ThreadShortageTest, AnObjectThatIsLetGoDoesNotEndTheManagerAndIsDestroyedLater) {
  auto let_go = std::make_optional(NewThing());
  BeginShortage();
  let_go.reset();
  EXPECT_EQ(control()->Destroyed(), 0);
  OpenGate();
  Eventually("the object is destroyed", [&] { return control()->Destroyed() == 1; });
}

TEST_P(ThreadShortageTest, AGeneratorIsRefusedAndAnotherGoesOnLater) {
  const Proxy<Thing> thing = NewThing();
  Generator<int> refused = thing->Numbers(), later = thing->Numbers();
  BeginShortage();
  EXPECT_THROW(refused.begin(), std::system_error);
  control()->SetNoThreads(false);
  int sum = 0;
  for (const int number : later) sum += number;
  EXPECT_EQ(sum, 3);
  OpenGate();
}

}  // namespace
}  // namespace remoteobj
