// SPDX-License-Identifier: MIT
//
// A user's code with managers and the one include, as it is written in the documents.
#include <signal.h>
#include <unistd.h>

#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/remoteobj.h"

struct Job {
  int number = 0;
  std::string what;
};
REMOTEOBJ_DESCRIBE(Job, number, what)

struct Foo {
  std::string bar() { return "bar"; }
  std::string baz() { return "baz"; }
};
REMOTEOBJ_DESCRIBE(Foo, bar, baz)

int gate[2];  // A pipe.

struct Service {
  void Late(const remoteobj::Proxy<Foo>&) {
    char c;
    while (read(gate[0], &c, 1) < 0) {
    }
  }
  void Die(const remoteobj::Proxy<Foo>&) { raise(SIGKILL); }
};
REMOTEOBJ_DESCRIBE(Service, Late, Die)

namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

int Square(int x) { return x * x; }

TEST(FacadeTest, SharedObjects) {
  remoteobj::Manager manager;
  auto d = manager.Dict<std::string, int>();
  d["a"] = 1;
  int one = *d["a"];
  EXPECT_EQ(one, 1);
  EXPECT_TRUE(d->contains("a"));
  d->update({{"b", 2}});
  EXPECT_EQ(d->size(), 2u);
  EXPECT_THAT(d->keys(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(d->pop("b"), 2);
  d["a"] += 1;
  EXPECT_EQ(*d["a"], 2);

  auto q = manager.Queue<Job>(/*maxsize=*/10);
  q->put({1, "sweep"});
  EXPECT_EQ(q->get().what, "sweep");
  EXPECT_THROW(q->get(absl::Milliseconds(1)), remoteobj::QueueEmpty);
  for (int i = 0; i < 10; ++i) q->put({i, "wait"});
  EXPECT_THROW(q->put({10, "too many"}, absl::Milliseconds(1)), remoteobj::QueueFull);

  auto lock = manager.Lock();
  remoteobj::Process other([&] {
    for (int i = 0; i < 100; ++i) {
      std::scoped_lock guard(lock);
      d["a"] = *d["a"] + 1;
    }
  });
  for (int i = 0; i < 100; ++i) {
    std::scoped_lock guard(lock);
    d["a"] = *d["a"] + 1;
  }
  other.Join();
  EXPECT_EQ(*d["a"], 202);

  EXPECT_EQ(manager.Pool(2)->map(Square, std::vector{1, 2, 3}), (std::vector<int>{1, 4, 9}));
}

TEST(FacadeTest, CustomTypes) {
  remoteobj::Manager custom;
  custom.Register<Foo>("Foo", {.exposed = {"bar"}});
  custom.Start();
  auto foo = custom.Create<Foo>("Foo");
  EXPECT_EQ(foo->bar(), "bar");
  EXPECT_THROW(foo->baz(), remoteobj::NotExposed);
}

TEST(FacadeTest, OneServesAndOthersUse) {
  const std::string key = "32 random bytes, not a password";
  remoteobj::Manager here("tcp:127.0.0.1:0", {.authkey = key});
  here.Start();
  here.Publish("jobs", here.Queue<std::string>());

  EXPECT_THROW(remoteobj::Manager::Connect(here.address(), {.authkey = "another"}),
               remoteobj::AuthenticationError);
  auto there = remoteobj::Manager::Connect(here.address(), {.authkey = key});
  auto queue = there.Get<remoteobj::Queue<std::string>>("jobs");
  queue->put("sweep");
  EXPECT_EQ(here.Get<remoteobj::Queue<std::string>>("jobs")->get(), "sweep");
}

TEST(FacadeTest, AnErrorIsNotHiddenByAProxyAmongTheArguments) {
  ASSERT_EQ(pipe(gate), 0);
  remoteobj::Manager manager;
  manager.Register<Service>("Service");
  manager.Start();
  auto service = manager.Create<Service>("Service");
  Foo foo;
  remoteobj::Proxy<Foo> remote(foo);
  auto listening = remote.ListenInBackground();
  try {
    service->Late.Timeout(absl::Milliseconds(50))(remote);
    FAIL();
  } catch (const remoteobj::DeadlineExceeded& e) {
    EXPECT_THAT(e.what(), HasSubstr("(Service.Late(<remoteobj::Proxy<Foo>>)): "));
  }
  EXPECT_EQ(write(gate[1], "", 1), 1);
  EXPECT_THROW(service->Die(remote), remoteobj::ListenerDied);
  EXPECT_THROW(service->Die(remote), remoteobj::NotListening);
}

}  // namespace
