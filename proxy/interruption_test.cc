// SPDX-License-Identifier: MIT
//
// Waiting in a proxy is an interruption point of a function that runs for an owner.
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/thread.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/errors.h"

namespace lab {

struct Machine {
  int Slow() {
    for (;;) pause();
  }
  // An interruption of the evaluating thread does not concern the caller.
  int Sleeps() {
    if (begun >= 0 && write(begun, "x", 1) != 1) return -1;
    remoteobj::SleepFor(absl::Milliseconds(300));
    return ++count;
  }
  // Waits for a byte in a pipe.
  int Waits() {
    char byte;
    return read(gate, &byte, 1) == 1 ? ++count : -3;
  }
  int Inc() { return ++count; }
  int count = 0;
  int gate = -1;
  int begun = -1;  // A pipe, told when Sleeps() has begun.
};
REMOTEOBJ_DESCRIBE(Machine, Slow, Sleeps, Waits, Inc, count)

}  // namespace lab

namespace remoteobj {
namespace {

using lab::Machine;

void PollForEver(Proxy<Machine>& remote) {
  const auto listening = remote.Listen();
  for (;;) remote.Poll(absl::InfiniteDuration());
}

struct Case {
  const char* name;
  std::function<void(Proxy<Machine>&)> wait;
  bool listened = true;  // By another process, which never answers.
  bool sleeps = true;
};

const Case kCases[] = {
    {"ACall", [](Proxy<Machine>& remote) { remote->Slow(); }},
    {"AFuture", [](Proxy<Machine>& remote) { remote->Slow.Async().Get(); }},
    {"WaitingForAListener", [](Proxy<Machine>& remote) { remote.WaitUntilListening(); }, false},
    {"Poll", &PollForEver, false},
    {"ProcessRequests",
     [](Proxy<Machine>& remote) {
       auto listening = remote.Listen();
       for (;;) remote.ProcessRequests();
     },
     false, /*sleeps=*/false},
};

// The thread stores its id when it begins.
void AwaitAsleep(const std::atomic<pid_t>& thread) {
  remoteobj_testing::Eventually("the thread has begun", [&] { return thread != 0; });
  remoteobj_testing::AwaitAsleep(thread);
}

class InterruptionTest : public testing::TestWithParam<Case> {};

TEST_P(InterruptionTest, EndsTheWait) {
  Machine machine;
  Proxy<Machine> remote(machine);
  std::optional<Process<>> listener;
  if (GetParam().listened) {
    listener.emplace([&] {
      auto listening = remote.ListenInBackground();
      for (;;) pause();
    });
    remote.WaitUntilListening(*listener);
  }
  for (const bool stop : {true, false}) {
    Process waiting([&] { GetParam().wait(remote); });
    if (GetParam().sleeps) {
      remoteobj_testing::AwaitAsleep(waiting.pid());
    } else {
      remote.WaitUntilListening(waiting);
    }
    if (stop) {
      waiting.RequestStop();
      EXPECT_TRUE(waiting.Join());
      EXPECT_EQ(waiting.exit_code(), 0);
    } else {
      waiting.Throw(std::out_of_range("stop it"));
      EXPECT_THROW(waiting.Join(), std::out_of_range);
    }
  }
  if (listener) listener->Kill();
}

INSTANTIATE_TEST_SUITE_P(Waits, InterruptionTest, testing::ValuesIn(kCases),
                         [](const auto& wait) { return wait.param.name; });

TEST(ProxyInterruptionTest, IsNotWhatACallerGets) {
  int begun[2];
  ASSERT_EQ(pipe(begun), 0);
  Machine machine;
  machine.begun = begun[1];
  Proxy<Machine> remote(machine);
  Process listener([&] {
    auto listening = remote.Listen();
    remote.Poll(absl::InfiniteDuration());
    remote.Poll(absl::InfiniteDuration());
  });
  remote.WaitUntilListening(listener);
  auto call = remote->Sleeps.Async();
  char byte;
  ASSERT_EQ(read(begun[0], &byte, 1), 1);
  listener.Throw(std::out_of_range("for the listener"));
  EXPECT_EQ(call.Get(), 1);
  EXPECT_THROW(listener.Join(), std::out_of_range);
  for (const int fd : begun) close(fd);
}

// The listener goes on with the call, in its slot, which is no one else's until it has.
TEST(ProxyInterruptionTest, AnInterruptedFutureDoesNotGiveItsSlotAway) {
  Machine machine;
  Proxy<Machine> remote(machine);
  Process listener([&] { PollForEver(remote); });
  remote.WaitUntilListening(listener);
  std::atomic<pid_t> thread{0};
  Thread waiting([&] {
    thread = gettid();
    try {
      remote->Sleeps.Async().Get();
    } catch (const std::out_of_range&) {
    }
    return remote->Inc.Async().Get();
  });
  AwaitAsleep(thread);
  waiting.Throw(std::out_of_range("stop it"));
  waiting.Join();
  EXPECT_EQ(waiting.result(), 2) << "each call was evaluated once";
  listener.Kill();
}

// It is told from an error of the call, although it is of the same type.
TEST(ProxyInterruptionTest, ACallErrorThatTheOwnerThrowsIsNotTheOutcomeOfACall) {
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  Machine machine{.gate = gate[0]};
  Proxy<Machine> remote(machine);
  Process listener([&] { PollForEver(remote); });
  remote.WaitUntilListening(listener);
  absl::Notification sent;
  Thread waiting([&] {
    Future<int> waited = remote->Waits.Async();
    sent.Notify();
    try {
      waited.Get();
      return -1;
    } catch (const DeadlineExceeded& e) {
      if (std::string(e.what()) != "thrown by the owner") return -2;
    }
    return write(gate[1], "", 1) == 1 ? waited.Get() : -4;
  });
  sent.WaitForNotification();
  waiting.Throw(DeadlineExceeded("thrown by the owner"));
  EXPECT_EQ(waiting.Get(), 1);
  listener.Kill();
  close(gate[0]);
  close(gate[1]);
}

// The call's slot was released, so the outcome was lost.
TEST(ProxyInterruptionTest, ANotListeningThatTheOwnerThrowsWasTakenForTheOutcomeOfACall) {
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  Machine machine{.gate = gate[0]};
  Proxy<Machine> remote(machine);
  Process listener([&] { PollForEver(remote); });
  remote.WaitUntilListening(listener);
  std::atomic<pid_t> thread{0};
  Thread waiting([&] {
    Future<int> waited = remote->Waits.Async();
    thread = gettid();
    try {
      waited.Get();
      return -1;
    } catch (const NotListening& e) {
      if (std::string(e.what()) != "thrown by the owner") return -2;
    }
    return write(gate[1], "", 1) == 1 ? waited.Get() : -4;
  });
  AwaitAsleep(thread);
  waiting.Throw(NotListening("thrown by the owner"));
  EXPECT_EQ(waiting.Get(), 1);
  listener.Kill();
  close(gate[0]);
  close(gate[1]);
}

// Nor does a thread that is interrupted take it from others that wait for the same batch.
TEST(ProxyInterruptionTest, AnInterruptedFutureCanBeGotAgain) {
  Machine machine;
  Proxy<Machine> remote(machine);
  Process listener([&] { PollForEver(remote); });
  remote.WaitUntilListening(listener);
  Batch batch;
  Future<int> slept = batch.Call(remote->Sleeps);
  Future<int> count = batch.Call(remote->Inc);
  Future<void> all = batch.Send();
  std::array<std::atomic<pid_t>, 2> threads{};
  const auto wait = [](auto& future, std::atomic<pid_t>& thread) {
    return [&future, &thread] {
      thread = gettid();
      try {
        future.Get();
        return false;
      } catch (const std::out_of_range&) {
        return true;
      }
    };
  };
  // One of the two waits for the outcome, the other one for the first.
  Thread first(wait(slept, threads[0]));
  Thread second(wait(all, threads[1]));
  for (const std::atomic<pid_t>& thread : threads) AwaitAsleep(thread);
  first.Throw(std::out_of_range("stop it"));
  second.Throw(std::out_of_range("stop it"));
  first.Join();
  second.Join();
  EXPECT_EQ(first.result(), true);
  EXPECT_EQ(second.result(), true);
  EXPECT_EQ(count.Get(), 2);
  EXPECT_EQ(slept.Get(), 1);
  all.Get();
  listener.Kill();
}

TEST(ProxyInterruptionTest, OfAThread) {
  Machine machine;
  Proxy<Machine> remote(machine);
  Process listener([&] {
    auto listening = remote.ListenInBackground();
    for (;;) pause();
  });
  remote.WaitUntilListening(listener);
  std::atomic<pid_t> thread{0};
  Thread waiting([&] {
    thread = gettid();
    remote->Slow();
  });
  AwaitAsleep(thread);
  waiting.RequestStop();
  EXPECT_TRUE(waiting.Join());
  listener.Kill();
}

}  // namespace
}  // namespace remoteobj
