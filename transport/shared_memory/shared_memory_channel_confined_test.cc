// SPDX-License-Identifier: MIT
//
// Callers and listeners from which something was taken away: /proc, all descriptors, the common PID
// namespace. A living process is never taken for dead, a dead one is noticed.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/testing/namespaces.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using remoteobj_testing::ForkIntoPidNamespace;
using remoteobj_testing::LeaveProc;

constexpr int kSkip = 77;

Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

bool HasEnded(const Forked& child) {
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid == child.pid();
}

// A call of this age is known to have been sent before its listener died.
constexpr absl::Duration kAge = absl::Milliseconds(5);

// Stops a child, which from then on evaluates nothing.
void Stop(const Forked& child) {
  child.Signal(SIGSTOP);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child.pid()), &info, WSTOPPED | WNOWAIT);
}

// Takes something away. Returns true if that is possible here.
struct Confinement {
  const char* name;
  bool (*enter)();
};

const Confinement kConfinements[] = {
    {"NoProc", [] { return LeaveProc(); }},
    {"NoDescriptors",
     [] {
       const rlimit none{0, 0};
       return setrlimit(RLIMIT_NOFILE, &none) == 0 && open("/dev/null", O_RDONLY) < 0;
     }},
    {"NothingAtAll",
     [] {
       const rlimit none{0, 0};
       return LeaveProc() && setrlimit(RLIMIT_NOFILE, &none) == 0;
     }},
    // All descriptors of the process, the library's included.
    {"AllDescriptorsClosed",
     [] {
       for (int fd = 3; fd < 256; ++fd) close(fd);
       return true;
     }},
};

void PrintTo(const Confinement& confinement, std::ostream* out) { *out << confinement.name; }

class ConfinedTest : public testing::TestWithParam<Confinement> {
 protected:
  void Listen() {
    channel_->listener().Open();
    for (;;) {
      channel_->listener().Serve(
          [](const RequestReader& request, OutcomeWriter& outcome) {
            outcome.Value().Text(request[0].name());
          },
          Deadline::Never());
    }
  }

  // Until it listens, or has ended.
  void AwaitListener(const Forked& listener) {
    while (!HasEnded(listener) &&
           !channel_->WaitUntilListening(Deadline::After(absl::Milliseconds(20)))) {
    }
  }

  static auto Writing(const std::string& text) {
    return [text](RequestWriter request) {
      request.Operations(1).Set(0, OperationKind::kCall, text, 0);
    };
  }
  static std::string Finish(PendingCall& call) {
    std::string answer;
    call.Finish([&](const OutcomeReader& in) { answer = Decode<std::string>(in.Value()); },
                Watchdog());
    return answer;
  }
  std::string Call(const std::string& text) {
    std::string answer;
    channel_->Call(
        Writing(text), [&](const OutcomeReader& in) { answer = Decode<std::string>(in.Value()); },
        Watchdog());
    return answer;
  }

  // A child that has been confined before it uses the channel for the first time; 77 if it can't
  // be.
  static std::unique_ptr<Forked> Confined(const std::function<int()>& body) {
    return std::make_unique<Forked>([&] {
      if (!GetParam().enter()) _exit(kSkip);
      _exit(body());
    });
  }

  const std::shared_ptr<SharedMemoryChannel> channel_ = SharedMemoryChannel::Create();
};

// Its slots were taken over while it waited, and it got the answers of others.
TEST_P(ConfinedTest, ACallerGetsItsOwnAnswer) {
  const Forked listener([&] { Listen(); });
  ASSERT_TRUE(channel_->WaitUntilListening(Watchdog()));
  int ends[2][2];
  ASSERT_EQ(pipe(ends[0]), 0);
  ASSERT_EQ(pipe(ends[1]), 0);
  // Descriptors that a closing child does not close.
  const int tell = fcntl(ends[0][1], F_DUPFD, 300);
  const int go = fcntl(ends[1][0], F_DUPFD, 300);
  const auto confined = Confined([&] {
    const auto call = channel_->Start(Writing("mine"), Watchdog());
    remoteobj_testing::Eventually("the call is answered", [&] { return call->ready(); });
    char byte = 0;
    if (write(tell, &byte, 1) != 1 || read(go, &byte, 1) != 1) return 3;
    return Finish(*call) == "mine" && Call("again") == "again" ? 0 : 1;
  });
  close(ends[0][1]);
  close(tell);
  char byte = 0;
  if (read(ends[0][0], &byte, 1) != 1) {
    EXPECT_EQ(confined->Wait(), kSkip);
    GTEST_SKIP() << "can't be confined so here";
  }
  // More than there are slots.
  std::vector<std::unique_ptr<PendingCall>> calls;
  for (int i = 0; i < 70; ++i) {
    calls.push_back(channel_->Start(Writing("yours " + std::to_string(i)), Watchdog()));
  }
  ASSERT_EQ(write(ends[1][1], &byte, 1), 1);
  EXPECT_EQ(confined->Wait(), 0);
  for (int i = 0; i < 70; ++i) EXPECT_EQ(Finish(*calls[i]), "yours " + std::to_string(i));
  for (const int fd : {ends[0][0], ends[1][0], ends[1][1], go}) close(fd);
}

