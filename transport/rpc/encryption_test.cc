// SPDX-License-Identifier: MIT
//
// Attacks on connections by TCP, by those who have no key: relays, eavesdroppers, squatters.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
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
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/rpc_client.h"
#include "remoteobj/transport/rpc/internal/rpc_server.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"
#include "remoteobj/transport/rpc/rpc_service_testing.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::transport_internal {
namespace {

const char kKey[] = "the key of this test";

Deadline Watchdog() { return Deadline::After(absl::Seconds(60)); }

// A server by TCP.
class Served {
 public:
  explicit Served(RpcServerOptions options) : server_(service_, std::move(options)) {
    thread_ = std::thread([this] { server_.Run(); });
  }
  ~Served() {
    server_.Stop();
    thread_.join();
  }
  const Address& address() const { return server_.address(); }

 private:
  TestService service_;
  RpcServer server_;
  std::thread thread_;
};

RpcServerOptions OnLoopback() {
  return {.address = Address::Parse("tcp:127.0.0.1:0"), .key = kKey};
}

void Call(RpcClient& client) {
  client.Object(0, "Target", Watchdog())
      ->channel()
      .Call(
          [](RequestWriter request) {
            request.Operations(1).Set(0, OperationKind::kCall, "AuntAgatha", 0);
          },
          [](const OutcomeReader& outcome) { Decode<std::uint64_t>(outcome.Value()); }, Watchdog());
}

// Reads to the end of the connection; true if it comes.
bool IsHungUp(int fd) {
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, 60'000) <= 0) return false;
    std::array<char, 4096> bytes;
    const ssize_t got = read(fd, bytes.data(), bytes.size());
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
    if (got < 0 && errno != EAGAIN) return false;
  }
}

// Between one client and a server: passes on what each says to the other, and records it.
class Relay {
 public:
  explicit Relay(const Address& server) : listening_(Listen()) {
    thread_ = std::thread([this, server] { Run(server); });
  }
  ~Relay() {
    stop_ = true;
    thread_.join();
  }
  const Address& address() const { return bound_; }
  std::string recorded() {
    const std::scoped_lock lock(mutex_);
    return recorded_;
  }
  // Changes bytes on their way, from now on.
  void Tamper() { tamper_ = true; }
  // Hangs up on the client, and returns the connection to the server.
  int TakeOver() {
    stop_ = true;
    remoteobj_testing::Eventually("the relay has stopped", [&] { return stopped_.load(); });
    client_ = Socket();
    return server_.fd();
  }

 private:
  Socket Listen() {
    SocketFile file;
    return ListenAt(Address::Parse("tcp:127.0.0.1:0"), bound_, file);
  }
  void Run(const Address& server) {
    for (;;) {
      if (stop_) return;
      pollfd wait{listening_.fd(), POLLIN, 0};
      if (poll(&wait, 1, 10) <= 0) continue;
      client_ = Socket(accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      server_ = ConnectTo(server, Watchdog());
      while (!stop_ && Pass()) {
      }
      if (stop_) break;
      client_ = Socket();
      server_ = Socket();
    }
    stopped_ = true;
  }
  // Returns false when either has hung up.
  bool Pass() {
    std::array<pollfd, 2> waits{pollfd{client_.fd(), POLLIN, 0}, pollfd{server_.fd(), POLLIN, 0}};
    if (poll(waits.data(), waits.size(), 10) <= 0) return true;
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits[i].revents == 0) continue;
      std::array<std::byte, 4096> bytes;
      const ssize_t got = read(waits[i].fd, bytes.data(), bytes.size());
      if (got <= 0) return false;
      const auto said = std::span(bytes).first(static_cast<std::size_t>(got));
      {
        const std::scoped_lock lock(mutex_);
        recorded_.append(reinterpret_cast<const char*>(said.data()), said.size());
      }
      if (tamper_) said.back() ^= std::byte{1};
      try {
        WriteAll(waits[1 - i].fd, said, Watchdog());
      } catch (const NotListening&) {
        return false;
      }
    }
    return true;
  }

  Address bound_ = Address::Parse("tcp:127.0.0.1:0");
  const Socket listening_;
  Socket client_, server_;
  std::mutex mutex_;
  std::string recorded_;
  std::atomic<bool> tamper_{false}, stop_{false}, stopped_{false};
  std::thread thread_;
};

// The beginning of an error in the handshake with that server.
std::string HandshakeWith(const Address& server) {
  return absl::StrCat("handshake with ", server.ToString(), ": ");
}

std::string ErrorOf(const RpcClientOptions& options) {
  try {
    RpcClient::Connect(options);
    return "none";
  } catch (const CallError& e) {
    return e.what();
  }
}

