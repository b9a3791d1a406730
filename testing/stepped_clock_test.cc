// SPDX-License-Identifier: MIT
//
// Every time-out that a user can give, while somebody steps the wall clock by an hour.
#include "remoteobj/testing/stepped_clock.h"

#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "remoteobj/remoteobj.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/in_process_channel_testing.h"
#include "remoteobj/transport/rpc/rpc_channel_testing.h"
#include "remoteobj/transport/rpc/tls.h"

namespace app {

struct Sleeper {
  int Nap(absl::Duration duration) {
    absl::SleepFor(duration);
    return 1;
  }
  int value = 7;
};
REMOTEOBJ_DESCRIBE(Sleeper, Nap, value)

}  // namespace app

namespace {

using app::Sleeper;
using remoteobj::Batch;
using remoteobj::Deadline;
using remoteobj::DeadlineExceeded;
using remoteobj::Manager;
using remoteobj::ManagerOptions;
using remoteobj::Process;
using remoteobj::Proxy;
using remoteobj::Thread;
using remoteobj_testing::Forked;
using remoteobj_testing::OwnWallClock;
using remoteobj_testing::StepWallClock;

constexpr absl::Duration kLimit = absl::Milliseconds(100);
constexpr absl::Duration kStep = absl::Milliseconds(20);   // When the clock is stepped.
constexpr absl::Duration kEvent = absl::Milliseconds(60);  // When what is waited for comes.
// Longer than any call takes, and no limit.
constexpr absl::Duration kLong = absl::Minutes(10);
constexpr absl::Duration kWatchdog = absl::Seconds(50);

absl::Duration step;  // The step of this row.

// Steps the clock, soon after it is made.
class Step {
 public:
  Step()
      : thread_([] {
          absl::SleepFor(kStep);
          StepWallClock(step);
        }) {}
  ~Step() { thread_.join(); }

 private:
  std::thread thread_;
};

// `wait` gives up after kLimit.
void InVain(const std::function<void()>& wait) {
  const Step stepping;
  const Deadline end = Deadline::After(kLimit);
  wait();
  EXPECT_TRUE(end.expired()) << "it did not wait for as long as it was told";
}

// `wait` has what it waits for before its limit, which is kLong.
void InTime(const std::function<void()>& wait) {
  const Step stepping;
  const Deadline end = Deadline::After(kLong);
  wait();
  EXPECT_FALSE(end.expired());
}

// Another process that listens. The proxy of a row is one of its own, for the row is a process.
struct Listening {
  Sleeper object;
  Proxy<Sleeper> remote{object};
  Process<void> worker{{.daemon = true, .raises = false}, [this] {
                         const auto listening = remote.Listen();
                         for (;;) remote.Poll(absl::InfiniteDuration());
                       }};
  Listening() { remote.WaitUntilListening(worker); }
  ~Listening() { worker.Kill(); }
};

ManagerOptions SharedMemory() { return {}; }
ManagerOptions Socket() { return {.shared_memory = false}; }

// A listener on which nobody answers.
class Silent {
 public:
  explicit Silent(int family) : fd_(socket(family, SOCK_STREAM, 0)) {
    sockaddr_un path{.sun_family = AF_UNIX, .sun_path = {}};
    sockaddr_in loopback{};
    loopback.sin_family = AF_INET;
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::string name = absl::StrCat("remoteobj-silent-", getpid());
    name.copy(path.sun_path + 1, name.size());
    const bool bound =
        family == AF_UNIX
            ? bind(fd_, reinterpret_cast<sockaddr*>(&path),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())) == 0
            : bind(fd_, reinterpret_cast<sockaddr*>(&loopback), sizeof loopback) == 0;
    if (!bound || listen(fd_, 5) != 0) throw std::runtime_error("a socket that nobody serves");
    socklen_t size = sizeof loopback;
    if (family == AF_INET) getsockname(fd_, reinterpret_cast<sockaddr*>(&loopback), &size);
    address_ = family == AF_UNIX ? absl::StrCat("unix-abstract:", name)
                                 : absl::StrCat("tcp:127.0.0.1:", ntohs(loopback.sin_port));
  }
  ~Silent() { close(fd_); }
  const std::string& address() const { return address_; }

