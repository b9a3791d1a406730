// SPDX-License-Identifier: MIT
//
// Processes are killed, at every point that internal/faults.h names and at any instant. Whatever
// dies, the others go on or get the error that says so: no call hangs, is lost, or is evaluated
// twice, and nothing is left behind.
//
// REMOTEOBJ_DEATH_ROUNDS says how often each kind of death is tried. How long it took to notice is
// printed and recorded, not asserted: only a call of more than ten seconds is taken for a hang.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/descriptors.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/shared_memory/internal/spin.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

using remoteobj_testing::OpenDescriptors;

using transport_internal::FaultPoint;
using transport_internal::MonotonicNanos;

constexpr absl::Duration kWatchdog = absl::Seconds(10);
constexpr int kSlotsInAll = 62;

int Rounds() {
  const char* rounds = std::getenv("REMOTEOBJ_DEATH_ROUNDS");
  return rounds == nullptr ? 60 : std::atoi(rounds);
}

Deadline Watchdog() { return Deadline::After(kWatchdog); }

// The outcome that a caller saw.
enum class Told : std::uint8_t {
  kNothing,  // It died before.
  kAnswered,
  kNotListening,
  kDiedBefore,
  kDiedEvaluating,
  kLate,
};

// Every call has a number, and its place here.
constexpr std::uint64_t kMaxCalls = 8 << 20;

struct Ledger {
  std::atomic<bool> stop{false};
  std::atomic<bool> blocked{false};        // The handler waits while it is.
  std::atomic<std::uint64_t> calls{0};     // How many were made.
  std::atomic<std::int64_t> died_at{0};    // By MonotonicNanos.
  std::atomic<std::int64_t> detection{0};  // The longest from a death to ListenerDied.
  std::atomic<std::int64_t> longest{0};    // The longest call.
  std::atomic<std::int64_t> died{0};       // How many callers were told so.
  std::atomic<std::int64_t> failures{0};
  std::atomic<std::int64_t> leaked_descriptors{0};
  std::atomic<std::uint8_t> evaluated[kMaxCalls];
  std::atomic<Told> told[kMaxCalls];
};

void Raise(std::atomic<std::int64_t>& most, std::int64_t value) {
  std::int64_t now = most.load();
  while (value > now && !most.compare_exchange_weak(now, value)) {
  }
}

// The hook kills this process when it comes to a point for the nth time.
struct Fate {
  FaultPoint point;
  std::atomic<int> countdown;
  Ledger* ledger;
};
Fate fate;

void Die() {
  fate.ledger->died_at.store(MonotonicNanos());
  raise(SIGKILL);
}

void DieAt(FaultPoint point, int nth, Ledger& ledger) {
  fate.point = point;
  fate.countdown = nth;
  fate.ledger = &ledger;
  transport_internal::fault_hook = [](FaultPoint here) {
    if (here == fate.point && fate.countdown.fetch_sub(1) == 1) Die();
  };
}

class DeathTest : public testing::Test {
 protected:
  DeathTest() {
    void* memory = mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ledger_ = static_cast<Ledger*>(memory);  // Cleared, which is what it begins as.
    descriptors_ = OpenDescriptors();
  }
  ~DeathTest() override { munmap(ledger_, sizeof(Ledger)); }

  Ledger& ledger() { return *ledger_; }
  SharedMemoryChannel& channel() { return *channel_; }

