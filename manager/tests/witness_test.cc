// SPDX-License-Identifier: MIT
//
// A client that means well makes at least a fiftieth of the calls that it makes alone while another
// one attacks the manager. SECURITY.md promises it. Each attack here starved it once.
#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "capnp/message.h"
#include "capnp/rpc.capnp.h"
#include "capnp/serialize.h"
#include "gtest/gtest.h"
#include "kj/array.h"
#include "kj/async.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/queue.h"
#include "remoteobj/manager/tests/hostile_client_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj {
namespace {

using manager_internal::Flood;
using manager_internal::HostileClient;
using manager_internal::kKey;
using manager_internal::RawMessages;

constexpr std::int64_t kFactor = 50;

Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

// A client in a process of its own, which calls all the time: it asks for an object, and calls it.
class Witness {
 public:
  explicit Witness(const Manager& manager)
      : counts_(NewCounts()), process_([this, address = manager.address()] { Call(address); }) {
    remoteobj_testing::Eventually("the witness calls", [&] { return counts_->answered > 0; });
  }
  ~Witness() {
    process_.Kill();
    munmap(counts_, sizeof *counts_);
  }

  std::int64_t answered() const { return counts_->answered; }
  std::int64_t failures() const { return counts_->failures; }

 private:
  struct Counts {
    std::atomic<std::int64_t> answered{0};
    std::atomic<std::int64_t> failures{0};
  };

  static Counts* NewCounts() {
    void* const memory =
        mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return new (memory) Counts;
  }

  void Call(const std::string& address) {
    const auto manager = Manager::Connect(address, {.authkey = kKey, .shared_memory = false});
    for (;;) {
      try {
        manager.Get<Queue<int>>("queue")->size();
        ++counts_->answered;
      } catch (const std::exception& e) {
        std::fprintf(stderr, "a call of the witness failed: %s\n", e.what());
        ++counts_->failures;
      }
    }
  }

  Counts* const counts_;
  Process<void> process_;
};

// `attack` is made again and again until a deadline, which it is told. After that the witness is
// alone for the same time.
class WitnessTest : public testing::Test {
 protected:
  explicit WitnessTest(const std::string& address = "") : manager_(address, {.authkey = kKey}) {
    manager_.Publish("queue", queue_);
  }

  template <typename Attack>
  void ExpectAnswersBeside(Attack attack) {
    const Witness witness(manager_);
    std::string seen;
    const bool answered = remoteobj_testing::TryEventually(
        [&] {
          const Deadline begin = Deadline::Now();
          const std::int64_t at_first = witness.answered();
          const Deadline end = begin + absl::Milliseconds(500);
          while (!end.expired()) attack(end);
          const std::int64_t after_attack = witness.answered();
          absl::SleepFor(-begin.left());
          const std::int64_t beside = after_attack - at_first;
          const std::int64_t alone = witness.answered() - after_attack;
          absl::StrAppend(&seen, beside, " calls beside the attack, ", alone, " alone\n");
          return beside > 0 && beside * kFactor >= alone;
        },
        absl::Seconds(40));
    EXPECT_TRUE(answered);
    std::fputs(seen.c_str(), stdout);
    EXPECT_EQ(witness.failures(), 0);
  }

