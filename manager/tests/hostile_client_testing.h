// SPDX-License-Identifier: MIT
//
// A client that has the key and speaks the protocol by itself, against its rules.
//
//   HostileClient hostile(manager);
//   const auto call = hostile.Call(hostile.Object(id), "get", /*number=*/7);
//   hostile.Flush();
//
//   const Flood flood(HostileClient::Connect(manager), Pings());   // without end
//
// Threads:  a HostileClient has an event loop of KJ's, of which a thread has one at a time. A Flood
//           has two threads.
#ifndef REMOTEOBJ_MANAGER_TESTS_HOSTILE_CLIENT_TESTING_H_
#define REMOTEOBJ_MANAGER_TESTS_HOSTILE_CLIENT_TESTING_H_

#include <fcntl.h>
#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "capnp/capability.h"
#include "capnp/message.h"
#include "capnp/rpc-twoparty.h"
#include "capnp/rpc.capnp.h"
#include "capnp/serialize.h"
#include "kj/async-io.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/hello.h"
#include "remoteobj/transport/rpc/internal/rpc_messages.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/rpc.capnp.h"

namespace remoteobj::manager_internal {

inline constexpr char kKey[] = "the key of this test, of 32 bytes";

class HostileClient {
 public:
  // Does the handshake.
  static transport_internal::Socket Connect(const Manager& manager, const char* key = kKey) {
    auto socket = transport_internal::ConnectTo(Address::Parse(manager.address()), Watchdog());
    transport_internal::ClientHello hello({.key = key});
    transport_internal::HelloGreeting greeting;
    transport_internal::ReadAll(socket.fd(), greeting, Watchdog(), nullptr);
    transport_internal::WriteAll(socket.fd(), hello.Answer(greeting), Watchdog());
    transport_internal::HelloReply reply;
    transport_internal::ReadAll(socket.fd(), reply, Watchdog(), nullptr);
    hello.Finish(reply);
    return socket;
  }

  explicit HostileClient(const Manager& manager, const char* key = kKey)
      : socket_(Connect(manager, key)) {
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
  // Flushes after each hundred steps. KJ destroys what is not sent yet one within the other, on the
  // stack of this thread.
  void FlushEachHundred(std::uint64_t step) {
    if (step % 100 == 99) Flush();
  }
  // Calls a method without arguments.
  kj::Promise<void> Call(schema::Object::Client object, std::string_view method,
                         std::uint64_t number) {
    return Send(object, method, number).ignoreResult();
  }
  // The call is not finished before its outcome is destroyed.
  auto Send(schema::Object::Client object, std::string_view method, std::uint64_t number)
      -> capnp::RemotePromise<schema::Object::CallResult> {
    transport_internal::HeapMessage message;
    const RequestWriter writer = RequestOn(message, Deadline::Never());
    writer.SetThread(1);
    const OperationsWriter operations = writer.Operations(2);
    operations.Set(0, OperationKind::kGetAttribute, method, 0);
    operations.Set(1, OperationKind::kCall, {}, 0);
    auto request = object.callRequest();
    request.setCall(number);
    transport_internal::OwnMessage own(message.words());
    request.setRequest(own.Root<schema::Request>());
    return request.send();
  }

 private:
  static Deadline Watchdog() { return Deadline::After(absl::Minutes(1)); }

  const transport_internal::Socket socket_;
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  kj::Own<kj::AsyncIoStream> stream_;
  kj::Own<capnp::TwoPartyClient> client_;
};

// Messages of Cap'n Proto RPC, as bytes: `begin` is sent once, `repeated` without end.
struct RawMessages {
  static void AppendTo(std::string& bytes, capnp::MessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    bytes.append(words.asBytes().asChars().begin(), words.asBytes().size());
  }
  // The bootstrap has the question's number 0.
  void Bootstrap() {
    capnp::MallocMessageBuilder message;
    message.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(0);
    AppendTo(begin, message);
  }
  // A call, and the end of its question, whose number can be used again then.
  void Repeat(capnp::MessageBuilder& call, std::uint32_t question) {
    AppendTo(repeated, call);
    Finish(question);
  }
  void Finish(std::uint32_t question) {
    capnp::MallocMessageBuilder finish;
    finish.initRoot<capnp::rpc::Message>().initFinish().setQuestionId(question);
    AppendTo(repeated, finish);
    ++calls;
  }

  std::string begin;
  std::string repeated;
  int calls = 0;  // In `repeated`.
};

// A number is used again when the manager has long answered.
inline RawMessages Pings() {
  RawMessages messages;
  messages.Bootstrap();
  for (std::uint32_t i = 1; i <= 10'000; ++i) {
    capnp::MallocMessageBuilder message;
    auto call = message.initRoot<capnp::rpc::Message>().initCall();
    call.setQuestionId(i);
    call.initTarget().initPromisedAnswer().setQuestionId(0);
    call.setInterfaceId(capnp::typeId<schema::Session>());
    call.setMethodId(3);
    messages.Repeat(message, i);
  }
  return messages;
}

// Sends messages without end, and without waiting for their answers.
class Flood {
 public:
  Flood(transport_internal::Socket socket, RawMessages messages) : socket_(std::move(socket)) {
    // Its threads wait for room and for answers.
    fcntl(socket_.fd(), F_SETFL, fcntl(socket_.fd(), F_GETFL) & ~O_NONBLOCK);
    Write(messages.begin);
    reader_ = std::thread([this] {
      std::vector<char> bytes(1 << 16);
      while (recv(socket_.fd(), bytes.data(), bytes.size(), 0) > 0) {
      }
    });
    writer_ = std::thread([this, messages = std::move(messages)] {
      while (Write(messages.repeated)) sent_.fetch_add(messages.calls);
      hung_up_ = true;
    });
  }
  ~Flood() {
    shutdown(socket_.fd(), SHUT_RDWR);
    writer_.join();
    reader_.join();
  }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  // The number of calls.
  std::int64_t sent() const { return sent_.load(); }
  bool hung_up() const { return hung_up_.load(); }

 private:
  bool Write(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = send(socket_.fd(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      at += static_cast<std::size_t>(sent);
    }
    return true;
  }

  const transport_internal::Socket socket_;
  std::atomic<std::int64_t> sent_{0};
  std::atomic<bool> hung_up_{false};
  std::thread reader_;
  std::thread writer_;
};

}  // namespace remoteobj::manager_internal

#endif  // REMOTEOBJ_MANAGER_TESTS_HOSTILE_CLIENT_TESTING_H_