  static pid_t Fork(const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      body();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "process %d threw: %s\n", getpid(), e.what());
      _exit(1);
    }
    _exit(0);
  }

  // Waits for the end of a child. Its status, or -1 if it had to be killed.
  static int Wait(pid_t pid) {
    int status = -1;
    for (const Deadline end = Deadline::After(2 * kWatchdog); !end.expired();) {
      if (waitpid(pid, &status, WNOHANG) == pid) return status;
      absl::SleepFor(absl::Microseconds(200));
    }
    ADD_FAILURE() << "process " << pid << " hangs";
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return -1;
  }

  static bool WasKilled(int status) {
    return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

  void Handle(const RequestReader& request, OutcomeWriter& outcome) {
    const auto id = Decode<std::uint64_t>(request[0].Arguments()[0]);
    ledger().evaluated[id].fetch_add(1);
    if (id % 16 == 3) absl::SleepFor(absl::Microseconds(200));
    while (ledger().blocked.load() && !ledger().stop.load())
      absl::SleepFor(absl::Microseconds(200));
    if (evaluations_until_death_ != 0 && --evaluations_until_death_ == 0) {
      fate.ledger = ledger_;
      Die();
    }
    outcome.Value().UInt(3 * id);
  }

  // Makes a call and records its outcome. An impatient caller may give up about when the handler
  // evaluates its call.
  Told CallOnce(bool patient = false) {
    const std::uint64_t id = ledger().calls.fetch_add(1);
    if (id >= kMaxCalls) std::abort();
    const std::string large(id % 64 == 7 ? 20'000 : 0, 'x');
    const bool hasty = !patient && id % 32 == 3;
    const Deadline deadline = hasty ? Deadline::After(absl::Microseconds(150)) : Watchdog();
    const std::int64_t begun = MonotonicNanos();
    std::uint64_t answer = 0;
    Told told = Told::kNothing;
    try {
      channel().Call(
          [&](RequestWriter request) {
            const OperationsWriter operations = request.Operations(1);
            operations.Set(0, OperationKind::kCall, "triple", 0);
            const ListWriter arguments = operations.Arguments(0, 2);
            arguments[0].UInt(id);
            arguments[1].Text(large);
          },
          [&](const OutcomeReader& in) {
            if (in.kind() == OutcomeKind::kError) {
              // It came so late that it was not evaluated.
              told = Told::kLate;
              if (in.Error().type != "remoteobj::DeadlineExceeded") ledger().failures.fetch_add(1);
            } else {
              answer = Decode<std::uint64_t>(in.Value());
              told = Told::kAnswered;
            }
          },
          deadline);
      if (told == Told::kAnswered && answer != 3 * id) ledger().failures.fetch_add(1);
    } catch (const NotListening&) {
      told = Told::kNotListening;
    } catch (const ListenerDied& e) {
      told = e.evaluating() ? Told::kDiedEvaluating : Told::kDiedBefore;
      ledger().died.fetch_add(1);
      Raise(ledger().detection, MonotonicNanos() - std::max(begun, ledger().died_at.load()));
    } catch (const DeadlineExceeded&) {
      told = Told::kLate;
      if (!hasty) ledger().failures.fetch_add(1);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "a call threw: %s\n", e.what());
      ledger().failures.fetch_add(1);
    }
    Raise(ledger().longest, MonotonicNanos() - begun);
    ledger().told[id].store(told);
    return told;
  }

  void CallUntilStopped() {
    for (unsigned i = 0; !ledger().stop.load(); ++i) {
      const Told told = CallOnce();
      // Now and then the listener finds nothing to do.
      if (told != Told::kAnswered || i % 16 == 0) absl::SleepFor(absl::Microseconds(300));
    }
  }

  void WriteCall(RequestWriter request) {
    const OperationsWriter operations = request.Operations(1);
    operations.Set(0, OperationKind::kCall, "triple", 0);
    operations.Arguments(0, 1)[0].UInt(ledger().calls.fetch_add(1));
  }
  // REQUIRES: ledger().blocked.
  std::unique_ptr<PendingCall> StartAndAwaitEvaluation() {
    const std::uint64_t id = ledger().calls.load();
    auto call = channel().Start([this](RequestWriter request) { WriteCall(request); }, Watchdog());
    remoteobj_testing::Eventually("the call is evaluated",
                                  [&] { return ledger().evaluated[id].load() != 0; });
    return call;
  }

  static void KillAndWait(pid_t pid) {
    kill(pid, SIGKILL);
    EXPECT_TRUE(WasKilled(Wait(pid)));
  }

  // One that opens, and looks at no call.
  pid_t ForkIdleListener() {
    return Fork([this] {
      channel().listener().Open();
      for (;;) pause();
    });
  }

  void ExpectAllSlotsToBecomeFree() {
    static_cast<void>(remoteobj_testing::TryEventually(
        [&] { return channel().free_slots() >= kSlotsInAll; }, absl::Seconds(5)));
    EXPECT_EQ(channel().free_slots(), kSlotsInAll);
  }

  // Runs `body` in some threads of this process.
  static void InThreads(int threads, const std::function<void()>& body) {
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) running.emplace_back(body);
    for (std::thread& thread : running) thread.join();
  }

  pid_t ForkCaller(int threads) {
    return Fork([this, threads] {
      const int before = OpenDescriptors();
      InThreads(threads, [this] { CallUntilStopped(); });
      ledger().leaked_descriptors.fetch_add(OpenDescriptors() - before);
    });
  }

  // Serves until stopped; opens and closes the channel in between if `reopen`.
  void Listen(bool reopen) {
    const auto handler = [this](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); };
    for (unsigned round = 0; !ledger().stop.load(); ++round) {
      channel().listener().Open();
      for (int i = 0; !ledger().stop.load() && (!reopen || i < 12); ++i) {
        channel().listener().Serve(handler, Deadline::After(absl::Milliseconds(1)));
      }
      channel().listener().Close(round % 4 == 0 ? Final::kRefuse : Final::kFulfill, handler);
    }
  }

  // One that sleeps until it is rung.
  pid_t ForkSleepingListener() {
    return Fork([this] {
      channel().listener().Open();
      while (!ledger().stop.load()) {
        channel().listener().Serve(
            [this](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); },
            Deadline::Never());
      }
    });
  }
  void EndSleepingListener(pid_t listener) {
    ledger().stop = true;
    CallOnce();
    Wait(listener);
  }

  // A caller that dies when it has found the listener asleep, and not yet woken it.
  pid_t ForkOneThatDiesRinging() {
    return Fork([this] {
      DieAt(FaultPoint::kCallerRinging, 1, ledger());
      for (;;) {
        CallOnce();
        absl::SleepFor(absl::Milliseconds(2));
      }
    });
  }

  // Rounds of a listener that meets its fate, while others call.
  void KillListeners(const std::function<void(int round)>& prepare, bool reopen) {
    const std::vector<pid_t> callers = {ForkCaller(2), ForkCaller(2)};
    for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
      const pid_t listener = Fork([&] {
        prepare(round);
        Listen(reopen);
      });
      EXPECT_TRUE(WasKilled(Wait(listener))) << "round " << round;
    }
    Finish(callers);
  }

  // Rounds of callers that meet their fate, while others call and none of these may notice.
  void KillCallers(int threads, const std::function<void(int round)>& prepare) {
    const pid_t listener = Fork([this] { Listen(false); });
    ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
    const std::vector<pid_t> witnesses = {ForkCaller(2)};
    for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
      const pid_t victim = Fork([&] {
        prepare(round);
        InThreads(threads, [this] { CallUntilStopped(); });
      });
      EXPECT_TRUE(WasKilled(Wait(victim))) << "round " << round;
    }
    EXPECT_EQ(ledger().died.load(), 0);
    Finish(witnesses);
    EXPECT_EQ(Wait(listener), 0);
  }

  void Finish(const std::vector<pid_t>& callers) {
    ledger().stop = true;
    for (const pid_t caller : callers) EXPECT_EQ(Wait(caller), 0);
    EXPECT_EQ(ledger().leaked_descriptors.load(), 0);
  }

  void TearDown() override {
    CheckLedger();
    const std::int64_t longest_ns = ledger().longest.load();
    CheckSlots();
    EXPECT_EQ(OpenDescriptors(), descriptors_);
    const double detection = static_cast<double>(ledger().detection.load()) * 1e-6;
    const double longest = static_cast<double>(longest_ns) * 1e-6;
    std::printf(
        "rounds %d, calls %lu, told of a death %ld, noticed within %.1f ms, "
        "longest call %.1f ms\n",
        Rounds(), static_cast<unsigned long>(ledger().calls.load()),
        static_cast<long>(ledger().died.load()), detection, longest);
    RecordProperty("noticed_within_us", static_cast<int>(ledger().detection.load() / 1000));
    RecordProperty("longest_call_us", static_cast<int>(longest_ns / 1000));
  }

  // Checks that the outcomes that callers saw agree with what the listeners did.
  void CheckLedger() {
    EXPECT_EQ(ledger().failures.load(), 0);
    int wrong = 0;
    for (std::uint64_t id = 0; id < ledger().calls.load() && wrong < 10; ++id) {
      const int evaluated = ledger().evaluated[id].load();
      const Told told = ledger().told[id].load();
      const bool never = told == Told::kNotListening || told == Told::kDiedBefore;
      const bool once = told == Told::kAnswered || told == Told::kDiedEvaluating;
      // A listener that dies when it has taken a request, and not begun, counts as evaluating.
      const bool right = never  ? evaluated == 0
                         : once ? evaluated == 1 || (evaluated == 0 && told != Told::kAnswered)
                                : evaluated <= 1;
      if (right) continue;
      ++wrong;
      ADD_FAILURE() << "call " << id << " was evaluated " << evaluated << " times, and told "
                    << static_cast<int>(told);
    }
  }

  // All slots can be had at the same time, and are free afterwards.
  void CheckSlots() {
    ledger().stop = false;
    ledger().blocked = true;
    const pid_t listener = Fork([this] { Listen(false); });
    ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
    static std::atomic<int> acquired;
    static std::atomic<int> waited;  // Since nobody has acquired one.
    acquired = waited = 0;
    transport_internal::fault_hook = [](FaultPoint point) {
      if (point == FaultPoint::kCallerWaitsForSlot) waited.fetch_add(1);
      if (point != FaultPoint::kCallerHasSlot) return;
      acquired.fetch_add(1);
      waited = 0;
    };
    std::thread release([this] {
      // Until all slots are this process's, or nobody gets another. The listener may have one: it
      // evaluates a call whose caller is dead.
      constexpr int kTries = 200;
      while (acquired.load() < kSlotsInAll && waited.load() < kTries) {
        absl::SleepFor(absl::Milliseconds(1));
      }
      EXPECT_GE(acquired.load(), kSlotsInAll - 1);
      ledger().blocked = false;
    });
    std::vector<std::thread> callers;
    for (int i = 0; i < kSlotsInAll + 4; ++i) {
      callers.emplace_back([this] { CallOnce(true); });
    }
    for (std::thread& caller : callers) caller.join();
    release.join();
    transport_internal::fault_hook = nullptr;
    ExpectAllSlotsToBecomeFree();
    EXPECT_EQ(ledger().failures.load(), 0);
    ledger().stop = true;
    EXPECT_EQ(Wait(listener), 0);
  }

  int evaluations_until_death_ = 0;  // 0: this process does not die.

 private:
  int descriptors_ = 0;
  Ledger* ledger_;
  std::shared_ptr<SharedMemoryChannel> channel_ = SharedMemoryChannel::Create();
};