  Manager manager_;
  Queue<int> queue_ = manager_.Queue<int>();
};

class WitnessByTcpTest : public WitnessTest {
 protected:
  WitnessByTcpTest() : WitnessTest("tcp:127.0.0.1:0") {}
};

// The witness made 3,591 calls a second alone, and none beside it.
TEST_F(WitnessTest, AClientThatSendsWithoutWaiting) {
  const auto pings = manager_internal::Pings();
  ExpectAnswersBeside([&](Deadline end) {
    const Flood flood(HostileClient::Connect(manager_), pings);
    absl::SleepFor(end.left());
    EXPECT_FALSE(flood.hung_up());
  });
}

// It delayed others by 1.6 seconds.
TEST_F(WitnessTest, AnHonestBurstOfCalls) {
  constexpr std::size_t kCalls = 20'000;
  const auto client =
      Manager::Connect(manager_.address(), {.authkey = kKey, .shared_memory = false});
  const auto queue = client.Get<Queue<int>>("queue");
  ExpectAnswersBeside([&](Deadline) {
    std::vector<Future<std::size_t>> calls;
    calls.reserve(kCalls);
    for (std::size_t i = 0; i < kCalls; ++i) calls.push_back(queue->size.Async());
    for (Future<std::size_t>& call : calls) call.Get();
  });
}

// 340 a second stopped the manager. The bytes cost nothing: they are the same each time.
TEST_F(WitnessByTcpTest, CannedClientHellos) {
  constexpr std::size_t kHellos = 300;
  const transport_internal::NamedKey key{.name = "", .key = "a key of nobody, of many bytes"};
  const auto session = transport_internal::NewPskTls(std::span(&key, 1))->Connect("");
  session->Handshake();
  const std::vector<std::byte> client_hello = session->TakeOutput();
  ExpectAnswersBeside([&](Deadline) {
    std::vector<transport_internal::Socket> sockets;
    for (std::size_t i = 0; i < kHellos; ++i) {
      try {
        sockets.push_back(
            transport_internal::ConnectTo(Address::Parse(manager_.address()), Watchdog()));
        transport_internal::WriteAll(sockets.back().fd(), client_hello, Watchdog());
      } catch (const CallError&) {  // The manager has hung up.
      }
    }
  });
}

TEST_F(WitnessTest, ParkedCalls) {
  constexpr std::uint64_t kCalls = 5'000;
  ExpectAnswersBeside([&](Deadline) {
    HostileClient hostile(manager_);
    auto object = hostile.Object(queue_.referent()->id());
    std::vector<kj::Promise<void>> calls;
    // Numbers of which many hash tables make one bucket.
    for (std::uint64_t i = 0; i < kCalls; ++i)
      calls.push_back(hostile.Call(object, "get", i << 32));
    hostile.Flush();
  });
}

// Objects that are kept for other processes made each request for an object slow.
TEST_F(WitnessTest, ObjectsThatAreKeptForNobody) {
  constexpr int kRequests = 5'000;
  ExpectAnswersBeside([&](Deadline) {
    HostileClient hostile(manager_);
    auto session = hostile.Session();
    std::vector<kj::Promise<void>> kept;
    for (int i = 0; i < kRequests; ++i) {
      auto request = session.keepRequest();
      request.setId(queue_.referent()->id());
      kept.push_back(request.send().ignoreResult());
    }
    kj::joinPromises(kj::heapArray<kj::Promise<void>>(std::make_move_iterator(kept.begin()),
                                                      std::make_move_iterator(kept.end())))
        .wait(hostile.scope());
  });
}

// The words of a message of one segment. All elements of its lists of structs get the pointers of
// the first element.
class Sharing {
 public:
  explicit Sharing(std::span<std::uint64_t> words) : words_(words) { Visit(0); }

 private:
  static constexpr std::uint64_t kStruct = 0;
  static constexpr std::uint64_t kList = 1;
  static constexpr std::uint64_t kComposite = 7;

  // The word that a pointer points to.
  static std::size_t TargetOf(std::size_t at, std::uint64_t pointer) {
    return at + 1 + static_cast<std::size_t>(static_cast<std::uint32_t>(pointer) >> 2);
  }
  static std::size_t DataWords(std::uint64_t pointer) { return pointer >> 32 & 0xffff; }
  static std::size_t Pointers(std::uint64_t pointer) { return pointer >> 48; }