 private:
  const int fd_;
  std::string address_;
};

struct Row {
  const char* name;
  void (*run)();
};

const Row kProxies[] = {
    {"ACallWithATimeout",
     [] {
       Listening there;
       InVain([&] { EXPECT_THROW(there.remote->Nap.Timeout(kLimit)(kLong), DeadlineExceeded); });
     }},
    {"ACallWithATimeoutAsAStatus",
     [] {
       Listening there;
       InVain([&] {
         EXPECT_TRUE(
             absl::IsDeadlineExceeded(there.remote->Nap.Timeout(kLimit).TryCall(kLong).status()));
       });
     }},
    {"AValueWithAFallback",
     [] {
       Listening there;
       const auto busy = there.remote->Nap.Async(kLong);
       InVain(
           [&] { EXPECT_THROW(there.remote->value.Timeout(kLimit).GetOr(0), DeadlineExceeded); });
     }},
    {"ACallThatIsAnsweredInTime",
     [] {
       Listening there;
       InTime([&] { EXPECT_EQ(there.remote->Nap.Timeout(kLong)(kEvent), 1); });
     }},
    {"ACallThatIsEvaluatedAfterTheStep",
     [] {
       Listening there;
       const auto busy = there.remote->Nap.Async(kEvent);
       InTime([&] { EXPECT_EQ(there.remote->Nap.Timeout(kLong)(absl::ZeroDuration()), 1); });
     }},
    {"TheTimeoutOfAProxy",
     [] {
       Sleeper object;
       const Proxy<Sleeper> remote(object, {.timeout = kLimit});
       Process<void> worker({.raises = false}, [&] {
         const auto listening = remote.Listen();
         for (;;) remote.Poll(absl::InfiniteDuration());
       });
       remote.WaitUntilListening(worker);
       InVain([&] { EXPECT_THROW(remote->Nap(kLong), DeadlineExceeded); });
       worker.Kill();
     }},
    {"AFuture",
     [] {
       Listening there;
       auto future = there.remote->Nap.Async(kLong);
       InVain([&] { EXPECT_THROW(future.Get(kLimit), DeadlineExceeded); });
     }},
    {"AFutureOfTwoThreads",
     [] {
       Listening there;
       Batch batch;
       auto slow = batch.Call(there.remote->Nap, kLong);
       auto sent = batch.Send();
       std::thread other([&] { EXPECT_THROW(sent.Get(), remoteobj::ListenerDied); });
       InVain([&] { EXPECT_THROW(slow.Get(kLimit), DeadlineExceeded); });
       there.worker.Kill();
       other.join();
     }},
    {"ABatch",
     [] {
       Listening there;
       Batch batch;
       auto slow = batch.Call(there.remote->Nap, kLong);
       InVain([&] { EXPECT_THROW(batch.Send(kLimit).Get(kLimit), DeadlineExceeded); });
     }},
    {"WaitUntilListening",
     [] {
       Sleeper object;
       const Proxy<Sleeper> remote(object);
       InVain([&] { EXPECT_THROW(remote.WaitUntilListening(kLimit), DeadlineExceeded); });
     }},
    {"WaitUntilListeningOfAProcess",
     [] {
       Sleeper object;
       const Proxy<Sleeper> remote(object);
       Process<void> worker({.raises = false}, [] { absl::SleepFor(kLong); });
       InVain([&] { EXPECT_THROW(remote.WaitUntilListening(worker, kLimit), DeadlineExceeded); });
       worker.Kill();
     }},
    {"Poll",
     [] {
       Sleeper object;
       const Proxy<Sleeper> remote(object);
       const auto listening = remote.Listen();
       InVain([&] { EXPECT_FALSE(remote.Poll(kLimit)); });
     }},
    {"AnInProcessChannel",
     [] {
       const auto channel = remoteobj::InProcessChannel::Create();
       const auto never = [](const remoteobj::RequestReader&, remoteobj::OutcomeWriter&) {};
       InVain([&] { EXPECT_FALSE(channel->WaitUntilListening(Deadline::After(kLimit))); });
       channel->listener().Open();
       InVain([&] { EXPECT_FALSE(channel->listener().Serve(never, Deadline::After(kLimit))); });
       const auto write = [](remoteobj::RequestWriter) {};
       const auto read = [](const remoteobj::OutcomeReader&) {};
       InVain([&] {
         EXPECT_THROW(channel->Call(write, read, Deadline::After(kLimit)), DeadlineExceeded);
       });
     }},
    {"AnRpcChannel",
     [] {
       const auto channel =
           remoteobj::RpcChannel::Create({.address = remoteobj::Address::Parse(absl::StrCat(
                                              "unix-abstract:remoteobj-stepped-", getpid()))});
       const auto never = [](const remoteobj::RequestReader&, remoteobj::OutcomeWriter&) {};
       InVain([&] { EXPECT_FALSE(channel->WaitUntilListening(Deadline::After(kLimit))); });
       channel->listener().Open();
       InVain([&] { EXPECT_FALSE(channel->listener().Serve(never, Deadline::After(kLimit))); });
       channel->listener().Close(remoteobj::Final::kRefuse, never);
     }},
};