// An attacker to whom a client was made to connect passed the handshake on, hung up on the client,
// and was a client with all rights.
TEST(EncryptionTest, RelayAndTakeOver) {
  const Served served(OnLoopback());
  Relay relay(served.address());
  const auto client = RpcClient::Connect({.address = relay.address(), .key = kKey});
  Call(*client);
  const int server = relay.TakeOver();
  capnp::MallocMessageBuilder message;
  message.initRoot<capnp::rpc::Message>().initBootstrap().setQuestionId(4711);
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(message);
  WriteAll(server, std::as_bytes(std::span(words.begin(), words.size())), Watchdog());
  EXPECT_TRUE(IsHungUp(server));
}

TEST(EncryptionTest, AnEavesdropperFindsNothingOfTheCall) {
  for (const bool plaintext : {false, true}) {
    RpcServerOptions options = OnLoopback();
    options.plaintext = plaintext;
    const Served served(options);
    Relay relay(served.address());
    const auto client =
        RpcClient::Connect({.address = relay.address(), .key = kKey, .plaintext = plaintext});
    Call(*client);
    for (const char* text : {"AuntAgatha", "robj:srv", "robj:cli"}) {
      EXPECT_EQ(relay.recorded().find(text) != std::string::npos, plaintext) << text;
    }
  }
}

TEST(EncryptionTest, TamperedBytesEndTheConnection) {
  const Served served(OnLoopback());
  Relay relay(served.address());
  const auto client = RpcClient::Connect({.address = relay.address(), .key = kKey});
  Call(*client);
  relay.Tamper();
  EXPECT_THROW(Call(*client), CallError);
  Witness other({.address = served.address(), .key = kKey});
  other.AwaitAnswers();
  EXPECT_EQ(other.failures(), 0);
}

// A client of localhost tried [::1] first, which is another address: another user could have it.
TEST(EncryptionTest, ASquatterAtTheOtherAddressOfLocalhost) {
  RpcServerOptions options = OnLoopback();
  options.plaintext = true;  // The squatter could relay what is not encrypted.
  const Served served(options);
  const std::string port = std::to_string(served.address().port());
  Address bound = served.address();
  SocketFile file;
  std::optional<Socket> squatter;
  try {
    squatter = ListenAt(Address::Parse("tcp:[::1]:" + port), bound, file);
  } catch (const std::system_error&) {
    GTEST_SKIP() << "no IPv6 here, or the port is taken";
  }
  const auto client = RpcClient::Connect(
      {.address = Address::Parse("tcp:localhost:" + port), .key = kKey, .plaintext = true});
  Call(*client);
  EXPECT_EQ(accept4(squatter->fd(), nullptr, nullptr, SOCK_NONBLOCK), -1);
}

TEST(EncryptionTest, AnotherKeyStaysOutByTcp) {
  const Served served(OnLoopback());
  try {
    RpcClient::Connect({.address = served.address(), .key = "the key of another test"});
    FAIL();
  } catch (const AuthenticationError& e) {
    EXPECT_EQ(e.what(), HandshakeWith(served.address()) +
                            "this side failed to prove its key: the server says it has another");
  }
  EXPECT_THROW(RpcClient::Connect({.address = served.address()}), AuthenticationError);
}

// An imposter that lets any client in, without the key.
TEST(EncryptionTest, AnImposterDoesNotGetAClient) {
  RpcServerOptions options = OnLoopback();
  options.key = "the key of the imposter";
  const Served imposter(options);
  EXPECT_THROW(RpcClient::Connect({.address = imposter.address(), .key = kKey}),
               AuthenticationError);
}

TEST(EncryptionTest, EachNamedKeyGetsIn) {
  RpcServerOptions options = OnLoopback();
  options.named_keys = {{"reader", "the key of the readers"}};
  const Served served(options);
  for (const char* key : {kKey, "the key of the readers"}) {
    const auto client = RpcClient::Connect({.address = served.address(), .key = key});
    EXPECT_NO_THROW(Call(*client)) << key;
  }
}

TEST(EncryptionTest, PlaintextOnOneSideOnlyIsNamed) {
  RpcServerOptions options = OnLoopback();
  options.hello_timeout = absl::Milliseconds(600);
  const Served encrypts(options);
  EXPECT_EQ(ErrorOf({.address = encrypts.address(), .key = kKey, .plaintext = true}),
            HandshakeWith(encrypts.address()) +
                "the server encrypts, and this side does not: the option plaintext is set here "
                "only");
  options.plaintext = true;
  const Served plain(options);
  EXPECT_EQ(ErrorOf({.address = plain.address(), .key = kKey}),
            HandshakeWith(plain.address()) +
                "the server does not encrypt: its option plaintext is set, this side's is "
                "not");
}