  void VisitStruct(std::size_t at, std::uint64_t sizes) {
    for (std::size_t i = 0; i < Pointers(sizes); ++i) Visit(at + DataWords(sizes) + i);
  }
  void Visit(std::size_t at) {
    const std::uint64_t pointer = words_[at];
    if (pointer == 0) return;
    const std::size_t target = TargetOf(at, pointer);
    if ((pointer & 3) == kStruct) return VisitStruct(target, pointer);
    if ((pointer & 3) != kList || (pointer >> 32 & 7) != kComposite) return;
    const std::uint64_t tag = words_[target];
    const std::size_t count = static_cast<std::uint32_t>(tag) >> 2;
    const std::size_t size = DataWords(tag) + Pointers(tag);
    if (count == 0) return;
    const std::size_t first = target + 1;
    VisitStruct(first, tag);
    for (std::size_t i = first + DataWords(tag); i < first + size; ++i) {
      if (words_[i] == 0) continue;
      for (std::size_t element = 1; element < count; ++element) {
        const std::size_t other = i + element * size;
        const std::uint64_t offset = TargetOf(i, words_[i]) - other - 1;
        words_[other] =
            words_[i] >> 32 << 32 | static_cast<std::uint32_t>(offset << 2) | (words_[i] & 3);
      }
    }
  }

  const std::span<std::uint64_t> words_;
};

// A call whose argument is a list of lists of lists … of texts, all of which are one.
RawMessages ExpandingCalls(std::uint64_t id) {
  constexpr std::uint32_t kFind = 1, kCall = 2;
  constexpr unsigned kWidth = 30, kDepth = 8;
  RawMessages messages;
  messages.Bootstrap();
  {
    capnp::MallocMessageBuilder message;
    auto call = message.initRoot<capnp::rpc::Message>().initCall();
    call.setQuestionId(kFind);
    call.initTarget().initPromisedAnswer().setQuestionId(0);
    call.setInterfaceId(capnp::typeId<schema::Session>());
    call.setMethodId(1);
    call.initParams().getContent().initAs<schema::Session::ObjectParams>().setId(id);
    RawMessages::AppendTo(messages.begin, message);
  }
  capnp::MallocMessageBuilder message(std::uint32_t{1} << 16);
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(kCall);
  auto target = call.initTarget().initPromisedAnswer();
  target.setQuestionId(kFind);
  target.initTransform(1)[0].setGetPointerField(0);
  call.setInterfaceId(capnp::typeId<schema::Object>());
  call.setMethodId(0);
  auto params = call.initParams().getContent().initAs<schema::Object::CallParams>();
  params.setCall(1);
  auto operation = params.initRequest().initOperations(1)[0];
  operation.setKind(schema::Operation::Kind::CALL);
  operation.setName("put");
  auto list = operation.initArguments(1)[0].initList(kWidth);
  for (unsigned depth = 1; depth < kDepth; ++depth) {
    for (unsigned i = 1; i < kWidth; ++i) list[i].initList(0);
    list = list[0].initList(kWidth);
  }
  for (unsigned i = 0; i < kWidth; ++i) list[i].setText("");
  list[0].setText(std::string(20'000, 'x'));
  auto words = capnp::messageToFlatArray(message);
  // Behind the table of segments, of which there is one.
  Sharing(std::span(reinterpret_cast<std::uint64_t*>(words.begin()) + 1, words.size() - 1));
  messages.repeated.append(words.asBytes().asChars().begin(), words.asBytes().size());
  messages.Finish(kCall);
  return messages;
}

// 29 KB became 1.1 GiB in the manager.
TEST_F(WitnessTest, MessagesThatExpand) {
  const RawMessages messages = ExpandingCalls(queue_.referent()->id());
  ASSERT_LT(messages.repeated.size(), 29'000u);
  ExpectAnswersBeside([&](Deadline end) {
    const Flood flood(HostileClient::Connect(manager_), messages);
    remoteobj_testing::Eventually("the time is over, or the manager hangs up",
                                  [&] { return end.expired() || flood.hung_up(); });
  });
}

}  // namespace
}  // namespace remoteobj