const Row kProcesses[] = {
    {"JoinOfAProcess",
     [] {
       Process<void> worker({.raises = false}, [] { absl::SleepFor(kLong); });
       InVain([&] { EXPECT_FALSE(worker.Join(kLimit)); });
       worker.Kill();
     }},
    {"JoinOfAThread",
     [] {
       std::atomic<bool> stop{false};
       Thread worker([&] {
         while (!stop) absl::SleepFor(absl::Milliseconds(1));
       });
       InVain([&] { EXPECT_FALSE(worker.Join(kLimit)); });
       stop = true;
     }},
    {"TheDestructorOfAProcess",
     [] {
       InVain([&] {
         const Process<void> worker({.timeout = kLimit, .raises = false, .grace = kStep},
                                    [] { absl::SleepFor(kLong); });
       });
     }},
    {"TerminateOfAProcess",
     [] {
       Process<void> worker({.raises = false}, [] {
         signal(SIGTERM, SIG_IGN);
         absl::SleepFor(kLong);
       });
       // It may be ended before it ignores the signal.
       const Step stepping;
       worker.Terminate(kLimit);
       EXPECT_FALSE(worker.alive());
     }},
    {"SleepFor", [] { InVain([] { remoteobj::SleepFor(kLimit); }); }},
    {"SleepForInAProcess",
     [] {
       InVain([] {
         Process<void> worker([] { remoteobj::SleepFor(kLimit); });
         worker.Join();
       });
     }},
    {"TheResultsOfAWrap",
     [] {
       const remoteobj::Except except;
       const auto yields = except.Wrap([]() -> remoteobj::Generator<int> {
         co_yield 1;
         absl::SleepFor(kLong);
       });
       Process<void> worker({.raises = false}, [&] { yields(); });
       auto results = yields.result(absl::Minutes(1));
       auto first = results.begin();
       EXPECT_EQ(*first, 1);
       InVain([&] {
         EXPECT_THROW(for ([[maybe_unused]] int value : yields.result(kLimit)){}, DeadlineExceeded);
       });
       worker.Kill();
     }},
};