struct Point {
  const char* name;
  FaultPoint point;
  int often;  // How often the point may be passed before.
};

void PrintTo(const Point& point, std::ostream* out) { *out << point.name; }

std::string NameOf(const testing::TestParamInfo<Point>& info) { return info.param.name; }

class ListenerDeathTest : public DeathTest, public testing::WithParamInterface<Point> {};

TEST_P(ListenerDeathTest, IsNoticed) {
  KillListeners(
      [this](int round) { DieAt(GetParam().point, 1 + round % GetParam().often, ledger()); }, true);
}

INSTANTIATE_TEST_SUITE_P(Points, ListenerDeathTest,
                         testing::Values(Point{"Opening", FaultPoint::kListenerOpening, 3},
                                         Point{"Took", FaultPoint::kListenerTook, 30},
                                         Point{"Evaluated", FaultPoint::kListenerEvaluated, 30},
                                         Point{"Settled", FaultPoint::kListenerSettled, 30},
                                         Point{"Freeing", FaultPoint::kListenerFreeing, 2},
                                         Point{"BeforeSleep", FaultPoint::kListenerBeforeSleep, 5},
                                         Point{"Closing", FaultPoint::kListenerClosing, 3},
                                         Point{"Closed", FaultPoint::kListenerClosed, 3}),
                         NameOf);

