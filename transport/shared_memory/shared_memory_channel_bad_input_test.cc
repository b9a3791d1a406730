// SPDX-License-Identifier: MIT
//
// Requests and outcomes that nobody has written so: the caller gets an error, and the listener goes
// on. The listener's hook spoils what lies in a slot, between taking and evaluating it.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/faults.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/shared_memory/shared_memory_channel.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::Direction;
using transport_internal::FaultPoint;
using transport_internal::Header;
using transport_internal::kSlotWords;
using transport_internal::Slot;
using transport_internal::Walk;

Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

// The slots of the one channel of this process.
Slot* Slots() {
  std::FILE* maps = std::fopen("/proc/self/maps", "r");
  std::byte* base = nullptr;
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    std::uintptr_t begin = 0;
    std::uint64_t offset = 1;
    std::sscanf(line, "%" SCNxPTR "-%*x %*s %" SCNx64, &begin, &offset);
    if (std::strstr(line, "/memfd:remoteobj") != nullptr && offset == 0) {
      base = reinterpret_cast<std::byte*>(begin);
    }
  }
  std::fclose(maps);
  return base == nullptr ? nullptr : reinterpret_cast<Slot*>(base + sizeof(Header));
}

// The seed of the change to the next message; 0 for no change. The processes share it.
struct Plan {
  std::atomic<std::uint32_t> request{0};
  std::atomic<std::uint32_t> outcome{0};
};
Plan* plan = nullptr;
Slot* slots = nullptr;

void Spoil(Slot& slot, Direction direction, std::uint32_t seed) {
  std::minstd_rand random(seed);
  std::atomic<std::uint32_t>& size = slot.size(direction);
  auto* const message = slot.words(direction);
  const unsigned words = size < kSlotWords ? size + 1 : kSlotWords;
  switch (random() % 5) {
    case 0:  // One bit.
      reinterpret_cast<std::uint8_t*>(message)[random() % (8 * words)] ^=
          static_cast<std::uint8_t>(1u << random() % 8);
      break;
    case 1:  // Some bytes.
      for (unsigned i = random() % 20; i > 0; --i) {
        reinterpret_cast<std::uint8_t*>(message)[random() % (8 * words)] =
            static_cast<std::uint8_t>(random());
      }
      break;
    case 2:  // All of it.
      for (unsigned i = 0; i < 8 * words; ++i) {
        reinterpret_cast<std::uint8_t*>(message)[i] = static_cast<std::uint8_t>(random());
      }
      break;
    case 3:  // Its size: in the slot, in the window, beyond it.
      size = static_cast<std::uint32_t>(random() % 3 == 0   ? random()
                                        : random() % 2 == 0 ? random() % 2000
                                                            : random() % words);
      break;
    case 4:  // Words moved about: pointers, to elsewhere.
      for (int i = 0; i < 3; ++i) {
        message[random() % words] = message[random() % words];
      }
      break;
  }
}

// The slot of the one call that is under way.
Slot& SlotInUse() {
  for (unsigned i = 0; i < transport_internal::kSlots; ++i) {
    if (slots[i].owner.load() != 0) return slots[i];
  }
  std::abort();
}

void SpoilAsPlanned(FaultPoint point) {
  if (point == FaultPoint::kListenerTook && plan->request != 0) {
    Spoil(SlotInUse(), Direction::kRequest, plan->request);
  }
  if (point == FaultPoint::kListenerEvaluated && plan->outcome != 0) {
    Spoil(SlotInUse(), Direction::kOutcome, plan->outcome);
  }
}

class BadInputTest : public testing::Test {
 protected:
  BadInputTest() {
    void* memory =
        mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    plan = new (memory) Plan;
    slots = Slots();
    listener_ = fork();
    if (listener_ == 0) {
      transport_internal::fault_hook = SpoilAsPlanned;
      channel_->listener().Open();
      for (;;) channel_->listener().Serve(Evaluate, Deadline::Never());
    }
    EXPECT_TRUE(channel_->WaitUntilListening(Watchdog()));
  }
  ~BadInputTest() override {
    ExpectAllIsWell();
    EXPECT_EQ(waitpid(listener_, nullptr, WNOHANG), 0) << "the listener has died";
    kill(listener_, SIGKILL);
    waitpid(listener_, nullptr, 0);
    munmap(plan, sizeof(Plan));
  }

  // Looks at all of the request; gives back what is echoed, or how much there was.
  static void Evaluate(const RequestReader& request, OutcomeWriter& outcome) {
    const std::size_t seen = Walk(request);
    if (request[0].name() == "echo") {
      const ListReader arguments = request[0].Arguments();
      Encode(Decode<std::string>(arguments[0]), outcome.Value());
      return;
    }
    const RecordWriter record = outcome.Value().Record("Point", 2);
    record.Field(0, "x").UInt(seen);
    const ListWriter list = record.Field(1, "y").List(3);
    list[0].Text("some text");
    list[1].Float(1.5);
    list[2].Data(std::as_bytes(std::span("some data")));
  }

