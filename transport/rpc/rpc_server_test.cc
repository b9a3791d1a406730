// SPDX-License-Identifier: MIT
//
// Clients that mean harm, or are broken: without the key, and with it. Whatever they do the server
// lives, and others are served.
#include "remoteobj/transport/rpc/internal/rpc_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "capnp/message.h"
#include "capnp/rpc.capnp.h"
#include "capnp/serialize.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/rpc_service_testing.h"
#include "remoteobj/transport/shared_memory/internal/polled_channel.h"
#include "remoteobj/transport/shared_memory/internal/region.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/walk_testing.h"

namespace remoteobj::transport_internal {
namespace {

constexpr absl::Duration kWatchdog = absl::Seconds(60);
constexpr std::size_t kMostMessageBytes = 1 << 20;
const char kKey[] = "the key of this test";

Deadline Watchdog() { return Deadline::After(kWatchdog); }

class RpcServerTest : public testing::Test {
 protected:
  explicit RpcServerTest(absl::Duration hello_timeout = absl::Hours(1))
      : server_(service_, {.address = Address::Parse(absl::StrCat("unix-abstract:remoteobj-test-",
                                                                  std::random_device()(), "-",
                                                                  Deadline::Now().nanos())),
                           .key = kKey,
                           .max_message_bytes = kMostMessageBytes,
                           .hello_timeout = hello_timeout}),
        thread_([this] { server_.Run(); }) {
    for (const bool shared_memory : {true, false}) {
      witnesses_.push_back(std::make_unique<Witness>(RpcClientOptions{
          .address = server_.address(), .key = kKey, .shared_memory = shared_memory}));
    }
  }
  ~RpcServerTest() override {
    server_.Stop();
    thread_.join();
  }

  // Only those of the two clients that mean well are left.
  void AwaitTwoSessions() {
    remoteobj_testing::Eventually("there are two sessions", [&] { return service_.sessions == 2; });
  }

  // The server is well, and has no other sessions.
  void TearDown() override {
    for (const auto& witness : witnesses_) witness->AwaitAnswers();
    AwaitTwoSessions();
    for (const auto& witness : witnesses_) EXPECT_EQ(witness->failures(), 0);
    witnesses_.clear();
  }

  Socket Connect() { return ConnectTo(server_.address(), Watchdog()); }
  HelloGreeting ReadGreeting(const Socket& socket) {
    HelloGreeting greeting;
    ReadAll(socket.fd(), greeting, Watchdog(), nullptr);
    return greeting;
  }
  // A connection past its hello; with shared memory if there is a place for its descriptors.
  Socket Authenticated(std::vector<int>* descriptors = nullptr, HelloAnswer* said = nullptr) {
    Socket socket = Connect();
    ClientHello hello({.key = kKey, .shared_memory = descriptors != nullptr});
    const HelloAnswer answer = hello.Answer(ReadGreeting(socket));
    if (said != nullptr) *said = answer;
    WriteAll(socket.fd(), answer, Watchdog());
    HelloReply reply;
    ReadAll(socket.fd(), reply, Watchdog(), descriptors);
    hello.Finish(reply);
    return socket;
  }
  static void Send(const Socket& socket, std::span<const std::byte> bytes) {
    WriteAll(socket.fd(), bytes, Watchdog());
  }
  static void Send(const Socket& socket, capnp::MessageBuilder& message) {
    const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
    Send(socket, std::as_bytes(std::span(words.begin(), words.size())));
  }
  // Reads to the end of the connection; true if it comes.
  static bool IsHungUp(const Socket& socket) {
    for (;;) {
      pollfd wait{socket.fd(), POLLIN, 0};
      if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(kWatchdog))) <= 0) return false;
      std::array<char, 4096> bytes;
      const ssize_t got = read(socket.fd(), bytes.data(), bytes.size());
      if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
      if (got < 0 && errno != EAGAIN) return false;
    }
  }
  void ExpectRefused(const HelloOptions& options) {
    const Socket socket = Connect();
    ClientHello hello(options);
    HelloGreeting greeting = ReadGreeting(socket);
    // One without a key does not believe that the server has one.
    if (options.key.empty()) greeting[16] &= ~std::byte{1};
    Send(socket, hello.Answer(greeting));
    HelloReply reply;
    ReadAll(socket.fd(), reply, Watchdog(), nullptr);
    EXPECT_THROW(hello.Finish(reply), std::runtime_error);
    EXPECT_TRUE(IsHungUp(socket));
  }
  void AwaitAnswers() {
    for (const auto& witness : witnesses_) witness->AwaitAnswers();
  }

  TestService service_;
  RpcServer server_;
  std::thread thread_;
  std::vector<std::unique_ptr<Witness>> witnesses_;
};

