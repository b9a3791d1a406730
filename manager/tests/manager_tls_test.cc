// SPDX-License-Identifier: MIT
//
// Managers over TLS. The certificates are of testdata/tls.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/dict.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/policy.h"
#include "remoteobj/manager/value.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/internal/socket.h"
#include "remoteobj/transport/rpc/internal/tls_session.h"
#include "remoteobj/transport/rpc/tls.h"

namespace remoteobj {
namespace {

std::string Pem(const std::string& name) {
  std::ifstream in("manager/tests/testdata/tls/" + name + ".pem");
  std::string pem{std::istreambuf_iterator<char>(in), {}};
  EXPECT_FALSE(pem.empty()) << name;
  return pem;
}

Manager StartWith(TlsOptions options) {
  options.certificate = Pem("server");
  options.private_key = Pem("server_key");
  Manager manager("tcp:127.0.0.1:0",
                  {.authkey = "a key for this test", .tls = NewTls(std::move(options))});
  manager.Start();
  return manager;
}

ManagerOptions Trusting(TlsOptions options, const std::string& key = "a key for this test") {
  if (options.authorities.empty()) options.authorities = Pem("ca");
  if (options.server_name.empty()) options.server_name = "server.remoteobj.test";
  return {.authkey = key, .tls = NewTls(std::move(options))};
}

// The manager connects to itself when it starts, so its own options have both sides'.
TlsOptions BothSides() {
  return {.certificate = {},
          .private_key = {},
          .authorities = Pem("ca"),
          .server_name = "server.remoteobj.test"};
}

TEST(ManagerTlsTest, ServesWhoTrustsItsCertificate) {
  Manager manager = StartWith(BothSides());
  Manager there = Manager::Connect(manager.address(), Trusting({}));
  auto counts = there.Dict<std::string, int>();
  counts["a"] = 1;
  counts["a"] += 1;
  EXPECT_EQ(*counts["a"], 2);
  const std::vector<double> large(1 << 20, 0.5);
  auto arrays = there.Dict<int, std::vector<double>>();
  arrays[1] = large;
  EXPECT_TRUE(*arrays[1] == large);
}

TEST(ManagerTlsTest, AClientLooksAtTheCertificate) {
  Manager manager = StartWith(BothSides());
  const auto connect = [&](ManagerOptions options) {
    Manager::Connect(manager.address(), std::move(options));
  };
  // An authority that the client does not trust; another name; the key alone.
  EXPECT_THROW(connect(Trusting({.authorities = Pem("stranger")})), AuthenticationError);
  EXPECT_THROW(connect(Trusting({.server_name = "other.remoteobj.test"})), AuthenticationError);
  EXPECT_THROW(connect({.authkey = "a key for this test"}), AuthenticationError);
  // The key is still asked for.
  EXPECT_THROW(connect(Trusting({}, "another key for this test")), AuthenticationError);
  connect(Trusting({}));
}

TEST(ManagerTlsTest, AServerLooksAtTheClientsCertificate) {
  TlsOptions mutual = BothSides();
  mutual.verify_clients = true;
  Manager manager = StartWith(mutual);
  EXPECT_EQ(Manager::Connect(manager.address(), Trusting({.certificate = Pem("client"),
                                                          .private_key = Pem("client_key")}))
                .object_count(),
            0u);
  // With TLS 1.3 it may learn only afterwards that it is not wanted.
  EXPECT_THROW(Manager::Connect(manager.address(), Trusting({})), std::runtime_error);
}

TEST(ManagerTlsTest, ACertificateRestrictsItsClients) {
  TlsOptions mutual = BothSides();
  mutual.verify_clients = true;
  mutual.certificate = Pem("server");
  mutual.private_key = Pem("server_key");
  const auto with = [&](const std::string& name) {
    return ManagerOptions{.authkey = "a key for this test",
                          .tls = NewTls(mutual),
                          .certificates = {{.name = name, .policy = ReadOnly()}}};
  };
  const auto client = [](Manager& manager) {
    return Manager::Connect(manager.address(), Trusting({.certificate = Pem("client"),
                                                         .private_key = Pem("client_key")}));
  };
  Manager manager("tcp:127.0.0.1:0", with("dns:client.remoteobj.test"));
  manager.Start();
  manager.Publish("value", manager.Value<int>(1));
  manager.Publish("secret", manager.Value<int>(2), {.allow = {"another"}});
  manager.Publish("shared", manager.Value<int>(3),
                  {.allow = {"certificate dns:client.remoteobj.test"}});
  Manager there = client(manager);
  auto value = there.Get<Value<int>>("value");
  EXPECT_EQ(*value, 1);
  EXPECT_THROW(value = 2, NotAllowed);
  EXPECT_THROW(there.Value<int>(1), NotAllowed);
  EXPECT_THROW(there.Get<Value<int>>("secret"), NotAllowed);
  EXPECT_EQ(*there.Get<Value<int>>("shared"), 3);
  const auto clients = manager.Inspect().clients;
  EXPECT_TRUE(std::ranges::any_of(clients, [](const ClientInfo& info) {
    return info.certificate_names ==
           std::vector<std::string>{"dns:client.remoteobj.test", "cn:client.remoteobj.test"};
  }));

  // Part of a name is another name, and so is a name of another kind.
  for (const char* const name : {"dns:remoteobj.test", "uri:client.remoteobj.test"}) {
    Manager other("tcp:127.0.0.1:0", with(name));
    other.Start();
    Manager free = client(other);
    free.Value<int>(1) = 2;
  }
}

TEST(ManagerTlsTest, AClientWhoseCertificateFitsNoPolicyHasThatOfTheOthers) {
  TlsOptions mutual = BothSides();
  mutual.verify_clients = true;
  mutual.certificate = Pem("server");
  mutual.private_key = Pem("server_key");
  Manager manager(
      "tcp:127.0.0.1:0",
      {.authkey = "a key for this test",
       .tls = NewTls(mutual),
       .certificates = {{.name = "dns:server.remoteobj.test", .policy = {.everything = true}},
                        {.name = "*", .policy = ReadOnly()}}});
  manager.Start();
  manager.Publish("value", manager.Value<int>(1), {.allow = {"certificate *"}});
  Manager there =
      Manager::Connect(manager.address(),
                       Trusting({.certificate = Pem("client"), .private_key = Pem("client_key")}));
  auto value = there.Get<Value<int>>("value");
  EXPECT_EQ(*value, 1);
  EXPECT_THROW(value = 2, NotAllowed);
  EXPECT_THROW(there.Value<int>(1), NotAllowed);
}

TEST(ManagerTlsTest, APolicyForACertificateNeedsVerifiedClients) {
  const std::vector<CertificatePolicy> policies = {{.name = "dns:client", .policy = ReadOnly()}};
  EXPECT_THROW(Manager("tcp:127.0.0.1:0", {.authkey = "a key for this test",
                                           .tls = NewTls(BothSides()),
                                           .certificates = policies}),
               std::invalid_argument);
  EXPECT_THROW(
      Manager("tcp:127.0.0.1:0", {.authkey = "a key for this test", .certificates = policies}),
      std::invalid_argument);
}

TEST(ManagerTlsTest, ANameWithoutAKindIsRefused) {
  TlsOptions mutual = BothSides();
  mutual.verify_clients = true;
  EXPECT_THROW(
      Manager("tcp:127.0.0.1:0", {.authkey = "a key for this test",
                                  .tls = NewTls(mutual),
                                  .certificates = {{.name = "client", .policy = ReadOnly()}}}),
      std::invalid_argument);
}

// A few hundred of them in a second, which need no key and no certificate, left no time for calls:
// each had the manager sign.
TEST(ManagerTlsTest, AFloodOfClientHellosDoesNotStopTheCallsOfOthers) {
  using transport_internal::Socket;
  Manager manager = StartWith(BothSides());
  Manager there = Manager::Connect(manager.address(), Trusting({}));
  auto value = there.Value<int>(1);
  const auto session = transport_internal::NewCertificateTls({})->Connect("any.test");
  session->Handshake();
  const std::vector<std::byte> client_hello = session->TakeOutput();
  const Address address = Address::Parse(manager.address());
  std::atomic<bool> stop{false};
  std::atomic<int> sent{0};
  std::thread attacker([&] {
    std::deque<Socket> sockets;
    while (!stop) {
      try {
        const Deadline watchdog = Deadline::After(absl::Seconds(30));
        sockets.push_back(transport_internal::ConnectTo(address, watchdog));
        transport_internal::WriteAll(sockets.back().fd(), client_hello, watchdog);
        ++sent;
      } catch (const CallError&) {
        // The manager has no place for it.
      }
      if (sockets.size() > 200) sockets.pop_front();
    }
  });
  remoteobj_testing::Eventually("the flood has begun", [&] { return sent > 1000; });
  const int before = sent;
  const auto begin = Deadline::Now();
  int answered = 0;
  while (sent < before + 500 || answered < 200) {
    EXPECT_EQ(*value, 1);
    ++answered;
  }
  std::printf("%d calls in %d ms, beside %d requests for a handshake\n", answered,
              static_cast<int>(-absl::ToInt64Milliseconds(begin.left())), sent - before);
  stop = true;
  attacker.join();
  // Another client gets in although others ask for more handshakes than there is time for.
  EXPECT_EQ(Manager::Connect(manager.address(), Trusting({})).object_count(), 1u);
}

TEST(ManagerTlsTest, IsNotPlaintext) {
  EXPECT_THROW(Manager("", {.tls = NewTls({}), .plaintext = true}), std::invalid_argument);
}

TEST(ManagerTlsTest, RefusesWhatIsNoCertificate) {
  EXPECT_THROW(NewTls({.certificate = "nonsense", .private_key = "nonsense"}),
               std::invalid_argument);
  EXPECT_THROW(NewTls({.authorities = "nonsense"}), std::invalid_argument);
}

}  // namespace
}  // namespace remoteobj