  static void WriteAllKinds(RequestWriter request) {
    const OperationsWriter operations = request.Operations(2);
    operations.Set(0, OperationKind::kGetAttribute, "member", 3);
    operations.Set(1, OperationKind::kCall, "method", 0);
    const ListWriter arguments = operations.Arguments(1, 5);
    arguments[0].Int(-1);
    arguments[1].Text("a text");
    const MapWriter map = arguments[2].Map(1);
    map.Key(0).Text("key");
    map.Value(0).List(1)[0].Bool(true);
    arguments[3].Record("Point", 1).Field(0, "x").Float(1);
    const int numbers[] = {1, 2, 3};
    arguments[4].Array(ElementType::kInt32, std::as_bytes(std::span(numbers)));
  }

  std::string Echo(const std::string& text) {
    std::string result;
    channel_->Call(
        [&](RequestWriter request) {
          const OperationsWriter operations = request.Operations(1);
          operations.Set(0, OperationKind::kCall, "echo", 0);
          operations.Arguments(0, 1)[0].Text(text);
        },
        [&](const OutcomeReader& in) { result = Decode<std::string>(in.Value()); }, Watchdog());
    return result;
  }

  void ExpectAllIsWell() {
    plan->request = 0;
    plan->outcome = 0;
    EXPECT_EQ(Echo("all is well"), "all is well");
    EXPECT_EQ(Echo(std::string(20'000, 'x')), std::string(20'000, 'x'));
    EXPECT_EQ(channel_->free_slots(), 62);
  }

  // The error that a request comes to.
  std::string ErrorOf(WriteRequest write) {
    std::string error = "no error";
    channel_->Call(
        write,
        [&](const OutcomeReader& in) {
          if (in.kind() == OutcomeKind::kError) error = in.Error().message;
        },
        Watchdog());
    return error;
  }

  std::shared_ptr<SharedMemoryChannel> channel_ = SharedMemoryChannel::Create();
  pid_t listener_ = -1;
};

TEST_F(BadInputTest, ASpoiltRequestIsAnErrorOrAnotherRequest) {
  int errors = 0;
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    plan->request = seed;
    channel_->Call(
        WriteAllKinds,
        [&](const OutcomeReader& in) {
          if (in.kind() != OutcomeKind::kError) return;
          ++errors;
          const std::string type = in.Error().type;
          // Its deadline may be what was spoilt.
          EXPECT_TRUE(type == "remoteobj::BadValue" || type == "remoteobj::DeadlineExceeded")
              << type;
        },
        Watchdog());
    if (seed % 1000 == 0) ExpectAllIsWell();
  }
  EXPECT_GT(errors, 1000);
}

TEST_F(BadInputTest, ASpoiltOutcomeIsAnErrorOrAnotherOutcome) {
  int errors = 0;
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    plan->outcome = seed;
    try {
      channel_->Call(WriteAllKinds, [&](const OutcomeReader& in) { Walk(in); }, Watchdog());
    } catch (const BadValue&) {
      ++errors;
    }
    if (seed % 1000 == 0) ExpectAllIsWell();
  }
  EXPECT_GT(errors, 1000);
}

TEST_F(BadInputTest, AnUnknownOperationIsAnError) {
  EXPECT_EQ(ErrorOf([](RequestWriter request) {
              request.Operations(1).Set(0, static_cast<OperationKind>(999), "", 0);
            }),
            "an operation of the unknown kind 999");
}

TEST_F(BadInputTest, ANestingOf10000LevelsIsAnError) {
  EXPECT_EQ(ErrorOf([](RequestWriter request) {
              std::optional<ValueWriter> value = request.Operations(1).Arguments(0, 1)[0];
              for (int i = 0; i < 10'000; ++i) value.emplace(Access::Shallow(*value).List(1)[0]);
            }),
            "a value nested more than 100 levels deep");
  // Nor can it be written.
  EXPECT_THROW(ErrorOf([](RequestWriter request) {
                 std::optional<ValueWriter> value = request.Operations(1).Arguments(0, 1)[0];
                 for (int i = 0; i < 10'000; ++i) value.emplace(value->List(1)[0]);
               }),
               BadValue);
}

TEST_F(BadInputTest, AWrongTypeIsAnError) {
  EXPECT_EQ(ErrorOf([](RequestWriter request) {
              const OperationsWriter operations = request.Operations(1);
              operations.Set(0, OperationKind::kGetAttribute, "echo", 0);
              operations.Arguments(0, 1)[0].Null();
            }),
            "expected text, got nothing in argument 0");
}

TEST_F(BadInputTest, NoOperationsAndNoArgumentsAreAnError) {
  EXPECT_EQ(ErrorOf([](RequestWriter request) { request.Operations(0); }),
            "operation 0 is not there: there are 0");
  EXPECT_EQ(ErrorOf([](RequestWriter request) {
              request.Operations(1).Set(0, OperationKind::kCall, "echo", 0);
            }),
            "argument 0 is not there: there are 0");
}

}  // namespace
}  // namespace remoteobj
