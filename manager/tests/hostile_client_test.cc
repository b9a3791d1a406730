// SPDX-License-Identifier: MIT
//
// A client that has the key and speaks the protocol by itself, against its rules. The manager and
// its other clients are not affected.
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "capnp/capability.h"
#include "gtest/gtest.h"
#include "kj/async.h"
#include "kj/exception.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/quotas.h"
#include "remoteobj/manager/tests/hostile_client_testing.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/process/process.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/client_link.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj {
namespace {

using manager_internal::AwaitWaiting;
using manager_internal::Flood;
using manager_internal::HostileClient;
using manager_internal::kKey;

// The manager forgot the first of the calls, which stayed in the queue's line for ever.
TEST(HostileClientTest, CallsOfOneNumberDoNotOutliveTheClient) {
  Manager manager("", {.authkey = kKey});
  const auto queue = manager.Queue<int>();
  {
    HostileClient hostile(manager);
    auto object = hostile.Object(queue.referent()->id());
    const auto first = hostile.Call(object, "get", 7);
    for (int i = 0; i < 10; ++i) {
      EXPECT_THROW(hostile.Call(object, "get", 7).wait(hostile.scope()), kj::Exception);
    }
    EXPECT_EQ(manager_internal::Waiting(manager), 1u);
  }
  AwaitWaiting(manager, 0);
  queue->put(5);
  EXPECT_EQ(queue->get(), 5);
}

TEST(HostileClientTest, ANumberIsFreeWhenItsCallWasAnswered) {
  Manager manager("", {.authkey = kKey});
  const auto event = manager.Event();
  HostileClient client(manager);
  auto object = client.Object(event.referent()->id());
  for (int i = 0; i < 3; ++i) {
    auto wait = client.Call(object, "wait", 7);
    client.Flush();
    EXPECT_EQ(manager_internal::Waiting(manager), 1u);
    event->set();
    wait.wait(client.scope());
    event->clear();
  }
}

// Objects that were kept for other clients were searched one by one.
TEST(HostileClientTest, ObjectsThatAreKeptForNobodyDoNotKeepOthersFromTheirs) {
  Manager manager("", {.authkey = kKey});
  const auto queue = manager.Queue<int>();
  HostileClient hostile(manager);
  constexpr int kRequests = 1000;
  for (int i = 0; i < kRequests; ++i) {
    auto request = hostile.Session().keepRequest();
    request.setId(queue.referent()->id());
    request.send().ignoreResult().wait(hostile.scope());
  }
  manager.Publish("queue", queue);
  std::thread([&] {
    Manager::Connect(manager.address(), {.authkey = kKey}).Get<Queue<int>>("queue")->put(1);
  }).join();
  EXPECT_EQ(queue->get(), 1);
}

// A bug: the charge for an object ended when the client asked for the object.
TEST(HostileClientTest, ObjectsThatAreKeptAndAskedForWithoutEnd) {
  Manager manager("", {.authkey = kKey, .quotas = {.kept = 3}});
  const auto queue = manager.Queue<int>();
  HostileClient hostile(manager);
  const auto kept = [&] {
    auto request = hostile.Session().keepRequest();
    request.setId(queue.referent()->id());
    const bool kept = request.send().wait(hostile.scope()).isKept();
    hostile.Object(queue.referent()->id());
    return kept;
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(kept());
  EXPECT_FALSE(kept());
  EXPECT_EQ(queue->size(), 0u);
}

// The size of the manager's memory of that kind, in bytes.
std::int64_t Memory(const Manager& manager, const std::string& kind) {
  std::ifstream status("/proc/" + std::to_string(manager.pid()) + "/status");
  for (std::string word; status >> word;) {
    std::int64_t kibibytes = 0;
    if (word == kind + ":" && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

// Each of them took 1 GiB, of which a manager with a limit of memory has few.
TEST(HostileClientTest, MessagesThatAreAnnouncedAndDoNotCome) {
  constexpr int kConnections = 50;
  Manager manager("", {.authkey = kKey});
  const auto queue = manager.Queue<int>();
  std::vector<transport_internal::Socket> hostile;
  const std::int64_t before = Memory(manager, "VmSize");
  for (int i = 0; i < kConnections; ++i) {
    hostile.push_back(HostileClient::Connect(manager));
    const std::array<std::uint32_t, 2> header = {0, (std::uint32_t{1} << 27) - 1};
    transport_internal::WriteAll(hostile.back().fd(), std::as_bytes(std::span(header)),
                                 Deadline::After(absl::Minutes(1)));
  }
  // The manager has received them when it has answered later calls by socket.
  const auto other = Manager::Connect(manager.address(), {.authkey = kKey, .shared_memory = false});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.Names().size(), 0u);
  EXPECT_LT(Memory(manager, "VmSize") - before, kConnections * (std::int64_t{64} << 20));
  queue->put(1);
  EXPECT_EQ(queue->get(), 1);
}

// They were kept until the client's end: back-pressure stops calls that come later, but not the
// outcomes of those which wait.
TEST(HostileClientTest, OutcomesOfWaitingCallsThatAreNotRead) {
  constexpr std::size_t kItem = 1 << 20;
  constexpr std::uint64_t kItems = 30;
  Manager manager("", {.authkey = kKey, .quotas = {.message_bytes = 5 * kItem}});
  const auto queue = manager.Queue<std::string>();
  Process hostile([&] {
    HostileClient client(manager);
    auto object = client.Object(queue.referent()->id());
    std::vector<kj::Promise<void>> calls;
    for (std::uint64_t i = 0; i < kItems; ++i) calls.push_back(client.Call(object, "get", i));
    client.Flush();
    for (;;) pause();
  });
  AwaitWaiting(manager, kItems);
  for (std::uint64_t i = 0; i < kItems; ++i) queue->put(std::string(kItem, 'x'));
  EXPECT_GE(queue->size(), kItems - 6);
  EXPECT_EQ(queue->get().size(), kItem);
  hostile.Kill();
  // The items that it had been given and had not received came back.
  remoteobj_testing::Eventually("all items are back", [&] { return queue->size() == kItems - 1; });
}

// They stayed in memory until the call was finished, charged to nobody.
TEST(HostileClientTest, OutcomesThatAreReadAndNeverFinished) {
  constexpr std::size_t kItem = 1 << 20;
  constexpr std::uint64_t kItems = 30;
  Manager manager("", {.authkey = kKey, .quotas = {.message_bytes = 5 * kItem}});
  const auto queue = manager.Queue<std::string>();
  for (std::uint64_t i = 0; i < kItems; ++i) queue->put(std::string(kItem, 'x'));
  {
    HostileClient hostile(manager);
    auto object = hostile.Object(queue.referent()->id());
    std::vector<capnp::Response<schema::Object::CallResult>> outcomes;
    std::uint64_t refused = 0;
    for (std::uint64_t i = 0; i < kItems; ++i) {
      outcomes.push_back(hostile.Send(object, "get", i).wait(hostile.scope()));
      if (!outcomes.back().isFailure()) continue;
      EXPECT_EQ(outcomes.back().getFailure().getKind(), schema::Failure::Kind::QUOTA_EXCEEDED);
      ++refused;
    }
    EXPECT_GE(refused, kItems - 6);
    EXPECT_EQ(queue->size(), refused);
    // It has its quota back when it finishes them.
    outcomes.clear();
    hostile.Flush();
    EXPECT_FALSE(hostile.Send(object, "get", kItems).wait(hostile.scope()).isFailure());
  }
  remoteobj_testing::Eventually("all items are back", [&] { return queue->size() == kItems; });
}

// Each was kept beside the item, and charged to nobody, until the client acknowledged it.
TEST(HostileClientTest, OutcomesThatAreReadAndNeverAcknowledged) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator keeps what is freed";
#endif
  // The allocator returns what is freed of this size.
  constexpr std::size_t kItem = std::size_t{40} << 20;
  constexpr std::uint64_t kItems = 5;
  Manager manager("", {.authkey = kKey});
  const auto queue = manager.Queue<std::string>();
  for (std::uint64_t i = 0; i < kItems; ++i) queue->put(std::string(kItem, 'x'));
  HostileClient hostile(manager);
  auto object = hostile.Object(queue.referent()->id());
  const std::int64_t before = Memory(manager, "VmRSS");
  std::vector<schema::Receipt::Client> receipts;
  for (std::uint64_t i = 0; i < kItems; ++i) {
    receipts.push_back(
        hostile.Send(object, "get", i).wait(hostile.scope()).getAnswer().getReceipt());
  }
  hostile.Flush();
  EXPECT_EQ(queue->size(), 0u);
  EXPECT_LT(Memory(manager, "VmRSS") - before, static_cast<std::int64_t>(2 * kItem));
  receipts.clear();
  hostile.Flush();
  remoteobj_testing::Eventually("all items are back", [&] { return queue->size() == kItems; });
}

template <typename T>
concept HashTable = requires(const T& table) { table.bucket_count(); };

// They were searched one by one: with some ten thousand of them, each call took milliseconds.
TEST(HostileClientTest, CallsWhoseNumbersCollideInAHashTable) {
  static_assert(!HashTable<decltype(transport_internal::Link::waiting)>);
  constexpr std::uint64_t kCalls = 3000;
  // All of these have one bucket in tables of the sizes that libstdc++ chooses.
  constexpr std::uint64_t kStep = std::uint64_t{1109} * 2357 * 5087 * 10273;
  Manager manager("", {.authkey = kKey});
  const auto queue = manager.Queue<int>();
  HostileClient hostile(manager);
  auto object = hostile.Object(queue.referent()->id());
  std::vector<kj::Promise<void>> calls;
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    calls.push_back(hostile.Call(object, "get", i * kStep));
    hostile.FlushEachHundred(i);
  }
  EXPECT_EQ(manager_internal::Waiting(manager), kCalls);
  for (std::uint64_t i = 0; i < kCalls; ++i) {
    auto request = hostile.Session().cancelRequest();
    request.setCall(i * kStep);
    calls.push_back(request.send().ignoreResult());
    hostile.FlushEachHundred(i);
  }
  AwaitWaiting(manager, 0);
  queue->put(1);
  EXPECT_EQ(queue->get(), 1);
  for (std::uint64_t i = 0; !calls.empty(); ++i) {
    calls.pop_back();  // Sends a message.
    hostile.FlushEachHundred(i);
  }
}

// Each write waits for the one before: destroyed as they are, they would be destroyed one within
// the other, on the stack of the loop.
TEST(HostileClientTest, AClientThatHangsUpWithManyOutcomesUnread) {
  constexpr std::uint64_t kCalls = 30'000;
  Manager manager("", {.authkey = kKey});
  const auto event = manager.Event();
  const std::uint64_t id = event.referent()->id();
  remoteobj_testing::Forked child([&] {
    HostileClient hostile(manager);
    auto object = hostile.Object(id);
    std::vector<kj::Promise<void>> calls;
    for (std::uint64_t i = 0; i < kCalls; ++i) {
      calls.push_back(hostile.Call(object, "wait", i));
      hostile.FlushEachHundred(i);
    }
    pause();
  });
  AwaitWaiting(manager, kCalls);
  event->set();
  AwaitWaiting(manager, 0);
  child.Kill();
  remoteobj_testing::Eventually("the client is gone",
                                [&] { return manager.Inspect().clients.size() == 1; });
  EXPECT_TRUE(event->is_set());
}

// manager/README.md has the figures, for the default quotas.
TEST(HostileClientTest, WhatAClientCostsThatTakesAllOfItsQuotas) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's allocator takes more memory";
#endif
  malloc_trim(0);  // The manager is a fork, and would use the memory that this process has free.
  constexpr std::uint64_t kPart = 16;  // A fraction of the default quotas.
  constexpr std::int64_t kMiB = 1 << 20;
  const Quotas whole;
  const Quotas quotas{.connections = whole.connections / kPart,
                      .calls = whole.calls / kPart,
                      .call_bytes = whole.call_bytes / kPart,
                      .message_bytes = whole.message_bytes / kPart,
                      .objects = whole.objects / kPart,
                      .names = whole.names / kPart,
                      .kept = whole.kept / kPart};
  Manager manager("", {.authkey = kKey, .quotas = quotas});
  const auto event = manager.Event();
  const auto full = manager.Queue<std::string>(1);
  full->put("full");
  Process hostile([&] {
    std::int64_t total = 0;
    std::int64_t last = Memory(manager, "VmRSS");
    const auto took = [&](const char* what, std::uint64_t count) {
      const std::int64_t now = Memory(manager, "VmRSS");
      std::cout << what << ": " << static_cast<double>(now - last) / static_cast<double>(count)
                << " bytes each, " << static_cast<std::int64_t>(kPart) * (now - last) / kMiB
                << " MiB of the default quota\n";
      total += now - last;
      last = now;
    };
    const auto until_refused = [](auto take) {
      try {
        for (;;) take();
      } catch (const CallError&) {
      }
    };
    std::vector<Event> objects;
    until_refused([&] { objects.push_back(manager.Event()); });
    took("objects", quotas.objects);
    std::uint64_t name = 0;
    until_refused([&] { manager.Publish(std::to_string(++name), event); });
    took("names", quotas.names);
    {
      HostileClient client(manager);
      for (bool kept = true; kept;) {
        auto request = client.Session().keepRequest();
        request.setId(event.referent()->id());
        kept = request.send().wait(client.scope()).isKept();
      }
    }
    took("kept", quotas.kept);
    constexpr std::uint64_t kBallast = 15;
    std::vector<Future<void>> puts;
    for (std::uint64_t i = 0; i < kBallast; ++i) {
      puts.push_back(full->put.Async(std::string(static_cast<std::size_t>(kMiB), 'x')));
    }
    AwaitWaiting(manager, kBallast);
    took("call_bytes", kBallast * static_cast<std::uint64_t>(kMiB));
    std::vector<Future<bool>> calls;
    while (calls.size() + kBallast < quotas.calls) calls.push_back(event->wait.Async());
    AwaitWaiting(manager, quotas.calls);
    took("calls", quotas.calls);
    // Messages that are announced, and have nearly come.
    constexpr std::size_t kArrived = (std::size_t{4} << 20) - 4096;
    const std::string bytes(kArrived, '\0');
    std::vector<transport_internal::Socket> messages;
    until_refused([&] {
      messages.push_back(HostileClient::Connect(manager));
      const std::array<std::uint32_t, 2> header = {0, std::uint32_t{64} << 17};
      const Deadline deadline = Deadline::After(absl::Minutes(1));
      transport_internal::WriteAll(messages.back().fd(), std::as_bytes(std::span(header)),
                                   deadline);
      transport_internal::WriteAll(messages.back().fd(), std::as_bytes(std::span(bytes)), deadline);
      if (messages.size() * kArrived > quotas.message_bytes) throw NotListening("enough");
    });
    Manager::Connect(manager.address(), {.authkey = kKey, .shared_memory = false}).Names();
    took("message_bytes", quotas.message_bytes);
    std::vector<Manager> connections;
    until_refused([&] {
      connections.push_back(Manager::Connect(manager.address(), {.authkey = kKey}));
      connections.back().Names();
    });
    took("connections", connections.size());
    std::cout << "in all: " << static_cast<std::int64_t>(kPart) * total / kMiB << " MiB\n";
    if (total > 250 * kMiB) throw std::runtime_error("a client took " + std::to_string(total));
  });
  hostile.Join();
}

// A number is no right to use its object.
TEST(HostileClientTest, AClientThatGuessesTheNumbersOfObjects) {
  constexpr char kOther[] = "the key of a restricted client";
  Manager manager("", {.authkey = kKey,
                       .keys = {{.name = "other", .key = kOther, .policy = {.names = {"jobs"}}}}});
  const auto queue = manager.Queue<int>();
  HostileClient hostile(manager, kOther);
  for (std::uint64_t id = 1; id < 5; ++id) {
    auto find = hostile.Session().objectRequest();
    find.setId(id);
    const auto found = find.send().wait(hostile.scope());
    ASSERT_TRUE(found.isFailure());
    EXPECT_EQ(found.getFailure().getKind(), schema::Failure::Kind::NOT_ALLOWED);
    EXPECT_EQ(found.getFailure().getName(), "other");
    auto keep = hostile.Session().keepRequest();
    keep.setId(id);
    EXPECT_TRUE(keep.send().wait(hostile.scope()).isFailure());
  }
}

TEST(HostileClientTest, ARestrictedClientThatEndsTheManager) {
  constexpr char kOther[] = "the key of a restricted client";
  Manager manager("", {.authkey = kKey, .keys = {{.name = "other", .key = kOther}}});
  manager.Start();
  {
    HostileClient hostile(manager, kOther);
    hostile.Call(hostile.Object(0), "shutdown", 1).wait(hostile.scope());
  }
  EXPECT_EQ(manager.List<int>()->size(), 0u);
}

// The manager looked at other sockets only when one had nothing more to read.
TEST(HostileClientTest, AFloodOfPingsDoesNotStarveOthers) {
  constexpr int kCalls = 100;
  constexpr std::int64_t kPingsForEach = 2000;
  Manager manager("", {.authkey = kKey});
  manager.Publish("queue", manager.Queue<int>());
  for (const bool shared_memory : {false, true}) {
    const auto other =
        Manager::Connect(manager.address(), {.authkey = kKey, .shared_memory = shared_memory});
    const auto queue = other.Get<Queue<int>>("queue");
    const Flood flood(HostileClient::Connect(manager), manager_internal::Pings());
    // It is under way.
    remoteobj_testing::Eventually("pings were sent", [&] { return flood.sent() > 1000; });
    const std::int64_t before = flood.sent();
    for (int i = 0; i < kCalls; ++i) EXPECT_EQ(queue->size(), 0u);
    EXPECT_LT(flood.sent() - before, kCalls * kPingsForEach);
  }
}

}  // namespace
}  // namespace remoteobj
