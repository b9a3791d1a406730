// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/tls_session.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {
namespace {

using Bytes = std::vector<std::byte>;

std::shared_ptr<TlsContext> Psk(const std::vector<NamedKey>& keys) { return NewPskTls(keys); }
std::shared_ptr<TlsContext> Psk(const std::string& key) {
  return NewPskTls(std::array{NamedKey{"", key}});
}

std::span<const std::byte> AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string ReadAll(TlsSession& session) {
  std::string all;
  std::array<std::byte, 1000> some;
  while (const std::size_t got = session.Read(some)) {
    all.append(reinterpret_cast<const char*>(some.data()), got);
  }
  return all;
}

// Two sessions, and what someone between them does to the bytes.
struct Meeting {
  Meeting(const TlsContext& at_server, const TlsContext& at_client, const std::string& host = "")
      : server(at_server.Accept()), client(at_client.Connect(host)) {}

  // Returns true if both are done; false if one of them fails, with its error.
  bool Meet() {
    bool server_done = false, client_done = false;
    for (int i = 0; i < 10 && !(server_done && client_done); ++i) {
      client_done = client_done || Step(*client, *server, client_error);
      server_done = server_done || Step(*server, *client, server_error);
    }
    return server_done && client_done;
  }
  void Pass(TlsSession& from, TlsSession& to) {
    Bytes bytes = from.TakeOutput();
    change(bytes);
    to.Receive(bytes);
  }

  std::unique_ptr<TlsSession> server, client;
  std::string server_error, client_error;
  std::function<void(Bytes&)> change = [](Bytes&) {};