TEST_F(RpcServerTest, NobodyGetsInWithoutTheKey) {
  ExpectRefused({.key = "another key"});
  ExpectRefused({.key = "another key", .shared_memory = true});
  ExpectRefused({.key = ""});
}

TEST_F(RpcServerTest, AHelloThatIsSaidAgainIsRefused) {
  HelloAnswer said;
  const Socket good = Authenticated(nullptr, &said);
  const Socket bad = Connect();
  ReadGreeting(bad);
  Send(bad, said);
  EXPECT_TRUE(IsHungUp(bad));
}

TEST_F(RpcServerTest, WhatIsNoHelloIsRefused) {
  std::minstd_rand random(1);
  for (int i = 0; i < 50; ++i) {
    const Socket socket = Connect();
    std::vector<std::byte> bytes(kAnswerBytes + random() % 1000);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    Send(socket, bytes);
    EXPECT_TRUE(IsHungUp(socket));
  }
}

// The greeting could not be written, and that ended the loop that accepts: nobody got in any more.
TEST_F(RpcServerTest, AClientThatIsGoneBeforeItIsGreetedDoesNotEndTheAccepting) {
  for (int i = 0; i < 1000; ++i) Connect();
  const Socket socket = Authenticated();
}

// A bug dropped only one of the connections that were accepted in one turn.
TEST_F(RpcServerTest, SilentConnectionsAreDroppedOldestFirst) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  // This process has both ends of them, if those of the server's only for a while.
  const std::size_t many = std::min<std::size_t>(10'000, files.rlim_cur / 2);
  std::vector<Socket> silent;
  for (std::size_t i = 0; i < many; ++i) silent.push_back(Connect());
  std::printf("%zu connections that say nothing\n", many);
  AwaitAnswers();
  for (std::size_t i = 0; i + 1000 < many; ++i) EXPECT_TRUE(IsHungUp(silent[i]));
  const Socket socket = Authenticated();
  // The last ones may speak yet.
  ClientHello hello({.key = kKey});
  Send(silent.back(), hello.Answer(ReadGreeting(silent.back())));
  HelloReply reply;
  ReadAll(silent.back().fd(), reply, Watchdog(), nullptr);
  hello.Finish(reply);
}

class ImpatientRpcServerTest : public RpcServerTest {
 protected:
  ImpatientRpcServerTest() : RpcServerTest(absl::Milliseconds(200)) {}
};

TEST_F(ImpatientRpcServerTest, AHelloThatDoesNotEndIsCutOff) {
  const Socket silent = Connect();
  const Socket slow = Connect();
  ClientHello hello({.key = kKey});
  const HelloAnswer answer = hello.Answer(ReadGreeting(slow));
  std::size_t sent = 0;
  for (; sent + 1 < answer.size(); ++sent) {
    if (send(slow.fd(), &answer[sent], 1, MSG_NOSIGNAL) != 1) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(IsHungUp(slow));
  EXPECT_TRUE(IsHungUp(silent));
}

TEST_F(RpcServerTest, GarbageAfterTheHello) {
  std::minstd_rand random(2);
  for (int i = 0; i < 200; ++i) {
    const Socket socket = Authenticated();
    std::vector<std::byte> bytes(random() % 3000);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    // The beginning of every other message declares one segment, of that size.
    if (i % 2 == 0 && bytes.size() >= 8) {
      const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(bytes.size() / 8 - 1)};
      std::memcpy(bytes.data(), table, sizeof table);
    }
    Send(socket, bytes);
    shutdown(socket.fd(), SHUT_WR);
    EXPECT_TRUE(IsHungUp(socket));
  }
}