template <ManagerOptions (*Options)()>
struct OfManagers {
  static constexpr Row kRows[] = {
      {"Get",
       [] {
         Manager manager(Options());
         const auto queue = manager.Queue<int>();
         InVain([&] { EXPECT_THROW(queue->get(kLimit), remoteobj::QueueEmpty); });
       }},
      {"Put",
       [] {
         Manager manager(Options());
         const auto queue = manager.Queue<int>(1);
         queue->put(1);
         InVain([&] { EXPECT_THROW(queue->put(2, kLimit), remoteobj::QueueFull); });
       }},
      {"AnItemThatComesInTime",
       [] {
         Manager manager(Options());
         const auto queue = manager.Queue<int>();
         Process<void> worker([&] {
           absl::SleepFor(kEvent);
           queue->put(5);
         });
         InTime([&] { EXPECT_EQ(queue->get(kLong), 5); });
       }},
      {"JoinOfAQueue",
       [] {
         Manager manager(Options());
         const auto queue = manager.JoinableQueue<int>();
         queue->put(1);
         InVain([&] { EXPECT_FALSE(queue->join(kLimit)); });
       }},
      {"ALock",
       [] {
         Manager manager(Options());
         const auto lock = manager.Lock();
         lock->acquire();
         InVain([&] { EXPECT_FALSE(lock->acquire(kLimit)); });
         InVain([&] { EXPECT_FALSE(lock.try_lock_for(absl::ToChronoNanoseconds(kLimit))); });
         InVain([&] {
           EXPECT_FALSE(lock.try_lock_until(std::chrono::steady_clock::now() +
                                            absl::ToChronoNanoseconds(kLimit)));
         });
       }},
      {"AnRLock",
       [] {
         Manager manager(Options());
         const auto lock = manager.RLock();
         lock->acquire();
         InVain([&] { std::thread([&] { EXPECT_FALSE(lock->acquire(kLimit)); }).join(); });
       }},
      {"ASemaphore",
       [] {
         Manager manager(Options());
         const auto semaphore = manager.Semaphore(0);
         InVain([&] { EXPECT_FALSE(semaphore->acquire(kLimit)); });
       }},
      {"AnEvent",
       [] {
         Manager manager(Options());
         const auto event = manager.Event();
         InVain([&] { EXPECT_FALSE(event->wait(kLimit)); });
       }},
      // Every other call has the manager look for waits whose time is over.
      {"AnEventWhileOthersCall",
       [] {
         Manager manager(Options());
         const auto event = manager.Event();
         const auto dict = manager.Dict<int, int>();
         std::jthread others([&](const std::stop_token& stop) {
           while (!stop.stop_requested()) dict[1] = 1;
         });
         InVain([&] { EXPECT_FALSE(event->wait(kLimit)); });
       }},
      {"ACondition",
       [] {
         Manager manager(Options());
         const auto condition = manager.Condition();
         condition->acquire();
         InVain([&] { EXPECT_FALSE(condition->wait(kLimit)); });
         InVain([&] { EXPECT_FALSE(condition->wait_for([] { return false; }, kLimit)); });
         condition->release();
         InVain([&] {
           condition->acquire();
           std::thread([&] { EXPECT_FALSE(condition->acquire(kLimit)); }).join();
         });
       }},
      {"ABarrier",
       [] {
         Manager manager(Options());
         const auto barrier = manager.Barrier(2);
         InVain([&] { EXPECT_THROW(barrier->wait(kLimit), remoteobj::BrokenBarrier); });
         const auto other = manager.Barrier(2, kLimit);
         InVain([&] { EXPECT_THROW(other->wait(), remoteobj::BrokenBarrier); });
       }},
      {"JoinOfAManager",
       [] {
         Manager manager(Options());
         manager.Start();
         InVain([&] { EXPECT_FALSE(manager.Join(kLimit)); });
       }},
      {"APool",
       [] {
         Manager manager(Options());
         const auto pool = manager.Pool(1);
         const auto nap = [](int) {
           absl::SleepFor(kLong);
           return 1;
         };
         auto one = pool->apply_async(nap, 1);
         auto many = pool->map_async(nap, std::vector{1, 2});
         InVain([&] { EXPECT_THROW(one.Get(kLimit), DeadlineExceeded); });
         InVain([&] { EXPECT_THROW(many.Get(kLimit), DeadlineExceeded); });
         pool->close();
         InVain([&] { EXPECT_FALSE(pool->join(kLimit)); });
       }},
      {"APoolWhoseWorkerDies",
       [] {
         Manager manager(Options());
         const auto pool = manager.Pool(1);
         const auto pid = [] { return static_cast<int>(getpid()); };
         const int first = pool->apply(pid);
         StepWallClock(step);
         kill(first, SIGKILL);
         InTime([&] {
           // A task that the dead one had taken fails.
           for (std::optional<int> second; !second;) {
             try {
               second = pool->apply(pid);
               EXPECT_NE(*second, first);
             } catch (const remoteobj::ListenerDied&) {
             }
           }
         });
       }},
      {"AConnectionThatIsNotAnswered",
       [] {
         const Silent silent(AF_UNIX);
         ManagerOptions options = Options();
         options.connect_timeout = kLimit;
         InVain(
             [&] { EXPECT_THROW(Manager::Connect(silent.address(), options), DeadlineExceeded); });
       }},
      {"ATlsConnectionThatIsNotAnswered",
       [] {
         const Silent silent(AF_INET);
         ManagerOptions options = Options();
         options.connect_timeout = kLimit;
         options.authkey = "a key for this test";
         options.tls = remoteobj::NewTls({});
         InVain(
             [&] { EXPECT_THROW(Manager::Connect(silent.address(), options), DeadlineExceeded); });
       }},
  };
};

