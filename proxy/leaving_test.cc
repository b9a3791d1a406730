// SPDX-License-Identifier: MIT
//
// Methods that do not return as others do: the thread ends in them, or a forked child comes out.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/proxy/batch.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/errors.h"

namespace lab {

struct Service {
  int Inc() { return ++count; }
  void Exit() { pthread_exit(nullptr); }
  void CancelItself() {
    pthread_cancel(pthread_self());
    pthread_testcancel();
  }
  int Fork() {
    const pid_t child = fork();
    if (child == 0) return 111;
    waitpid(child, nullptr, 0);
    return 222;
  }
  int ForkAndThrow() {
    const pid_t child = fork();
    if (child == 0) throw std::runtime_error("the child's");
    waitpid(child, nullptr, 0);
    return 333;
  }
  int count = 0;
};
REMOTEOBJ_DESCRIBE(Service, Inc, Exit, CancelItself, Fork, ForkAndThrow, count)

}  // namespace lab

namespace remoteobj {
namespace {

using lab::Service;
using remoteobj_testing::Forked;
using testing::HasSubstr;

class LeavingTest : public testing::Test {
 protected:
  // Expects that `call` throws since the thread that served it has ended.
  template <typename F>
  static void ExpectThreadEnded(F&& call) {
    try {
      call();
      FAIL() << "the call returned";
    } catch (const ListenerDied& e) {
      EXPECT_TRUE(e.evaluating());
      EXPECT_THAT(e.what(), HasSubstr("the thread that evaluated the call has ended"));
    }
  }

  Service service_;
  Proxy<Service> remote_{service_};
};

// It ended by SIGSEGV.
TEST_F(LeavingTest, AMethodEndsTheBackgroundThread) {
  Forked owner([&] {
    for (;;) {
      const auto listening = remote_.ListenInBackground();
      remoteobj_testing::Eventually("nobody listens", [&] { return !remote_.listening(); });
    }
  });
  // By the next listener: the thread that ends refuses what comes before it has closed.
  const auto by_the_next = [&](const auto& call) {
    for (;;) {
      remote_.WaitUntilListening(owner);
      try {
        return call();
      } catch (const NotListening&) {
      }
    }
  };
  for (int round = 0; round < 3; ++round) {
    ExpectThreadEnded(
        [&] { by_the_next([&] { round % 2 == 0 ? remote_->Exit() : remote_->CancelItself(); }); });
  }
  EXPECT_EQ(by_the_next([&] { return remote_->Inc(); }), 1);
}

TEST_F(LeavingTest, AMethodEndsAThreadThatPolls) {
  Forked owner([&] {
    std::thread thread([&] {
      const auto listening = remote_.Listen();
      for (;;) remote_.Poll(absl::InfiniteDuration());
    });
    thread.join();
    if (remote_.listening()) throw std::logic_error("it listens, with no thread");
  });
  remote_.WaitUntilListening(owner);
  ExpectThreadEnded([&] { remote_->Exit(); });
  EXPECT_EQ(owner.Wait(), 0);
  EXPECT_THROW(remote_->Inc(), NotListening);
}

TEST_F(LeavingTest, AMethodInABatchEndsTheThread) {
  Forked owner([&] {
    const auto listening = remote_.ListenInBackground();
    pause();
  });
  remote_.WaitUntilListening(owner);
  Batch batch;
  auto before = batch.Call(remote_->Inc);
  auto exit = batch.Call(remote_->Exit);
  auto after = batch.Call(remote_->Inc);
  auto all = batch.Send();
  ExpectThreadEnded([&] { all.Get(); });
  ExpectThreadEnded([&] { before.Get(); });
  ExpectThreadEnded([&] { exit.Get(); });
  ExpectThreadEnded([&] { after.Get(); });
}

// The child answered, too, and went on as the listener.
TEST_F(LeavingTest, AForkedChildDoesNotSpeakForTheListener) {
  Forked owner([&] {
    const auto listening = remote_.Listen();
    for (;;) remote_.Poll(absl::InfiniteDuration());
  });
  remote_.WaitUntilListening(owner);
  EXPECT_EQ(remote_->Fork(), 222);
  EXPECT_EQ(remote_->ForkAndThrow(), 333);
  EXPECT_EQ(remote_->Inc(), 1);
  EXPECT_EQ(remote_.listener_pid(), owner.pid());
}

}  // namespace
}  // namespace remoteobj