TEST_F(RpcServerTest, AMessageThatIsCutShort) {
  capnp::MallocMessageBuilder message;
  message.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  const auto bytes = std::as_bytes(std::span(words.begin(), words.size()));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Socket socket = Authenticated();
    Send(socket, bytes.first(size));
    // Half of them hang up in the middle.
    if (size % 2 == 0) continue;
    shutdown(socket.fd(), SHUT_WR);
    EXPECT_TRUE(IsHungUp(socket));
  }
}

TEST_F(RpcServerTest, AMessageLargerThanAllowedIsNotAwaited) {
  const Socket socket = Authenticated();
  const std::uint32_t table[2] = {0, kMostMessageBytes / 8 + 1};
  Send(socket, std::as_bytes(std::span(table)));
  EXPECT_TRUE(IsHungUp(socket));
  const Socket many = Authenticated();
  const std::uint32_t segments[2] = {0xfffffffe, 1};
  Send(many, std::as_bytes(std::span(segments)));
  EXPECT_TRUE(IsHungUp(many));
}

TEST_F(RpcServerTest, MessagesWithBadPointers) {
  std::minstd_rand random(3);
  capnp::MallocMessageBuilder message;
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(7);
  call.initTarget().setImportedCap(0);
  call.setInterfaceId(1);
  call.initParams().initCapTable(3);
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  for (int i = 0; i < 200; ++i) {
    const Socket socket = Authenticated();
    capnp::MallocMessageBuilder bootstrap;
    bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
    Send(socket, bootstrap);
    const auto good = std::as_bytes(std::span(words.begin(), words.size()));
    std::vector<std::byte> bad(good.begin(), good.end());
    for (int changes = 0; changes < 4; ++changes) {
      bad[8 + random() % (bad.size() - 8)] = static_cast<std::byte>(random());
    }
    Send(socket, bad);
    shutdown(socket.fd(), SHUT_WR);
    EXPECT_TRUE(IsHungUp(socket));
  }
}

TEST_F(RpcServerTest, ObjectsThatDoNotExist) {
  const auto client = RpcClient::Connect({.address = server_.address(), .key = kKey});
  EXPECT_THROW(client->Object(4711, "Target", Watchdog()), StaleReference);
  EXPECT_THROW(client->Object(~std::uint64_t{0}, "Target", Watchdog()), StaleReference);
  // A capability that it was never given.
  const Socket socket = Authenticated();
  capnp::MallocMessageBuilder message;
  auto call = message.initRoot<capnp::rpc::Message>().initCall();
  call.setQuestionId(7);
  call.initTarget().setImportedCap(4711);
  Send(socket, message);
  shutdown(socket.fd(), SHUT_WR);
  EXPECT_TRUE(IsHungUp(socket));
}