// The row in a process, which is killed with its own if it hangs.
void RunRow(void (*row)()) {
  Forked child([&] {
    OwnWallClock();
    StepWallClock(step);  // The wall clock is not the kernel's even when the wait begins.
    row();
    if (testing::Test::HasFailure()) throw std::runtime_error("the row failed");
  });
  siginfo_t ended = {};
  for (const Deadline end = Deadline::After(kWatchdog); ended.si_pid == 0;) {
    if (end.expired()) {
      child.Kill();
      FAIL() << "it hangs";
    }
    absl::SleepFor(absl::Milliseconds(2));
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child.pid()), &ended, WEXITED | WNOHANG | WNOWAIT),
              0);
  }
  EXPECT_EQ(child.Wait(), 0);
}

class SteppedClockTest : public testing::TestWithParam<std::tuple<absl::Duration, Row>> {};

TEST_P(SteppedClockTest, TimeoutsAreByTheMonotonicClock) {
  step = std::get<0>(GetParam());
  RunRow(std::get<1>(GetParam()).run);
}

std::string NameOf(const testing::TestParamInfo<SteppedClockTest::ParamType>& info) {
  const auto& [by, row] = info.param;
  return absl::StrCat(row.name, by > absl::ZeroDuration() ? "AnHourAhead" : "AnHourBack");
}

const auto kSteps = testing::Values(absl::Hours(1), -absl::Hours(1));

INSTANTIATE_TEST_SUITE_P(Proxies, SteppedClockTest,
                         testing::Combine(kSteps, testing::ValuesIn(kProxies)), NameOf);
INSTANTIATE_TEST_SUITE_P(Processes, SteppedClockTest,
                         testing::Combine(kSteps, testing::ValuesIn(kProcesses)), NameOf);
INSTANTIATE_TEST_SUITE_P(ManagersInSharedMemory, SteppedClockTest,
                         testing::Combine(kSteps,
                                          testing::ValuesIn(OfManagers<SharedMemory>::kRows)),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(ManagersOverASocket, SteppedClockTest,
                         testing::Combine(kSteps, testing::ValuesIn(OfManagers<Socket>::kRows)),
                         NameOf);

// Shows that a row can fail.
TEST(SteppedClock, AWaitByTheWallClockIsSeen) {
  step = absl::Hours(1);
  RunRow([] {
    EXPECT_NONFATAL_FAILURE(InVain([] {
                              for (const absl::Time end = absl::Now() + kLimit;
                                   absl::Now() < end;) {
                                absl::SleepFor(absl::Milliseconds(1));
                              }
                            }),
                            "it did not wait");
  });
  step = -absl::Hours(1);
  RunRow([] {
    EXPECT_NONFATAL_FAILURE(InVain([] {
                              bool never = false;
                              absl::Mutex mutex;
                              const absl::MutexLock lock(&mutex);
                              mutex.AwaitWithTimeout(absl::Condition(&never), kLimit);
                            }),
                            "it did not wait");
  });
}

TEST(SteppedClock, TheWallClockIsStepped) {
  Forked child([] {
    OwnWallClock();
    const absl::Time before = absl::Now();
    StepWallClock(-absl::Hours(1));
    if (absl::Now() > before - absl::Minutes(50)) throw std::runtime_error("it is not");
    const auto monotonic = std::chrono::steady_clock::now();
    StepWallClock(absl::Hours(2));
    if (absl::Now() < before + absl::Minutes(50)) throw std::runtime_error("it is not");
    if (std::chrono::steady_clock::now() > monotonic + std::chrono::minutes(50)) {
      throw std::runtime_error("the monotonic clock is stepped, too");
    }
  });
  EXPECT_EQ(child.Wait(), 0);
}

}  // namespace