class CallerDeathTest : public DeathTest, public testing::WithParamInterface<Point> {};

TEST_P(CallerDeathTest, IsNotNoticed) {
  // So many that slots run short, where that is the point.
  const int threads = GetParam().point == FaultPoint::kCallerWaitsForSlot ? 80 : 2;
  KillCallers(threads, [this](int round) {
    DieAt(GetParam().point, 1 + round % GetParam().often, ledger());
  });
}

INSTANTIATE_TEST_SUITE_P(Points, CallerDeathTest,
                         testing::Values(Point{"WaitsForSlot", FaultPoint::kCallerWaitsForSlot, 3},
                                         Point{"HasSlot", FaultPoint::kCallerHasSlot, 30},
                                         Point{"Writing", FaultPoint::kCallerWriting, 30},
                                         Point{"Published", FaultPoint::kCallerPublished, 30},
                                         Point{"Announced", FaultPoint::kCallerAnnounced, 5},
                                         Point{"Ringing", FaultPoint::kCallerRinging, 5},
                                         Point{"BeforeSleep", FaultPoint::kCallerBeforeSleep, 5},
                                         Point{"HasOutcome", FaultPoint::kCallerHasOutcome, 30}),
                         NameOf);

TEST_F(DeathTest, OfAListenerThatEvaluates) {
  KillListeners([this](int round) { evaluations_until_death_ = 1 + round % 30; }, false);
  EXPECT_GT(ledger().died.load(), 0);
}