TEST_P(ConfinedTest, AListenerIsSeenAndItsDeathIsNoticed) {
  const auto listener = Confined([&] {
    Listen();
    return 0;
  });
  AwaitListener(*listener);
  if (HasEnded(*listener)) GTEST_SKIP() << "can't be confined so here";
  EXPECT_EQ(Call("one"), "one");
  Stop(*listener);
  const auto call = channel_->Start(Writing("two"), Watchdog());
  absl::SleepFor(kAge);
  listener->Signal(SIGKILL);
  EXPECT_THROW(Finish(*call), ListenerDied);
  EXPECT_FALSE(channel_->listening());
}

// All of them: a zombie answers kill(), and there was nothing else to ask.
TEST_P(ConfinedTest, ACallerNoticesTheDeathOfItsOwnChild) {
  const auto confined = Confined([&] {
    Forked listener([&] { Listen(); });
    if (!channel_->WaitUntilListening(Watchdog())) return 2;
    if (Call("one") != "one") return 3;
    Stop(listener);
    const auto call = channel_->Start(Writing("two"), Watchdog());
    absl::SleepFor(kAge);
    listener.Signal(SIGKILL);
    try {
      Finish(*call);
    } catch (const ListenerDied&) {
      return 0;
    }
    return 1;
  });
  const int told = confined->Wait();
  if (told == kSkip) GTEST_SKIP() << "can't be confined so here";
  EXPECT_EQ(told, 0);
}

INSTANTIATE_TEST_SUITE_P(All, ConfinedTest, testing::ValuesIn(kConfinements),
                         [](const auto& info) { return std::string(info.param.name); });

// Processes of two PID namespaces, of which neither can judge the other by its pid.
class NamespacesTest : public ConfinedTest {};

TEST_F(NamespacesTest, AListenerInAnotherPidNamespaceIsSeenAndItsDeathIsNoticed) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Forked outer([&] {
    if (!ForkIntoPidNamespace()) _exit(kSkip);
    Forked inner([&] {
      close(ends[1]);
      Listen();
    });
    close(ends[1]);
    char byte;
    if (read(ends[0], &byte, 1) != 1) _exit(3);
    inner.Kill();
    _exit(0);
  });
  close(ends[0]);
  AwaitListener(outer);
  if (HasEnded(outer)) {
    close(ends[1]);
    EXPECT_EQ(outer.Wait(), kSkip);
    GTEST_SKIP() << "no PID namespaces here";
  }
  EXPECT_EQ(Call("one"), "one");
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  close(ends[1]);
  EXPECT_EQ(outer.Wait(), 0);
  const auto called = [&] {
    try {
      Call("two");
    } catch (const NotListening&) {
      return true;
    } catch (const ListenerDied&) {
      return true;
    }
    return false;
  };
  EXPECT_TRUE(called());
  EXPECT_FALSE(channel_->listening());
}

TEST_F(NamespacesTest, ACallerInAnotherPidNamespaceKeepsItsSlotUntilItDies) {
  const Forked listener([&] { Listen(); });
  ASSERT_TRUE(channel_->WaitUntilListening(Watchdog()));
  const int free = channel_->free_slots();
  int ends[2][2];
  ASSERT_EQ(pipe(ends[0]), 0);
  ASSERT_EQ(pipe(ends[1]), 0);
  Forked outer([&] {
    close(ends[0][0]);
    close(ends[1][1]);
    if (!ForkIntoPidNamespace()) _exit(kSkip);
    Forked inner([&] {
      std::vector<std::unique_ptr<PendingCall>> calls;
      for (int i = 0; i < 31; ++i) calls.push_back(channel_->Start(Writing("mine"), Watchdog()));
      char byte = 0;
      if (write(ends[0][1], &byte, 1) != 1 || read(ends[1][0], &byte, 1) != 1) _exit(3);
      for (const auto& call : calls) {
        if (Finish(*call) != "mine") _exit(1);
      }
      // And then it dies with calls under way.
      for (auto& call : calls) call = channel_->Start(Writing("mine"), Watchdog());
      _exit(0);
    });
    _exit(inner.Wait());
  });
  close(ends[0][1]);
  char byte = 0;
  if (read(ends[0][0], &byte, 1) != 1) {
    EXPECT_EQ(outer.Wait(), kSkip);
    GTEST_SKIP() << "no PID namespaces here";
  }
  const auto fill = [&] {
    std::vector<std::unique_ptr<PendingCall>> calls;
    for (int i = 0; i < 40; ++i) calls.push_back(channel_->Start(Writing("yours"), Watchdog()));
    for (const auto& call : calls) EXPECT_EQ(Finish(*call), "yours");
  };
  fill();
  ASSERT_EQ(write(ends[1][1], &byte, 1), 1);
  EXPECT_EQ(outer.Wait(), 0);
  EXPECT_LT(channel_->free_slots(), free);
  fill();
  EXPECT_EQ(channel_->free_slots(), free) << "what the dead one had is taken back";
  for (const int fd : {ends[0][0], ends[1][0], ends[1][1]}) close(fd);
}

}  // namespace
}  // namespace remoteobj
