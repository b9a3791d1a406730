// SPDX-License-Identifier: MIT
//
// The cost of a shared-memory channel while nothing happens, and the memory that a large message
// leaves behind.
#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

absl::Duration CpuTimeOf(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return absl::DurationFromTimespec(time);
}

absl::Duration CpuTimeOfProcess(pid_t pid) {
  clockid_t clock;
  if (clock_getcpuclockid(pid, &clock) != 0) return absl::InfiniteDuration();
  return CpuTimeOf(clock);
}

// The memory of the one channel of this process.
std::int64_t BytesHeld() {
  std::int64_t held = -1;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    char target[256] = {};
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    if (readlink(path.c_str(), target, sizeof target - 1) < 0) continue;
    if (!absl::StartsWith(target, "/memfd:remoteobj")) continue;
    struct stat status;
    if (stat(path.c_str(), &status) == 0) held = std::int64_t{512} * status.st_blocks;
  }
  closedir(directory);
  return held;
}

void Ignore(const OutcomeReader&) {}

auto Sending(absl::FunctionRef<void(ValueWriter)> argument) {
  return [argument](RequestWriter request) {
    const OperationsWriter operations = request.Operations(1);
    operations.Set(0, OperationKind::kCall, "f", 0);
    argument(operations.Arguments(0, 1)[0]);
  };
}

void Nothing(ValueWriter out) { out.Null(); }

class ResourcesTest : public testing::Test {
 protected:
  ResourcesTest() {
    void* memory = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    stage_ = new (memory) std::atomic<int>(0);
  }
  ~ResourcesTest() override {
    if (listener_ > 0) {
      kill(listener_, SIGKILL);
      waitpid(listener_, nullptr, 0);
    }
    munmap(stage_, sizeof(std::atomic<int>));
  }

  void Listen(Listener::Handler handler) {
    listener_ = fork();
    if (listener_ == 0) {
      channel_->listener().Open();
      for (;;) channel_->listener().Serve(handler, Deadline::Never());
    }
    ASSERT_TRUE(channel_->WaitUntilListening(Watchdog()));
  }

  std::shared_ptr<SharedMemoryChannel> channel_ = SharedMemoryChannel::Create();
  pid_t listener_ = -1;
  std::atomic<int>* stage_;  // Shared with the listener.
};

TEST_F(ResourcesTest, IdleEndsBurnNoCpu) {
  Listen([](const RequestReader&, OutcomeWriter&) {});
  for (int i = 0; i < 100; ++i) channel_->Call(Sending(Nothing), Ignore, Watchdog());
  remoteobj_testing::AwaitAsleep(listener_);
  const absl::Duration listener = CpuTimeOfProcess(listener_);
  const absl::Duration client = CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID);
  absl::SleepFor(absl::Seconds(2));
  const absl::Duration listener_used = CpuTimeOfProcess(listener_) - listener;
  const absl::Duration client_used = CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID) - client;
  std::printf("in 2 s: listener %.3f ms, client %.3f ms\n",
              absl::ToDoubleMilliseconds(listener_used), absl::ToDoubleMilliseconds(client_used));
  EXPECT_LT(listener_used, absl::Milliseconds(4));
  EXPECT_LT(client_used, absl::Milliseconds(4));
}

TEST_F(ResourcesTest, WaitingBurnsNoCpu) {
  Listen([](const RequestReader&, OutcomeWriter&) { absl::SleepFor(absl::Seconds(2)); });
  const absl::Duration before = CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID);
  channel_->Call(Sending(Nothing), Ignore, Watchdog());
  const absl::Duration calling = CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID) - before;
  const auto other = SharedMemoryChannel::Create();
  EXPECT_FALSE(other->WaitUntilListening(Deadline::After(absl::Seconds(1))));
  const absl::Duration waiting = CpuTimeOf(CLOCK_PROCESS_CPUTIME_ID) - before - calling;
  std::printf("a call of 2 s: %.3f ms, 1 s until listening: %.3f ms\n",
              absl::ToDoubleMilliseconds(calling), absl::ToDoubleMilliseconds(waiting));
  // Sanitizers make each look at the listener dearer.
  EXPECT_LT(calling, absl::Milliseconds(20));
  EXPECT_LT(waiting, absl::Milliseconds(20));
}