TEST_F(DeathTest, OfAListenerAtAnyInstant) {
  std::minstd_rand random(1);
  const std::vector<pid_t> callers = {ForkCaller(2), ForkCaller(2)};
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    const pid_t listener = Fork([this] { Listen(true); });
    absl::SleepFor(absl::Microseconds(random() % 6000));
    ledger().died_at = MonotonicNanos();
    KillAndWait(listener);
  }
  Finish(callers);
}

TEST_F(DeathTest, OfAListenerThatSleeps) {
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    const pid_t listener = Fork([this] {
      channel().listener().Open();
      channel().listener().Serve(
          [this](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); },
          Deadline::Never());
    });
    ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
    remoteobj_testing::AwaitAsleep(listener);
    ledger().died_at = MonotonicNanos();
    kill(listener, SIGKILL);
    const Told told = CallOnce(true);
    EXPECT_TRUE(told == Told::kDiedBefore || told == Told::kNotListening ||
                told == Told::kDiedEvaluating)
        << static_cast<int>(told);
    // From now on it is known.
    EXPECT_EQ(CallOnce(true), Told::kNotListening);
    EXPECT_TRUE(WasKilled(Wait(listener)));
    EXPECT_FALSE(channel().listening());
  }
}

// It used to be ListenerDied for the first call, which had waited for nothing.
TEST_F(DeathTest, OfAnIdleListenerWasBeforeTheNextCall) {
  const auto write = [this](RequestWriter request) { WriteCall(request); };
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    const pid_t listener = Fork([this] { Listen(false); });
    ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
    EXPECT_EQ(CallOnce(true), Told::kAnswered);
    KillAndWait(listener);
    if (round % 2 == 0) {
      EXPECT_EQ(CallOnce(true), Told::kNotListening);
    } else {
      // It is not known when a call was sent for which no thread waits at once.
      const auto call = channel().Start(write, Watchdog());
      EXPECT_ANY_THROW(call->Finish([](const OutcomeReader&) {}, Watchdog()));
    }
    EXPECT_EQ(CallOnce(true), Told::kNotListening);
  }
}

