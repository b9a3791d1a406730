// SPDX-License-Identifier: MIT
//
// What a manager does to the signals and limits of the program that has it, and what signals do to
// a manager.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/testing/forked.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;

constexpr std::array kSignals = {SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD, SIGINT, SIGTERM, SIGHUP};

void Nothing(int) {}

// The handlers of this process, and what this thread blocks.
std::string Signals() {
  std::string text;
  for (const int number : kSignals) {
    struct sigaction action = {};
    sigaction(number, nullptr, &action);
    text += action.sa_handler == SIG_IGN ? 'i' : action.sa_handler == SIG_DFL ? 'd' : 'h';
  }
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  for (const int number : kSignals) text += sigismember(&blocked, number) == 1 ? 'b' : '-';
  return text;
}

rlim_t MostDescriptors() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

TEST(SignalsTest, AProgramThatServesKeepsItsHandlersAndItsLimitOfDescriptors) {
  Forked program([] {
    signal(SIGUSR1, &Nothing);
    signal(SIGPIPE, &Nothing);
    const std::string before = Signals();
    rlimit files = {};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 256;
    setrlimit(RLIMIT_NOFILE, &files);
    std::atomic<bool> serves = false;
    Manager manager("", {.on_serving = [&](const std::string&) { serves = true; }});
    std::string of_the_thread;
    std::thread server([&] {
      manager.ServeForever();
      of_the_thread = Signals();
    });
    while (!serves) absl::SleepFor(absl::Milliseconds(1));
    Manager client = Manager::Connect(manager.address());
    client.Dict<int, int>()[1] = 1;
    EXPECT_EQ(Signals(), before);
    EXPECT_EQ(MostDescriptors(), 256u);
    manager.Stop();
    server.join();
    EXPECT_EQ(of_the_thread, before);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  });
  EXPECT_EQ(program.Wait(), 0);
}

TEST(SignalsTest, ASignalToTheProcessGroupDoesNotEndTheManagerBeforeItsProgram) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Forked program([number] {
      setpgid(0, 0);
      signal(number, &Nothing);
      Manager manager;
      auto dict = manager.Dict<std::string, int>({{"done", 0}});
      kill(0, number);
      // What the program does as it ends.
      for (int i = 0; i < 100; ++i) dict["done"] += 1;
      const bool well = *dict["done"] == 100;
      manager.Shutdown();
      _exit(well ? 0 : 1);
    });
    EXPECT_EQ(program.Wait(), 0) << strsignal(number);
  }
}

}  // namespace
}  // namespace remoteobj