// 5 GiB that nobody has touched.
class Untouched {
 public:
  Untouched()
      : at_(mmap(nullptr, kBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Untouched() { munmap(at_, kBytes); }
  Untouched(const Untouched&) = delete;
  Untouched& operator=(const Untouched&) = delete;
  std::span<const std::byte> bytes(std::size_t size = kBytes) const {
    return {static_cast<const std::byte*>(at_), size};
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{5} << 30;
  void* at_;
};

std::string RefusalOf(Channel& channel, absl::FunctionRef<void(ValueWriter)> argument) {
  try {
    channel.Call(Sending(argument), Ignore, Watchdog());
  } catch (const BadValue& e) {
    return e.what();
  }
  return "no refusal";
}

TEST_F(ResourcesTest, AMessageOf5GiBIsRefusedBeforeItIsCopied) {
  Listen([](const RequestReader&, OutcomeWriter&) {});
  const Untouched large;
  const auto bytes = large.bytes();
  constexpr char kRefusal[] =
      "a value of 5368709120 bytes, which is too large to send: at most 4294967296 bytes make a "
      "message";
  EXPECT_EQ(RefusalOf(*channel_, [&](ValueWriter out) { out.Array(ElementType::kFloat64, bytes); }),
            kRefusal);
  EXPECT_EQ(RefusalOf(*channel_, [&](ValueWriter out) { out.Data(bytes); }), kRefusal);
  EXPECT_EQ(RefusalOf(*channel_,
                      [&](ValueWriter out) {
                        out.Text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
                      }),
            kRefusal);
  EXPECT_LT(BytesHeld(), 2 << 20);
  channel_->Call(Sending(Nothing), Ignore, Watchdog());
}

constexpr std::size_t kLarge = std::size_t{160} << 20;
// The most that a channel keeps for the next message: 96 MiB of one, 256 MiB in all.
constexpr std::int64_t kKeptOfOne = std::int64_t{98} << 20;

TEST_F(ResourcesTest, AFinishedMessageGivesItsMemoryBack) {
  Listen([](const RequestReader&, OutcomeWriter&) {});
  const Untouched large;
  for (int i = 0; i < 3; ++i) {
    channel_->Call(Sending([&](ValueWriter out) { out.Data(large.bytes(kLarge)); }), Ignore,
                   Watchdog());
    EXPECT_LT(BytesHeld(), kKeptOfOne);
  }
}

TEST_F(ResourcesTest, AMessageThatIsNotSentGivesItsMemoryBack) {
  Listen([](const RequestReader&, OutcomeWriter&) {});
  const Untouched large;
  EXPECT_EQ(RefusalOf(*channel_,
                      [&](ValueWriter out) {
                        const ListWriter list = out.List(2);
                        list[0].Data(large.bytes(kLarge));
                        throw BadValue("changed my mind");
                      }),
            "changed my mind");
  EXPECT_LT(BytesHeld(), kKeptOfOne);
}

// It was forgotten when the error took its place.
TEST_F(ResourcesTest, AnOutcomeThatBecameAnErrorGivesItsMemoryBack) {
  const Untouched large;
  Listen([&](const RequestReader&, OutcomeWriter& outcome) {
    outcome.Value().List(2)[0].Data(large.bytes(kLarge));
    throw BadValue("too large after all");
  });
  OutcomeKind kind = OutcomeKind::kValue;
  channel_->Call(Sending(Nothing), [&](const OutcomeReader& in) { kind = in.kind(); }, Watchdog());
  EXPECT_EQ(kind, OutcomeKind::kError);
  EXPECT_LT(BytesHeld(), kKeptOfOne);
}

// Nobody came by to give it back.
TEST_F(ResourcesTest, ACallThatWasGivenUpGivesItsMemoryBack) {
  const Untouched large;
  Listen([&](const RequestReader&, OutcomeWriter& outcome) {
    *stage_ = 1;
    remoteobj_testing::Eventually("the call is given up", [&] { return *stage_ == 2; });
    outcome.Value().Data(large.bytes(kLarge));
  });
  {
    const auto call = channel_->Start(
        Sending([&](ValueWriter out) { out.Data(large.bytes(kLarge)); }), Watchdog());
    remoteobj_testing::Eventually("the call is evaluated", [&] { return *stage_ == 1; });
  }
  *stage_ = 2;
  remoteobj_testing::Eventually("the slot is free", [&] { return channel_->free_slots() == 62; });
  // The request's and the outcome's.
  EXPECT_LT(BytesHeld(), 2 * kKeptOfOne);
}

}  // namespace
}  // namespace remoteobj