TEST_F(DeathTest, OfCallersAtAnyInstant) {
  std::minstd_rand random(2);
  const pid_t listener = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  const std::vector<pid_t> witnesses = {ForkCaller(2)};
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    const pid_t victim = ForkCaller(3);
    absl::SleepFor(absl::Microseconds(random() % 5000));
    KillAndWait(victim);
  }
  EXPECT_EQ(ledger().died.load(), 0);
  Finish(witnesses);
  EXPECT_EQ(Wait(listener), 0);
}

TEST_F(DeathTest, OfCallersAndListenersAtAnyInstant) {
  std::minstd_rand random(3);
  const std::vector<pid_t> witnesses = {ForkCaller(2)};
  for (int round = 0; round < Rounds() && !HasFailure(); ++round) {
    const pid_t listener = Fork([this] { Listen(true); });
    const pid_t victim = ForkCaller(3);
    absl::SleepFor(absl::Microseconds(random() % 4000));
    kill(victim, SIGKILL);
    absl::SleepFor(absl::Microseconds(random() % 2000));
    ledger().died_at = MonotonicNanos();
    kill(listener, SIGKILL);
    EXPECT_TRUE(WasKilled(Wait(victim)));
    EXPECT_TRUE(WasKilled(Wait(listener)));
  }
  Finish(witnesses);
}

// A stopped process is not a dead one.
TEST_F(DeathTest, IsNotAListenerThatIsStoppedForAWhile) {
  const pid_t listener = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  const std::vector<pid_t> callers = {ForkCaller(2)};
  for (int round = 0; round < std::min(Rounds(), 20); ++round) {
    kill(listener, SIGSTOP);
    absl::SleepFor(absl::Milliseconds(50));
    kill(listener, SIGCONT);
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_EQ(ledger().died.load(), 0);
  Finish(callers);
  EXPECT_EQ(Wait(listener), 0);
}

// It leaves the bit set and the listener asleep. The process that took over the slot saw the bit,
// rang neither, and waited for ever.
TEST_F(DeathTest, OfCallersBeforeTheyRingLeavesNobodyWaiting) {
  const pid_t listener = ForkSleepingListener();
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  for (int i = 0; i < kSlotsInAll; ++i) {
    EXPECT_TRUE(WasKilled(Wait(Fork([this] {
      DieAt(FaultPoint::kCallerAnnounced, 1, ledger());
      CallOnce();
    }))));
  }
  EXPECT_EQ(channel().free_slots(), 0);
  EXPECT_EQ(CallOnce(/*patient=*/true), Told::kAnswered);
  EndSleepingListener(listener);
}

// It leaves the listener asleep, which all others believe to be awake.
TEST_F(DeathTest, OfACallerThatRingsLeavesNobodyWaiting) {
  const pid_t listener = ForkSleepingListener();
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(WasKilled(Wait(ForkOneThatDiesRinging())));
    EXPECT_EQ(CallOnce(/*patient=*/true), Told::kAnswered);
  }
  EndSleepingListener(listener);
}

// The listener was said to be awake, and slept on: the next call, for which nobody waited, did not
// wake it.
TEST_F(DeathTest, OfACallerThatWakesTheListenerLeavesItToTheNextCall) {
  const pid_t listener = ForkSleepingListener();
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(WasKilled(Wait(ForkOneThatDiesRinging())));
    const std::uint64_t id = ledger().calls.fetch_add(1);
    const auto call = channel().Start(
        [&](RequestWriter request) {
          const OperationsWriter operations = request.Operations(1);
          operations.Set(0, OperationKind::kCall, "triple", 0);
          operations.Arguments(0, 1)[0].UInt(id);
        },
        Watchdog());
    ASSERT_TRUE(remoteobj_testing::TryEventually([&] {
      return ledger().evaluated[id].load() != 0;
    })) << "it is not evaluated until its outcome is asked for";
  }
  EndSleepingListener(listener);
}

