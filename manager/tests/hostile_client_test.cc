// SPDX-License-Identifier: MIT
//
// A client that has the key and speaks the protocol by itself, against its rules. The manager and
// its other clients are not affected.
#include <cstdint>
#include <string_view>
#include <thread>

#include "absl/time/time.h"
#include "capnp/rpc-twoparty.h"
#include "gtest/gtest.h"
#include "kj/async-io.h"
#include "kj/exception.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj {
namespace {

using manager_internal::AwaitWaiting;
using transport_internal::HeapMessage;

constexpr char kKey[] = "the key of this test, of 32 bytes";

class HostileClient {
 public:
  explicit HostileClient(const Manager& manager)
      : socket_(transport_internal::ConnectTo(Address::Parse(manager.address()), Watchdog())) {
    transport_internal::ClientHello hello({.key = kKey});
    transport_internal::HelloGreeting greeting;
    transport_internal::ReadAll(socket_.fd(), greeting, Watchdog(), nullptr);
    transport_internal::WriteAll(socket_.fd(), hello.Answer(greeting), Watchdog());
    transport_internal::HelloReply reply;
    transport_internal::ReadAll(socket_.fd(), reply, Watchdog(), nullptr);
    hello.Finish(reply);
    stream_ = io_.lowLevelProvider->wrapSocketFd(socket_.fd());
    client_ = kj::heap<capnp::TwoPartyClient>(*stream_);
  }

  kj::WaitScope& scope() { return io_.waitScope; }
  schema::Session::Client Session() { return client_->bootstrap().castAs<schema::Session>(); }
  schema::Object::Client Object(std::uint64_t id) {
    auto request = Session().objectRequest();
    request.setId(id);
    return request.send().wait(scope()).getObject();
  }
  // Returns when the manager has handled everything that was sent.
  void Flush() { Session().pingRequest().send().ignoreResult().wait(scope()); }
  // Calls a method without arguments.
  kj::Promise<void> Call(schema::Object::Client object, std::string_view method,
                         std::uint64_t number) {
    HeapMessage message;
    const RequestWriter writer = RequestOn(message, Deadline::Never());
    writer.SetThread(1);
    const OperationsWriter operations = writer.Operations(2);
    operations.Set(0, OperationKind::kGetAttribute, method, 0);
    operations.Set(1, OperationKind::kCall, {}, 0);
    auto request = object.callRequest();
    request.setCall(number);
    transport_internal::OwnMessage own(message.words());
    request.setRequest(own.Root<schema::Request>());
    return request.send().ignoreResult();
  }

 private:
  static Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

  const transport_internal::Socket socket_;
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::Own<kj::AsyncIoStream> stream_;
  kj::Own<capnp::TwoPartyClient> client_;
};

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

}  // namespace
}  // namespace remoteobj