 private:
  bool Step(TlsSession& one, TlsSession& other, std::string& error) {
    if (!error.empty()) return false;
    bool done = false;
    try {
      done = one.Handshake();
    } catch (const CallError& e) {
      error = e.what();
    }
    Pass(one, other);
    return done;
  }
};

TEST(TlsSessionTest, BothSendAndReceive) {
  const auto context = Psk("a key for this test");
  Meeting meeting(*context, *context);
  ASSERT_TRUE(meeting.Meet()) << meeting.client_error << meeting.server_error;
  EXPECT_EQ(meeting.client->Channel(), meeting.server->Channel());
  const std::string large(100'000, 'x');
  for (const std::string& text : {std::string("hello"), large}) {
    meeting.client->Write(AsBytes(text));
    meeting.Pass(*meeting.client, *meeting.server);
    EXPECT_TRUE(ReadAll(*meeting.server) == text);
    meeting.server->Write(AsBytes(text));
    meeting.Pass(*meeting.server, *meeting.client);
    EXPECT_TRUE(ReadAll(*meeting.client) == text);
  }
}

// A recording stays secret when the key becomes known.
TEST(TlsSessionTest, TheKeyExchangeIsEphemeral) {
  const auto context = Psk("a key for this test");
  Meeting meeting(*context, *context);
  ASSERT_TRUE(meeting.Meet());
  EXPECT_EQ(meeting.client->CipherSuite(), "ECDHE-PSK-CHACHA20-POLY1305");
  EXPECT_EQ(meeting.server->CipherSuite(), "ECDHE-PSK-CHACHA20-POLY1305");
}

TEST(TlsSessionTest, EachConnectionHasItsOwnChannel) {
  const auto context = Psk("a key for this test");
  Meeting one(*context, *context), other(*context, *context);
  ASSERT_TRUE(one.Meet() && other.Meet());
  EXPECT_NE(one.client->Channel(), other.client->Channel());
}

TEST(TlsSessionTest, EachKeyOfAServerIsAccepted) {
  const auto server =
      Psk({{"", "a key for this test"}, {"reader", "another key of it"}, {"x", "a third key"}});
  for (const char* key : {"a key for this test", "another key of it", "a third key"}) {
    const auto client = Psk(key);
    Meeting meeting(*server, *client);
    EXPECT_TRUE(meeting.Meet()) << meeting.client_error << meeting.server_error;
  }
}

TEST(TlsSessionTest, AnotherKeyIsRefused) {
  const auto server = Psk("a key for this test"), client = Psk("another key");
  Meeting meeting(*server, *client);
  EXPECT_FALSE(meeting.Meet());
  EXPECT_EQ(meeting.client_error,
            "this side failed to prove its key: the server says it has another");
  EXPECT_EQ(meeting.server_error, "the client failed to prove its key: it has another");
}

// Returns true for the version in the header of a record: type, version, length (RFC 5246, 6.2.1).
// Nothing depends on it in a handshake.
bool IsVersionOfRecord(const Bytes& records, std::size_t which) {
  constexpr std::size_t kHeader = 5;
  std::size_t begin = 0;
  while (begin + kHeader <= which) {
    const std::size_t next = begin + kHeader +
                             std::to_integer<std::size_t>(records[begin + 3]) * 256 +
                             std::to_integer<std::size_t>(records[begin + 4]);
    if (next > which) return false;
    begin = next;
  }
  return which == begin + 1 || which == begin + 2;
}

// Each byte of the handshake is changed, one at a time.
TEST(TlsSessionTest, ATamperedHandshakeIsRefused) {
  const auto context = Psk("a key for this test");
  std::size_t size = 0;
  {
    Meeting meeting(*context, *context);
    meeting.change = [&](Bytes& bytes) { size += bytes.size(); };
    ASSERT_TRUE(meeting.Meet());
  }
  for (std::size_t which = 0; which < size; ++which) {
    Meeting meeting(*context, *context);
    std::size_t before = 0;
    bool matters = true;
    meeting.change = [&](Bytes& bytes) {
      if (which >= before && which < before + bytes.size()) {
        matters = !IsVersionOfRecord(bytes, which - before);
        bytes[which - before] ^= std::byte{1};
      }
      before += bytes.size();
    };
    EXPECT_FALSE(meeting.Meet() && matters) << which;
  }
}

TEST(TlsSessionTest, TamperedBytesAreAnError) {
  const auto context = Psk("a key for this test");
  constexpr std::string_view kText = "a call of some length";
  for (std::size_t which = 0;; ++which) {
    Meeting meeting(*context, *context);
    ASSERT_TRUE(meeting.Meet());
    meeting.client->Write(AsBytes(kText));
    Bytes bytes = meeting.client->TakeOutput();
    if (which == bytes.size()) break;
    bytes[which] ^= std::byte{1};
    meeting.server->Receive(bytes);
    try {
      EXPECT_EQ(ReadAll(*meeting.server), "") << which;  // A longer record: more is awaited.
    } catch (const AuthenticationError& e) {
      EXPECT_NE(std::string(e.what()).find("changed on its way"), std::string::npos) << e.what();
    }
  }
}

TEST(TlsSessionTest, BytesThatAreSaidAgainAreAnError) {
  const auto context = Psk("a key for this test");
  Meeting meeting(*context, *context);
  ASSERT_TRUE(meeting.Meet());
  meeting.client->Write(AsBytes("a call"));
  const Bytes bytes = meeting.client->TakeOutput();
  meeting.server->Receive(bytes);
  EXPECT_EQ(ReadAll(*meeting.server), "a call");
  meeting.server->Receive(bytes);
  EXPECT_THROW(ReadAll(*meeting.server), AuthenticationError);
}

// A child found locks of OpenSSL's taken for ever.
TEST(TlsSessionTest, AForkDuringHandshakesOfAnotherThread) {
  const auto context = Psk("a key for this test");
  std::atomic<bool> stop{false};
  std::atomic<int> met{0};
  std::thread other([&] {
    while (!stop) met += Meeting(*context, *context).Meet() ? 1 : 0;
  });
  for (int i = 0; i < 100; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(30);  // A watchdog.
      _exit(Meeting(*context, *context).Meet() && Meeting(*Psk("x"), *Psk("x")).Meet() ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "child " << i << ", after " << met << " handshakes";
  }
  stop = true;
  other.join();
}

TEST(TlsSessionTest, WhatIsNotTlsIsRefusedByName) {
  const auto context = Psk("a key for this test");
  const auto error_of = [&](TlsSession& session, std::string_view said) {
    session.Receive(AsBytes(said));
    try {
      session.Handshake();
      return std::string("none");
    } catch (const ConnectionRefused& e) {
      return std::string(e.what());
    }
  };
  EXPECT_EQ(error_of(*context->Connect(""), "HTTP/1.1 400 Bad Request\r\n\r\n"),
            "the peer is not a server of remoteobj (check the address): it does not speak TLS");
  EXPECT_EQ(error_of(*context->Connect(""), "robj:srv"),
            "the server does not encrypt: its option plaintext is set, this side's is "
            "not");
  EXPECT_EQ(error_of(*context->Accept(), "GET / HTTP/1.1\r\n\r\n"),
            "the client does not speak TLS");
}

std::string Pem(const std::string& name) {
  std::ifstream in("transport/rpc/testdata/tls/" + name + ".pem");
  std::string pem{std::istreambuf_iterator<char>(in), {}};
  EXPECT_FALSE(pem.empty()) << name;
  return pem;
}

// An IP address was compared with the names in the certificate, of which it is none.
TEST(TlsSessionTest, ACertificateIsOfTheHostOrAddressThatWasConnectedTo) {
  const auto server =
      NewCertificateTls({.certificate = Pem("server"), .private_key = Pem("server_key")});
  const auto client = NewCertificateTls({.authorities = Pem("ca")});
  for (const char* host : {"127.0.0.1", "::1", "server.remoteobj.test"}) {
    Meeting meeting(*server, *client, host);
    EXPECT_TRUE(meeting.Meet()) << host << meeting.client_error;
    EXPECT_EQ(meeting.client->Channel(), meeting.server->Channel());
  }
  for (const char* host : {"127.0.0.2", "::2", "localhost", "remoteobj.test"}) {
    Meeting meeting(*server, *client, host);
    EXPECT_FALSE(meeting.Meet()) << host;
    EXPECT_NE(meeting.client_error.find("the server's certificate is refused"), std::string::npos)
        << meeting.client_error;
  }
  EXPECT_THROW(client->Connect(""), std::invalid_argument);
}

TEST(TlsSessionTest, KeyAndCertificateHaveNothingInCommon) {
  const auto psk = Psk("a key for this test");
  const auto certificates = NewCertificateTls({.server_name = "server.remoteobj.test"});
  for (const bool at_server : {false, true}) {
    Meeting meeting(at_server ? *certificates : *psk, at_server ? *psk : *certificates);
    EXPECT_FALSE(meeting.Meet());
    EXPECT_NE(meeting.client_error.find("the option tls"), std::string::npos)
        << meeting.client_error;
  }
}

}  // namespace
}  // namespace remoteobj::transport_internal