std::size_t ResidentBytes() {
  std::size_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// The answers were kept without end.
TEST_F(RpcServerTest, AClientThatDoesNotReadIsNotReadFromEither) {
  const Socket socket = Authenticated();
  capnp::MallocMessageBuilder bootstrap;
  bootstrap.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
  Send(socket, bootstrap);
  const std::size_t before = ResidentBytes();
  std::size_t sent = 0;
  // Until the server takes no more, for half a second.
  for (std::uint32_t question = 1; sent < (64u << 20); ++question) {
    capnp::MallocMessageBuilder message;
    auto call = message.initRoot<capnp::rpc::Message>().initCall();
    call.setQuestionId(question);
    call.initTarget().initPromisedAnswer().setQuestionId(0);
    call.setInterfaceId(4711);
    call.initParams();
    const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
    try {
      WriteAll(socket.fd(), std::as_bytes(std::span(words.begin(), words.size())),
               Deadline::After(absl::Milliseconds(500)));
    } catch (const DeadlineExceeded&) {
      break;
    }
    sent += words.size() * 8;
  }
  const std::size_t after = ResidentBytes();
  std::printf("sent %zu KiB, %zu KiB more in memory\n", sent >> 10,
              (std::max(before, after) - before) >> 10);
  EXPECT_LT(sent, 64u << 20);
  AwaitAnswers();
}

// Shared memory

struct Memory {
  explicit Memory(const std::vector<int>& descriptors)
      : region(descriptors.at(0), Origin::kStranger), bell(descriptors.at(1)) {}
  void Ring() {
    // One that is full has been rung.
    [[maybe_unused]] const ssize_t sent = send(bell.fd(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  Region region;
  Socket bell;
};

TEST_F(RpcServerTest, AClientThatScribblesOverItsMemory) {
  std::vector<int> descriptors;
  const Socket socket = Authenticated(&descriptors);
  Memory memory(descriptors);
  auto* const all = reinterpret_cast<std::uint32_t*>(&memory.region.header());
  const std::size_t words = (sizeof(Header) + kSlots * sizeof(Slot)) / sizeof *all;
  std::minstd_rand random(4);
  for (int round = 0; round < 200; ++round) {
    for (std::size_t i = 0; i < words; ++i) {
      std::atomic_ref<std::uint32_t>(all[i]).store(static_cast<std::uint32_t>(random()) * 3,
                                                   std::memory_order_relaxed);
    }
    // No sizes at which the server would have to copy hundreds of megabytes each time.
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      std::atomic<std::uint32_t>& size = memory.region.slot(slot).request.size;
      size = size % 2000;
    }
    memory.Ring();
  }
  AwaitAnswers();
}

TEST_F(RpcServerTest, AClientThatSetsSizesAndStatesToAnything) {
  std::vector<int> descriptors;
  const Socket socket = Authenticated(&descriptors);
  Memory memory(descriptors);
  std::minstd_rand random(5);
  const std::array<std::uint32_t, 8> sizes = {
      0, 1, kSlotWords - 1, kSlotWords, kSlotWords + 1, 100'000, 0x7fffffff, 0xffffffff};
  const std::array<Identity, 6> owners = {0,          Self(),       IdentityOf(1),
                                          Self() + 1, ~Identity{0}, (Identity{1} << 22) | 0x3fffff};
  for (int round = 0; round < 20'000; ++round) {
    Slot& slot = memory.region.slot(static_cast<unsigned>(random() % kSlots));
    slot.owner.store(owners[random() % owners.size()]);
    slot.request.size = sizes[random() % sizes.size()];
    slot.outcome.size = sizes[random() % sizes.size()];
    slot.outcome.verdict = static_cast<Verdict>(random() % 4);
    slot.request_in_window = static_cast<std::uint32_t>(random() % 2);
    slot.retained_blocks[random() % 2] = static_cast<std::uint32_t>(random());
    slot.request.words[random() % 8] = random() % 4 == 0 ? random() * random() : 0;
    slot.request.cpu.store(static_cast<std::uint32_t>(random()));
    slot.request.state.store(static_cast<std::uint32_t>(random() % 16));
    memory.region.header().doorbell.store(random() % 2 == 0 ? ~std::uint64_t{0} : random());
    memory.region.header().sleeping.store(static_cast<std::uint32_t>(random() % 2));
    if (random() % 16 == 0) memory.region.header().generation.store(random() % 4);
    if (random() % 64 == 0) memory.region.header().listener.store(owners[random() % 6]);
    memory.Ring();
  }
  AwaitAnswers();
}

TEST_F(RpcServerTest, AClientCannotTakeTheMemoryAway) {
  std::vector<int> descriptors;
  const Socket socket = Authenticated(&descriptors);
  const Memory memory(descriptors);
  EXPECT_NE(ftruncate(memory.region.fd(), 0), 0);
  EXPECT_NE(ftruncate(memory.region.fd(), off_t{1} << 50), 0);
}

// It came back although it had been received: the client, on its way to death, had the slot for its
// next call, and looked alive.
TEST_F(RpcServerTest, WhatAClientHasReceivedDoesNotComeBackWhenItIsKilled) {
  for (const auto& witness : witnesses_) witness->Pause();
  const int before = service_.given_back;
  {
    std::vector<int> descriptors;
    const Socket socket = Authenticated(&descriptors);
    const Socket bell(descriptors.at(1));
    const auto channel = AttachPolled(descriptors.at(0), bell.fd());
    channel->Call(
        [](RequestWriter request) {
          request.Operations(1).Set(0, OperationKind::kCall, "hello", 0);
        },
        [](const OutcomeReader&) {}, Watchdog());
    Region region(dup(descriptors.at(0)), Origin::kStranger);
    for (unsigned slot = 0; slot < kSlots; ++slot) region.slot(slot).owner.store(Self());
  }
  AwaitTwoSessions();
  EXPECT_EQ(service_.given_back, before);
  for (const auto& witness : witnesses_) witness->GoOn();
}

// A bug: it did, if an earlier call was refused.
TEST_F(RpcServerTest, WhatAClientHasReceivedDoesNotComeBackWhenItsNextCallIsRefused) {
  for (const auto& witness : witnesses_) witness->Pause();
  const int before = service_.given_back;
  for (int round = 0; round < 300; ++round) {
    std::vector<int> descriptors;
    Socket socket = Authenticated(&descriptors);
    const Socket bell(descriptors.at(1));
    const auto channel = AttachPolled(descriptors.at(0), bell.fd());
    const auto hello = [](std::size_t operations) {
      return [operations](RequestWriter request) {
        const OperationsWriter out = request.Operations(operations);
        for (std::size_t i = 0; i < operations; ++i) out.Set(i, OperationKind::kCall, "hello", 0);
      };
    };
    channel->Start(hello(1), Watchdog())->Finish([](const OutcomeReader&) {}, Watchdog());
    if (round % 2 == 0) shutdown(socket.fd(), SHUT_RDWR);
    try {
      const auto next = channel->Start(hello(4), Watchdog());  // In the same slot; it is refused.
      socket = Socket();
    } catch (const NotListening&) {
      // The server was faster.
    }
  }
  AwaitTwoSessions();
  EXPECT_EQ(service_.given_back, before);
  for (const auto& witness : witnesses_) witness->GoOn();
}

// O_NONBLOCK is a flag of the open file. When both shared it, the server slept in its read() for
// ever.
TEST_F(RpcServerTest, AClientThatMakesTheBellBlocking) {
  std::vector<int> descriptors;
  const Socket socket = Authenticated(&descriptors);
  Memory memory(descriptors);
  ASSERT_EQ(fcntl(memory.bell.fd(), F_SETFL, 0), 0);
  std::minstd_rand random(6);
  for (int round = 0; round < 500; ++round) {
    memory.Ring();
    // Long enough that the server has been told of the ring, and may not have come to read it yet.
    const auto wait = Deadline::After(absl::Nanoseconds(random() % 60'000));
    while (!wait.expired()) {
    }
    std::uint64_t count;
    [[maybe_unused]] const ssize_t drained =
        recv(memory.bell.fd(), &count, sizeof count, MSG_DONTWAIT);
    AwaitAnswers();
  }
}

// The other way round: the listener is the one that is not trusted.
class HostileListenerTest : public testing::Test {
 protected:
  HostileListenerTest() {
    listener_.Open();
    EXPECT_TRUE(listener_.Arm());
    channel_ = AttachPolled(dup(listener_.fd()), bell_[1].fd());
    // It has both ends, and so can change the flags of the caller's.
    EXPECT_EQ(fcntl(bell_[1].fd(), F_SETFL, 0), 0);
  }
  void ExpectLate() {
    EXPECT_THROW(channel_->Call(
                     [](RequestWriter request) {
                       request.Operations(1).Set(0, OperationKind::kCall, "hello", 0);
                     },
                     [](const OutcomeReader&) {}, Deadline::After(absl::Milliseconds(100))),
                 DeadlineExceeded);
  }

  PolledListener listener_;
  // Returns when the bell takes no further byte.
  void Fill() {
    const std::array<char, 4096> bytes = {};
    while (send(bell_[1].fd(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
    while (send(bell_[1].fd(), bytes.data(), 1, MSG_DONTWAIT) > 0) {
    }
  }

  std::array<Socket, 2> bell_ = NewBellBetweenPrograms();
  std::shared_ptr<Channel> channel_;
};

TEST_F(HostileListenerTest, AFullBellBlockedTheCallInSpiteOfItsDeadline) {
  Fill();
  ExpectLate();
}

// There was room when the caller looked, and none when it wrote.
TEST_F(HostileListenerTest, ABellThatIsFilledBetweenTheLookAndTheWrite) {
  std::atomic<bool> stop{false};
  std::thread attack([&] {
    std::array<char, 1 << 16> bytes;
    while (!stop) {
      Fill();
      while (recv(bell_[0].fd(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
      }
    }
  });
  for (int i = 0; i < 20; ++i) ExpectLate();
  stop = true;
  attack.join();
}

TEST_F(HostileListenerTest, AStateThatNoCallHasMadeTheCallSpinInSpiteOfItsDeadline) {
  for (const Phase phase : {Phase::kIdle, Phase::kAbandoned, static_cast<Phase>(7)}) {
    std::atomic<bool> stop{false};
    std::thread attack([&] {
      Region region(dup(listener_.fd()), Origin::kStranger);
      while (!stop) {
        for (unsigned slot = 0; slot < kSlots; ++slot) {
          std::atomic<std::uint32_t>& state = region.slot(slot).request.state;
          if (PhaseOf(state.load()) == Phase::kRequested) state.store(StateOf(phase));
        }
      }
    });
    ExpectLate();
    stop = true;
    attack.join();
  }
}

// A client that is not trusted, with a listener.
class HostileCallerTest : public testing::Test, protected PolledHandler {
 protected:
  HostileCallerTest() { listener_.Open(); }

  void Took(unsigned) override {}
  HeapMessage* Evaluate(unsigned, const RequestReader& request) override {
    ++evaluated_;
    try {
      Walk(request);
    } catch (const BadValue&) {
      ++bad_;
    }
    return nullptr;
  }
  void Answered(unsigned, bool) override {}
  blkcnt_t Blocks() {
    struct stat file = {};
    EXPECT_EQ(fstat(listener_.fd(), &file), 0);
    return file.st_blocks;
  }

  PolledListener listener_;
  int evaluated_ = 0;
  int bad_ = 0;
};

// They cost the client nothing, and the server 1 GiB each.
TEST_F(HostileCallerTest, RequestsThatAreHolesAreNotRead) {
  const auto bell = NewBellBetweenPrograms();
  const auto channel = AttachPolled(dup(listener_.fd()), bell[1].fd());
  Region region(dup(listener_.fd()), Origin::kStranger);
  const auto call = channel->Start(
      [](RequestWriter request) { request.Operations(1).Set(0, OperationKind::kCall, "hello", 0); },
      Watchdog());
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (region.slot(slot).request.size.load() != 0) region.slot(slot).request.size = 1 << 27;
  }
  const blkcnt_t before = Blocks();
  EXPECT_TRUE(listener_.Poll(*this));
  EXPECT_EQ(evaluated_, 0);
  EXPECT_LE(Blocks(), before + 64);
  EXPECT_THROW(call->Finish([](const OutcomeReader&) {}, Watchdog()), GoAnotherWay);
}

// Lists of two whose elements are one and the same list of two, and so on: 4 KB that are 2^40
// values.
TEST_F(HostileCallerTest, ARequestInSharedMemoryThatUnfoldsToMoreThanFits) {
  constexpr int kDepth = 40;
  const auto bell = NewBellBetweenPrograms();
  const auto channel = AttachPolled(dup(listener_.fd()), bell[1].fd());
  Region region(dup(listener_.fd()), Origin::kStranger);
  const auto call = channel->Start(
      [](RequestWriter request) {
        const OperationsWriter operations = request.Operations(1);
        operations.Set(0, OperationKind::kCall, "put", 0);
        ListWriter list = operations.Arguments(0, 2);
        for (int i = 0; i < kDepth; ++i) list = list[0].List(2);
      },
      Watchdog());
  // A list is a tag (of two structs, of two words of data and a pointer) and its elements.
  constexpr Word kTag = Word{2} << 2 | Word{2} << 32 | Word{1} << 48;
  int lists = 0;
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    RequestSlot& request = region.slot(slot).request;
    const std::uint32_t size = request.size.load();
    ASSERT_LE(size, kSlotWords);
    for (std::uint32_t at = 0; at + 6 < size; ++at) {
      Word* const list = &request.words[at];
      if (list[0] != kTag || list[3] == 0) continue;
      std::copy_n(list + 1, 3, list + 4);
      list[6] -= 3 << 2;  // An offset from there.
      ++lists;
      at += 6;
    }
  }
  EXPECT_EQ(lists, kDepth);
  EXPECT_TRUE(listener_.Poll(*this));
  EXPECT_EQ(evaluated_, 1);
  EXPECT_EQ(bad_, 1);
  EXPECT_THROW(call->Finish([](const OutcomeReader&) {}, Watchdog()), GoAnotherWay);
}

TEST(RpcServerKeysTest, AServerKnowsTheKeyAndTheUserOfAClient) {
  TestService service;
  RpcServer server(service, {.address = Address::Parse(absl::StrCat(
                                 "unix-abstract:remoteobj-test-keys-", std::random_device()())),
                             .key = kKey,
                             .named_keys = {{"reader", "the key of readers"}}});
  std::thread thread([&] { server.Run(); });
  const auto peer_with = [&](const std::string& key) {
    const auto client = RpcClient::Connect({.address = server.address(), .key = key});
    client->Ping(Watchdog());
    return service.last_peer;
  };
  EXPECT_EQ(peer_with(kKey).key_name, "");
  const PeerInfo reader = peer_with("the key of readers");
  EXPECT_EQ(reader.key_name, "reader");
  EXPECT_EQ(reader.uid, geteuid());
  EXPECT_EQ(reader.pid, getpid());
  EXPECT_THROW(peer_with("the key of nobody"), AuthenticationError);
  server.Stop();
  thread.join();
}

// Answers as a server does, but with 40 descriptors instead of two, and then hangs up.
TEST(RpcConnectionTest, AnImposterLeftDescriptorsWithAClient) {
  SocketFile file;
  const Address address = Address::Parse(absl::StrCat("unix-abstract:imposter-", getpid()));
  Address bound = address;
  const Socket listening = ListenAt(address, bound, file);
  const auto open_descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = open_descriptors();
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::thread imposter([&] {
      pollfd wait{listening.fd(), POLLIN, 0};
      poll(&wait, 1, -1);
      const Socket socket(accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      ServerHello hello({.shared_memory = true});
      WriteAll(socket.fd(), hello.Greeting(), Watchdog());
      HelloAnswer answer;
      ReadAll(socket.fd(), answer, Watchdog(), nullptr);
      const HelloReply reply = hello.Check(answer).reply;
      for (int i = 0; i < 10; ++i) {
        SendWithDescriptors(socket.fd(), std::span(reply).subspan(static_cast<std::size_t>(i), 1),
                            std::array{1, 1, 1, 1});
      }
    });
    EXPECT_THROW(RpcClient::Connect({.address = address, .shared_memory = true}), CallError);
    imposter.join();
  }
  EXPECT_EQ(open_descriptors(), before);
}

// More of it than its bell holds, and more than the server reads at once.
TEST_F(RpcServerTest, AClientThatRingsWithoutEnd) {
  std::vector<int> descriptors;
  const Socket socket = Authenticated(&descriptors);
  const Memory memory(descriptors);
  const std::array<char, 1 << 16> bytes = {};
  for (int i = 0; i < 10'000; ++i) {
    [[maybe_unused]] const ssize_t sent =
        send(memory.bell.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  }
  AwaitAnswers();
}

}  // namespace
}  // namespace remoteobj::transport_internal
