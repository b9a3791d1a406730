// SPDX-License-Identifier: MIT
//
// A user's code with processes and errors and the one include, as it is written in the documents.
#include <signal.h>

#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/remoteobj.h"

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

int Add(int x, int y) { return x + y; }

remoteobj::Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

void Capture(const std::string& device) {
  for (int frame = 0;; ++frame) {
    if (device.empty()) throw std::invalid_argument("no device");
    remoteobj::SleepFor(absl::Milliseconds(1));
  }
}

void DoInit() { throw std::runtime_error("init"); }
void DoWork() { throw std::out_of_range("work"); }

TEST(FacadeTest, Processes) {
  remoteobj::Process p(Add, 5, 6);  // starts; name "Add-1", counting up by function
  EXPECT_EQ(p.name(), "Add-1");
  p.Join();  // rethrows what the function threw
  int eleven = *p.result();
  EXPECT_EQ(eleven, 11);

  remoteobj::Process g(Range, 4);
  std::vector<int> all;
  for (int i : g.result()) all.push_back(i);
  EXPECT_THAT(all, ElementsAre(0, 1, 2, 3));

  bool stop = false;
  const std::string device = "/dev/video0";
  remoteobj::Process q({.name = "cam",
                        .daemon = false,
                        .timeout = absl::Seconds(50),
                        .raises = false,
                        .on_close = [&] { stop = true; }},
                       Capture, device);
  EXPECT_TRUE(q.alive());
  EXPECT_GT(q.pid(), 0);
  EXPECT_EQ(q.exit_code(), std::nullopt);
  EXPECT_TRUE(q.errors().empty());
  q.Throw(std::runtime_error("stop it"));  // raised in the child at its next interruption point
  q.Join();
  EXPECT_TRUE(stop);
  EXPECT_THROW(q.errors().RaiseAny(), std::runtime_error);
  EXPECT_EQ(q.exit_code(), 1);

  remoteobj::Process asked(Capture, device);
  asked.RequestStop();
  asked.Join();
  remoteobj::Process ended(Capture, device);
  ended.Terminate();
  EXPECT_THROW(ended.Join(), remoteobj::ProcessDied);
  remoteobj::Process killed(Capture, device);
  killed.Kill();
  EXPECT_THROW(killed.Join(), remoteobj::ProcessDied);

  remoteobj::Thread t(Add, 5, 6);  // the same interface on a thread
  t.Join();
  EXPECT_EQ(t.result(), 11);
  for (const bool flag : {false, true}) {
    auto job = remoteobj::Job({.threaded = flag}, Add, 5, 6);
    job.Join();
    EXPECT_EQ(job.result(), 11);
  }
  int sum = 0;
  remoteobj::With(remoteobj::Process(Range, 4), [&](auto& process) {
    for (int i : process.result()) sum += i;
  });
  EXPECT_EQ(sum, 6);
}

struct Deep {
  [[gnu::noinline]] int Recurse(int depth) {
    volatile char buffer[64] = {};
    return depth == 0 ? 0 : Recurse(depth - 1) + buffer[0];
  }
};
REMOTEOBJ_DESCRIBE(Deep, Recurse)

// On the thread that listens, which had no stack for the crash handler.
TEST(FacadeTest, AStackThatOverflowsInACall) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer's own stack overflows first";
#endif
  Deep deep;
  remoteobj::Proxy<Deep> remote(deep);
  remoteobj::Process listener([&] {
    const auto listening = remote.ListenInBackground();
    remoteobj::SleepFor(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(listener);
  EXPECT_THROW(remote->Recurse(1'000'000'000), remoteobj::ListenerDied);
  try {
    listener.Join();
    FAIL();
  } catch (const remoteobj::ProcessDied& e) {
    ASSERT_FALSE(e.stack().empty()) << e.what();
    EXPECT_THAT(e.stack().back(), HasSubstr("Recurse"));
  }
}

TEST(FacadeTest, ErrorsByGroup) {
  remoteobj::Except exc;  // shared with processes forked after this line
  remoteobj::Process p([&] {
    exc({.raises = false}, [&] {                          // the default group
      exc("work", {.raises = false}, [&] { DoWork(); });  // records and swallows
      exc("init", [&] { DoInit(); });                     // records, then lets it propagate
    });
    exc({.raises = false}, [] { throw std::logic_error("the default group's own"); });
  });
  p.Join();
  EXPECT_THROW(exc.RaiseAny("work"), std::out_of_range);
  EXPECT_NO_THROW(exc.RaiseAny("cleanup"));
  EXPECT_THROW(exc.RaiseAny(), std::logic_error);
  EXPECT_THROW(exc.RaiseAny(remoteobj::kDefaultGroup), std::logic_error);
  std::vector<std::string> messages;
  for (const remoteobj::RemoteError& e : exc.All()) {
    messages.push_back(e.group() + ": " + e.message());
  }
  EXPECT_THAT(messages, ElementsAre("work: work", "init: init", ": the default group's own"));
  EXPECT_EQ(exc.Group("work").size(), 1u);
  EXPECT_EQ(exc.Last("work")->message(), "work");
  EXPECT_EQ(exc.First()->message(), "work");
  EXPECT_EQ(exc.First()->pid(), p.pid());
  exc.Log();
  std::ostringstream text;
  text << exc;
  EXPECT_THAT(text.str(), HasSubstr("work"));
  exc.Clear();
  EXPECT_TRUE(exc.empty());

  remoteobj::ExceptFor<std::invalid_argument, std::out_of_range> picky;  // catches only these
  picky({.raises = false}, [] { DoWork(); });
  EXPECT_THROW(picky({.raises = false}, [] { DoInit(); }), std::runtime_error);
  EXPECT_EQ(picky.size(), 1u);

  auto wrapped = exc.Wrap(Add);  // captures exceptions and the return or yielded values
  remoteobj::Process summing([&] { wrapped(5, 6); });
  summing.Join();
  EXPECT_EQ(wrapped.result(), 11);
  auto generated = exc.Wrap(Range);
  remoteobj::Process ranging([&] { generated(3); });
  ranging.Join();
  std::vector<int> all;
  for (int i : generated.result()) all.push_back(i);
  EXPECT_THAT(all, ElementsAre(0, 1, 2));

  remoteobj::LocalExcept local;  // the same interface, no other process involved
  local("work", {.raises = false}, [] { DoWork(); });
  EXPECT_THROW(local.RaiseAny("work"), std::out_of_range);
}

}  // namespace