// Closing a background listener hung then.
TEST_F(DeathTest, OfACallerThatWakesTheListenerDoesNotKeepItFromClosing) {
  const pid_t listener = Fork([this] {
    channel().listener().Open();
    std::thread thread([this] {
      while (channel().listener().Serve(
          [this](const RequestReader& in, OutcomeWriter& out) { Handle(in, out); },
          Deadline::Never())) {
      }
    });
    while (!ledger().stop.load()) absl::SleepFor(absl::Microseconds(200));
    channel().listener().Wake();
    thread.join();
  });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  EXPECT_TRUE(WasKilled(Wait(ForkOneThatDiesRinging())));
  ledger().stop = true;
  EXPECT_EQ(Wait(listener), 0);
}

// The caller and the listener of the slot were both dead.
TEST_F(DeathTest, OfACallerThatTakesASlotOverDoesNotLoseIt) {
  const auto write = [this](RequestWriter request) { WriteCall(request); };
  ledger().blocked = true;
  const pid_t first = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  EXPECT_TRUE(WasKilled(Wait(Fork([&] {
    const auto call = StartAndAwaitEvaluation();
    raise(SIGKILL);
  }))));
  KillAndWait(first);
  const pid_t second = ForkIdleListener();
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  std::vector<std::unique_ptr<PendingCall>> others;
  for (int i = 1; i < kSlotsInAll / 2; ++i) others.push_back(channel().Start(write, Watchdog()));
  EXPECT_TRUE(WasKilled(Wait(Fork([&] {
    DieAt(FaultPoint::kCallerReclaiming, 1, ledger());
    channel().Start(write, Watchdog());
  }))));
  // Else it is waited for at once, for want of a slot.
  const auto last = channel().Start(write, Deadline::After(absl::Seconds(1)));
  EXPECT_FALSE(last->ready());
  KillAndWait(second);
}

// It was taken over, since its listener was gone. But its owner lived, and could have it again by
// then for another call, of which it then got another caller's answer.
TEST_F(DeathTest, OfAListenerLeavesWhatALivingCallerHasAbandonedToTheNextListener) {
  const auto write = [this](RequestWriter request) { WriteCall(request); };
  ledger().blocked = true;
  const pid_t first = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  StartAndAwaitEvaluation().reset();
  KillAndWait(first);
  const pid_t second = ForkIdleListener();
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  {
    std::vector<std::unique_ptr<PendingCall>> others;
    for (int i = 1; i < kSlotsInAll / 2; ++i) others.push_back(channel().Start(write, Watchdog()));
    // For want of a slot it is waited for.
    const auto last = channel().Start(write, Deadline::After(absl::Milliseconds(50)));
    EXPECT_THROW(last->Finish([](const OutcomeReader&) {}, Deadline::Passed()), DeadlineExceeded);
  }
  EXPECT_EQ(channel().free_slots(), kSlotsInAll - 1);
  KillAndWait(second);
}  // The next listener frees it: CheckSlots.

// The next listener had opened, and looked at all slots, before the call was given up.
TEST_F(DeathTest, OfAListenerLeavesWhatIsAbandonedLaterToTheNextListener) {
  ledger().blocked = true;
  const pid_t first = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  auto call = StartAndAwaitEvaluation();
  KillAndWait(first);
  ledger().blocked = false;
  const pid_t second = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  EXPECT_EQ(CallOnce(/*patient=*/true), Told::kAnswered);
  call.reset();
  ExpectAllSlotsToBecomeFree();
  KillAndWait(second);
}

