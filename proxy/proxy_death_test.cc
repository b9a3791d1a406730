// SPDX-License-Identifier: MIT
//
// Processes that die while they use a proxy: those that are left get the named error, and go on.
//
// Each test runs its rounds, REMOTEOBJ_DEATH_ROUNDS of them if that is set. The injected fault is a
// real SIGKILL, at a point that the processes report through shared memory.
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/internal/faults.h"

namespace lab {

// Counters in memory that the processes of a test share.
struct Board {
  std::atomic<int> evaluating{0};
  std::atomic<int> closing{0};
  std::atomic<int> waiting{0};
  std::atomic<bool> go{false};
};

Board* board = nullptr;

struct Machine {
  int Inc() { return ++count; }
  // Does not return until it may, which is never where the test kills the listener.
  int Wait() {
    ++board->evaluating;
    while (!board->go) absl::SleepFor(absl::Microseconds(50));
    return ++count;
  }
  int count = 0;
  bool stop = false;
};
REMOTEOBJ_DESCRIBE(Machine, Inc, Wait, count, stop)

}  // namespace lab

namespace remoteobj {
namespace {

using remoteobj_testing::OpenDescriptors;

using lab::board;
using lab::Machine;
using remoteobj_testing::Forked;
using testing::HasSubstr;
using transport_internal::FaultPoint;

int Rounds() {
  const char* rounds = std::getenv("REMOTEOBJ_DEATH_ROUNDS");
  return rounds == nullptr ? 20 : std::atoi(rounds);
}

template <typename F>
void Until(F&& condition) {
  remoteobj_testing::Eventually("the next step", condition, absl::Minutes(1),
                                absl::Microseconds(50));
}

void Expect(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

class ProxyDeathTest : public testing::Test {
 protected:
  ProxyDeathTest() {
    void* memory = mmap(nullptr, sizeof(lab::Board), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    board = new (memory) lab::Board;
  }
  ~ProxyDeathTest() override { munmap(board, sizeof *board); }

  // Runs `round`, each time with a board that is clean, and sees that no descriptor is lost.
  template <typename F>
  void InRounds(F&& round) {
    new (board) lab::Board;
    round();
    const int before = OpenDescriptors();
    for (int i = 1; i < Rounds() && !HasFailure(); ++i) {
      SCOPED_TRACE(i);
      new (board) lab::Board;
      round();
    }
    EXPECT_EQ(OpenDescriptors(), before);
  }

  static std::unique_ptr<Forked> Listen(Proxy<Machine>& remote) {
    auto listener = std::make_unique<Forked>([&remote] {
      auto listening = remote.ListenInBackground();
      for (;;) pause();
    });
    remote.WaitUntilListening(*listener);
    return listener;
  }

  // `call`, made in a client, ends because the listener, `pid`, died or was not there any more.
  template <typename F>
  static void ExpectDied(F&& call, pid_t pid, const char* words) {
    try {
      call();
    } catch (const ListenerDied& e) {
      Expect(e.pid() == pid, "another process is said to have died");
      Expect(std::string(e.what()).find(words) != std::string::npos, e.what());
      return;
    } catch (const NotListening& e) {
      Expect(std::string(e.what()).find(words) != std::string::npos, e.what());
      return;
    }
    throw std::logic_error("the call was answered");
  }
};

TEST_F(ProxyDeathTest, TheListenerIsKilledWhileIdle) {
  InRounds([] {
    Machine machine;
    Proxy<Machine> remote(machine);
    auto listener = Listen(remote);
    EXPECT_EQ(remote->Inc(), 1);
    listener->Kill();
    try {
      remote->Inc();
      ADD_FAILURE() << "answered by the dead";
    } catch (const NotListening& e) {  // Also from the call that is the first to notice.
      EXPECT_THAT(e.what(), HasSubstr("(lab::Machine.Inc())"));
    }
    EXPECT_THROW(remote->Inc(), NotListening);
    EXPECT_FALSE(remote.listening());
    EXPECT_EQ(remote->count.GetOr(-1), -1);
    // Until another listens.
    listener = Listen(remote);
    EXPECT_EQ(remote->Inc(), 1);
  });
}

TEST_F(ProxyDeathTest, TheListenerIsKilledWhileItEvaluatesForSeveral) {
  InRounds([] {
    Machine machine;
    Proxy<Machine> remote(machine);
    auto listener = Listen(remote);
    std::vector<std::unique_ptr<Forked>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<Forked>([&remote, pid = listener->pid()] {
        ++board->waiting;
        ExpectDied([&] { remote->Wait(); }, pid, "(lab::Machine.Wait())");
        ExpectDied([&] { remote->Wait(); }, pid, "(lab::Machine.Wait())");
      }));
    }
    Until([] { return board->waiting == 4 && board->evaluating == 1; });
    listener->Kill();
    for (const auto& client : clients) EXPECT_EQ(client->Wait(), 0);
    // All that they held has been given back.
    listener = Listen(remote);
    EXPECT_EQ(remote->Inc(), 1);
  });
}

TEST_F(ProxyDeathTest, TheListenerIsKilledBetweenRequestAndReply) {
  for (const FaultPoint point : {FaultPoint::kListenerTook, FaultPoint::kListenerEvaluated}) {
    static FaultPoint fatal;
    fatal = point;
    SCOPED_TRACE(static_cast<int>(point));
    InRounds([] {
      Machine machine;
      Proxy<Machine> remote(machine);
      Forked listener([&] {
        transport_internal::fault_hook = [](FaultPoint at) {
          if (at == fatal) raise(SIGKILL);
        };
        auto listening = remote.ListenInBackground();
        for (;;) pause();
      });
      remote.WaitUntilListening(listener);
      try {
        const int value = remote->Inc();
        EXPECT_EQ(fatal, FaultPoint::kListenerEvaluated) << "answered, though it died before";
        EXPECT_EQ(value, 1);
      } catch (const ListenerDied& e) {
        EXPECT_EQ(e.pid(), listener.pid());
        EXPECT_TRUE(e.evaluating());
        EXPECT_THAT(e.what(), HasSubstr("(lab::Machine.Inc())"));
      }
      EXPECT_EQ(listener.Wait(), -SIGKILL);
      EXPECT_THROW(remote->Inc(), NotListening);
    });
  }
}

TEST_F(ProxyDeathTest, TheListenerIsKilledWhileItClosesWithSeveralWaiting) {
  for (const bool fulfill : {true, false}) {
    SCOPED_TRACE(fulfill);
    InRounds([fulfill] {
      Machine machine;
      Proxy<Machine> remote(machine, {.fulfill_final = fulfill});
      Forked listener([&] {
        transport_internal::fault_hook = [](FaultPoint at) {
          if (at == FaultPoint::kListenerClosing) raise(SIGKILL);
        };
        auto listening = remote.Listen();  // Nobody serves: all that arrives is there at the close.
        Until([] { return board->waiting == 4; });
        absl::SleepFor(absl::Milliseconds(2));
      });
      remote.WaitUntilListening(listener);
      std::vector<std::unique_ptr<Forked>> clients;
      for (int i = 0; i < 4; ++i) {
        clients.push_back(std::make_unique<Forked>([&remote, pid = listener.pid()] {
          ++board->waiting;
          ExpectDied([&] { remote->Inc(); }, pid, "(lab::Machine.Inc())");
        }));
      }
      for (const auto& client : clients) EXPECT_EQ(client->Wait(), 0);
      EXPECT_EQ(listener.Wait(), -SIGKILL);
      auto next = Listen(remote);
      EXPECT_EQ(remote->Inc(), 1) << "what the dead one left is not evaluated by the next";
    });
  }
}

TEST_F(ProxyDeathTest, TheListenerIsKilledAtAnyMoment) {
  InRounds([] {
    Machine machine;
    Proxy<Machine> remote(machine);
    auto listener = Listen(remote);
    std::vector<std::unique_ptr<Forked>> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(std::make_unique<Forked>([&remote, pid = listener->pid()] {
        ExpectDied(
            [&] {
              for (int last = 0;;) {
                const int value = remote->Inc();
                Expect(value > last, "a reply that belongs to another call");
                last = value;
                ++board->evaluating;
              }
            },
            pid, "(lab::Machine.Inc())");
      }));
    }
    Until([] { return board->evaluating >= 100; });
    listener->Kill();
    for (const auto& client : clients) EXPECT_EQ(client->Wait(), 0);
    EXPECT_THROW(remote->Inc(), NotListening);
  });
}

TEST_F(ProxyDeathTest, AClientIsKilledWhileItsCallIsEvaluated) {
  InRounds([] {
    Machine machine;
    Proxy<Machine> remote(machine);
    auto listener = Listen(remote);
    Forked victim([&remote] { remote->Wait(); });
    Until([] { return board->evaluating == 1; });
    Forked other([&remote] {
      ++board->waiting;
      Expect(remote->Inc() == 2, "the call of the dead client was evaluated once");
    });
    Until([] { return board->waiting == 1; });
    victim.Kill();
    board->go = true;
    EXPECT_EQ(other.Wait(), 0);
    EXPECT_EQ(*remote->count, 2);
    EXPECT_EQ(remote.listener_pid(), listener->pid());
  });
}

TEST_F(ProxyDeathTest, ClientsAreKilledAtAnyMoment) {
  Machine machine;
  Proxy<Machine> remote(machine);
  auto listener = Listen(remote);
  InRounds([&] {
    std::vector<std::unique_ptr<Forked>> victims;
    for (int i = 0; i < 3; ++i) {
      victims.push_back(std::make_unique<Forked>([&remote] {
        for (;;) {
          remote->Inc();
          ++board->evaluating;
        }
      }));
    }
    Until([] { return board->evaluating >= 30; });
    for (const auto& victim : victims) victim->Kill();
    const int count = *remote->count;
    EXPECT_GE(count, 30);
    // More by one, and by what the dead had asked for before they died.
    const int after = remote->Inc();
    EXPECT_GT(after, count);
    EXPECT_LE(after, count + 1 + 3);
  });
}

TEST_F(ProxyDeathTest, TheOwnerIsKilledWithTheLock) {
  InRounds([] {
    Machine machine;
    Proxy<Machine> remote(machine);
    Forked owner([&remote] {
      auto listening = remote.ListenInBackground();
      remote.lock();
      ++board->closing;
      for (;;) pause();
    });
    remote.WaitUntilListening(owner);
    Until([] { return board->closing == 1; });
    Forked client([&remote, pid = owner.pid()] {
      ++board->waiting;
      ExpectDied([&] { remote->Inc(); }, pid, "(lab::Machine.Inc())");
    });
    Until([] { return board->waiting == 1; });
    owner.Kill();
    EXPECT_EQ(client.Wait(), 0);
    auto next = Listen(remote);
    EXPECT_EQ(remote->Inc(), 1) << "the lock was the dead one's own";
  });
}

TEST_F(ProxyDeathTest, WhoWaitsForAListenerIsToldOfItsDeath) {
  InRounds([] {
    Machine machine;
    Proxy<Machine> remote(machine);
    Forked never([] {
      for (;;) pause();
    });
    Forked waiter([&remote, pid = never.pid()] {
      ++board->waiting;
      try {
        remote.WaitUntilListening(pid);
      } catch (const ListenerDied& e) {
        Expect(e.pid() == pid, "another process is said to have died");
        return;
      }
      throw std::logic_error("nobody listened");
    });
    Until([] { return board->waiting == 1; });
    never.Kill();
    EXPECT_EQ(waiter.Wait(), 0);
  });
}

}  // namespace
}  // namespace remoteobj