TEST(EncryptionTest, WhatSpeaksNoTlsIsHungUpOn) {
  const Served served(OnLoopback());
  Witness witness({.address = served.address(), .key = kKey});
  for (const std::string& said :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(1000, '\0'), std::string(1, '\x16'),
        "\x16\x03\x01\x40\x00" + std::string(20'000, 'x')}) {
    const Socket socket = ConnectTo(served.address(), Watchdog());
    try {
      WriteAll(socket.fd(), std::as_bytes(std::span(said)), Watchdog());
    } catch (const NotListening&) {
    }
    shutdown(socket.fd(), SHUT_WR);
    EXPECT_TRUE(IsHungUp(socket.fd()));
  }
  witness.AwaitAnswers();
  EXPECT_EQ(witness.failures(), 0);
}

// A ClientHello in records of one byte each: it took the time of a thousand handshakes, and what it
// had taken was missing to those of others.
TEST(EncryptionTest, AHandshakeWithoutEndIsHungUpOn) {
  const Served served(OnLoopback());
  Witness witness({.address = served.address(), .key = kKey});
  // It says that it has 131,300 bytes.
  std::string said = {'\x01', '\x02', '\x00', '\xe4'};
  said.resize(20'000);
  std::string records;
  for (const char byte : said) records += std::string("\x16\x03\x01\x00\x01", 5) + byte;
  const Socket socket = ConnectTo(served.address(), Watchdog());
  std::thread attack([&] {
    try {
      WriteAll(socket.fd(), std::as_bytes(std::span(records)), Watchdog());
    } catch (const NotListening&) {
    }
  });
  EXPECT_TRUE(IsHungUp(socket.fd()));
  attack.join();
  witness.AwaitAnswers();
  EXPECT_EQ(witness.failures(), 0);
}

TEST(EncryptionTest, AWebServerIsNoServerOfThisLibrary) {
  Address bound = Address::Parse("tcp:127.0.0.1:0");
  SocketFile file;
  const Socket listening = ListenAt(bound, bound, file);
  std::thread web_server([&] {
    pollfd wait{listening.fd(), POLLIN, 0};
    poll(&wait, 1, 60'000);
    const Socket socket(accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    std::array<std::byte, 16> request;
    ReadSome(socket.fd(), request, Watchdog());
    constexpr std::string_view kAnswer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    WriteAll(socket.fd(), std::as_bytes(std::span(kAnswer)), Watchdog());
  });
  EXPECT_EQ(ErrorOf({.address = bound, .key = kKey}),
            HandshakeWith(bound) +
                "the peer is not a server of remoteobj (check the address): it does not speak TLS");
  web_server.join();
}

// Handshakes took all of the loop's time: the bytes that ask for one cost nothing.
TEST(EncryptionTest, AFloodOfClientHellosDoesNotStopTheCallsOfOthers) {
  const Served served(OnLoopback());
  Witness witness({.address = served.address(), .key = kKey});
  const NamedKey key{.name = "", .key = "a key of nobody"};
  const auto session = NewPskTls(std::span(&key, 1))->Connect("");
  session->Handshake();
  const std::vector<std::byte> client_hello = session->TakeOutput();
  std::atomic<bool> stop{false};
  std::atomic<int> sent{0};
  std::vector<std::thread> attackers;
  for (int i = 0; i < 2; ++i) {
    attackers.emplace_back([&] {
      std::vector<Socket> sockets;
      while (!stop) {
        try {
          sockets.push_back(ConnectTo(served.address(), Watchdog()));
          WriteAll(sockets.back().fd(), client_hello, Watchdog());
          ++sent;
        } catch (const CallError&) {
        }
        if (sockets.size() > 200) sockets.erase(sockets.begin());
      }
    });
  }
  remoteobj_testing::Eventually("the flood has begun", [&] { return sent > 500; });
  const int before = witness.answered();
  remoteobj_testing::Eventually("calls are answered",
                                [&] { return witness.answered() > before + 300; });
  stop = true;
  for (std::thread& attacker : attackers) attacker.join();
  EXPECT_EQ(witness.failures(), 0);
}

TEST(KeylessTest, TcpWithoutAKeyIsRefused) {
  TestService service;
  for (const char* address : {"tcp:127.0.0.1:0", "tcp:0.0.0.0:0", "tcp:localhost:0"}) {
    EXPECT_THROW(RpcServer(service, {.address = Address::Parse(address)}), std::invalid_argument)
        << address;
  }
}

// A client of root's handed its data to the process of any user who had taken the name.
TEST(KeylessTest, AListenerOfAnotherUserIsNotBelieved) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can listen as another user";
  const std::string address =
      absl::StrCat("unix-abstract:remoteobj-test-squatter-", std::random_device()());
  constexpr uid_t kNobody = 65534;
  for (const char* key : {"", kKey}) {
    if (seteuid(kNobody) != 0) GTEST_SKIP() << "there is no other user in this namespace";
    std::optional<Served> served(std::in_place,
                                 RpcServerOptions{.address = Address::Parse(address), .key = key});
    ASSERT_EQ(seteuid(0), 0);
    RpcClientOptions options{.address = Address::Parse(address), .key = key};
    if (*key == '\0') {
      EXPECT_NE(ErrorOf(options).find("belongs to another user (uid 65534)"), std::string::npos)
          << ErrorOf(options);
      options.other_users = true;
    }
    const auto client = RpcClient::Connect(options);
    EXPECT_NO_THROW(Call(*client));
  }
}

}  // namespace
}  // namespace remoteobj::transport_internal