// Each of them leaves places that it had taken for its calls under way. Start used to do without
// for ever after.
TEST_F(DeathTest, OfCallersWithCallsUnderWayLeavesPlacesForOthers) {
  const pid_t listener = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  const auto start = [this] {
    return channel().Start([this](RequestWriter request) { WriteCall(request); }, Watchdog());
  };
  EXPECT_TRUE(WasKilled(Wait(Fork([&] {
    std::vector<std::unique_ptr<PendingCall>> calls;
    for (int i = 0; i < kSlotsInAll / 2; ++i) calls.push_back(start());
    raise(SIGKILL);
  }))));
  ledger().blocked = true;
  {
    // It would wait for its outcome otherwise.
    const auto call = start();
    EXPECT_FALSE(call->ready());
    ledger().blocked = false;
    call->Finish([](const OutcomeReader&) {}, Watchdog());
  }
  ledger().stop = true;
  EXPECT_EQ(Wait(listener), 0);
}

// It was nobody's: neither free, nor of one who is dead.
TEST_F(DeathTest, OfAListenerThatFreesAPlaceLosesNone) {
  for (int round = 0; round < 5; ++round) {
    ledger().blocked = true;
    const pid_t listener = Fork([this, round] {
      // First it frees what the one before it has left.
      DieAt(FaultPoint::kListenerFreeing, round == 0 ? 1 : 2, ledger());
      Listen(false);
    });
    ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
    const std::uint64_t id = ledger().calls.fetch_add(1);
    {
      const auto given_up = channel().Start(
          [id](RequestWriter request) {
            const OperationsWriter operations = request.Operations(1);
            operations.Set(0, OperationKind::kCall, "triple", 0);
            operations.Arguments(0, 1)[0].UInt(id);
          },
          Watchdog());
      remoteobj_testing::Eventually("the call is evaluated",
                                    [&] { return ledger().evaluated[id].load() != 0; });
    }
    ledger().blocked = false;
    EXPECT_TRUE(WasKilled(Wait(listener)));
  }
}

TEST_F(DeathTest, IsHeardOfByOneWhoOnlyAsksWhetherACallIsReady) {
  evaluations_until_death_ = 1;
  const pid_t listener = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  const auto call =
      channel().Start([this](RequestWriter request) { WriteCall(request); }, Watchdog());
  EXPECT_TRUE(remoteobj_testing::TryEventually([&] { return call->ready(); }));
  const auto ignore = [](const OutcomeReader&) {};
  try {
    call->Finish(ignore, Watchdog());
    ADD_FAILURE() << "answered";
  } catch (const ListenerDied& e) {
    EXPECT_EQ(e.pid(), listener);
    EXPECT_EQ(e.end().signal, SIGKILL);
    EXPECT_TRUE(e.evaluating());
  }
  // It used to spin here.
  EXPECT_THROW(call->Finish(ignore, Watchdog()), std::logic_error);
  EXPECT_TRUE(WasKilled(Wait(listener)));
  evaluations_until_death_ = 0;
}

TEST_F(DeathTest, IsToldOfTheListenerThatDiedNotOfTheNext) {
  evaluations_until_death_ = 1;
  const pid_t first = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  const auto call =
      channel().Start([this](RequestWriter request) { WriteCall(request); }, Watchdog());
  EXPECT_TRUE(WasKilled(Wait(first)));
  evaluations_until_death_ = 0;
  const pid_t second = Fork([this] { Listen(false); });
  ASSERT_TRUE(channel().WaitUntilListening(Watchdog()));
  EXPECT_EQ(CallOnce(/*patient=*/true), Told::kAnswered);
  try {
    call->Finish([](const OutcomeReader&) {}, Watchdog());
    ADD_FAILURE() << "answered";
  } catch (const ListenerDied& e) {
    EXPECT_EQ(e.pid(), first);
  }
  ledger().stop = true;
  EXPECT_EQ(Wait(second), 0);
}

}  // namespace
}  // namespace remoteobj
