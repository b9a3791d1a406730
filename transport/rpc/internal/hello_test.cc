// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/hello.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

HelloOptions With(std::string_view key) {
  HelloOptions options;
  options.key = key;
  return options;
}

HelloOptions Speaking(std::uint16_t lowest, std::uint16_t highest) {
  HelloOptions options = With(kKey);
  options.lowest_version = lowest;
  options.highest_version = highest;
  return options;
}

// Changes that a man in the middle makes to the messages of both sides.
struct Between {
  std::function<void(HelloGreeting&)> greeting = [](HelloGreeting&) {};
  std::function<void(HelloAnswer&)> answer = [](HelloAnswer&) {};
  std::function<void(HelloReply&)> reply = [](HelloReply&) {};
};

struct Outcome {
  std::optional<ServerHello::Verdict> server;  // Empty: the client sent nothing.
  std::optional<HelloPeer> client;             // The server as it knows it; empty: an error.
  std::string error = {};                      // Its error, if it is one of ours.
  std::optional<CallError::Kind> kind = {};

  bool neither_is_in() const { return !client && !(server && server->accepted()); }
};

using Policy = ServerHello::Policy;

Outcome Meet(
    HelloOptions server_options, HelloOptions client_options, const Between& between = {},
    Policy policy = [](const HelloPeer&) { return HelloStatus::kOk; }) {
  Outcome outcome;
  ServerHello server(std::move(server_options));
  ClientHello client(std::move(client_options));
  try {
    HelloGreeting greeting = server.Greeting();
    between.greeting(greeting);
    HelloAnswer answer = client.Answer(greeting);
    between.answer(answer);
    outcome.server = server.Check(answer, policy);
    HelloReply reply = outcome.server->reply;
    between.reply(reply);
    outcome.client = client.Finish(reply);
  } catch (const CallError& e) {
    outcome.error = e.what();
    outcome.kind = e.kind();
  }
  return outcome;
}

TEST(HelloTest, BothAreIn) {
  const auto check = [](std::string_view key) {
    SCOPED_TRACE(key);
    HelloOptions server = With(key), client = With(key);
    server.pid = 0x01020304;
    server.id = RandomHelloId();
    client.pid = 0xfffefdfc;
    client.id = RandomHelloId();
    const Outcome outcome = Meet(server, client);
    ASSERT_TRUE(outcome.server && outcome.client) << outcome.error;
    EXPECT_TRUE(outcome.server->accepted());
    EXPECT_EQ(outcome.server->reason, "");
    const HelloPeer& seen = outcome.server->client;
    EXPECT_EQ(seen.version, kProtocolVersion);
    EXPECT_EQ(seen.proved_key, !key.empty());
    EXPECT_EQ(seen.pid, client.pid);
    EXPECT_EQ(seen.id, client.id);
    EXPECT_EQ(outcome.client->version, kProtocolVersion);
    EXPECT_EQ(outcome.client->proved_key, !key.empty());
    EXPECT_EQ(outcome.client->pid, server.pid);
    EXPECT_EQ(outcome.client->id, server.id);
  };
  check("");
  check("k");
  check(kKey);
  check(std::string(1000, 'k'));
  check(std::string_view("\0", 1));
}

TEST(HelloTest, AServerKnowsWhichKeyAClientHas) {
  const std::array<NamedKey, 3> keys = {NamedKey{"", "the first key"},
                                        NamedKey{"reader", "another"},
                                        NamedKey{"writer", "a third key"}};
  const auto accepted = std::make_shared<const HelloKeys>(keys);
  const auto meet = [&](std::string_view key) {
    ServerHello server({}, accepted);
    ClientHello client(With(key));
    const ServerHello::Verdict verdict = server.Check(client.Answer(server.Greeting()));
    if (verdict.accepted()) client.Finish(verdict.reply);
    return verdict;
  };
  for (const NamedKey& key : keys) {
    const ServerHello::Verdict verdict = meet(key.key);
    EXPECT_TRUE(verdict.accepted()) << verdict.reason;
    EXPECT_TRUE(verdict.client.proved_key);
    EXPECT_EQ(verdict.client.key_name, key.name);
  }
  EXPECT_EQ(meet("a key of nobody").status, HelloStatus::kWrongKey);
}

TEST(HelloTest, KeysAndNamesOfAServerDiffer) {
  const auto expect_refused = [](const NamedKey& a, const NamedKey& b) {
    EXPECT_THROW(HelloKeys(std::array{a, b}), std::invalid_argument);
  };
  expect_refused({"a", "one"}, {"b", "one"});
  expect_refused({"a", "one"}, {"a", "two"});
  expect_refused({"a", "one"}, {"b", ""});
}

// The attacker is a client of the server, and a server for the client.
TEST(HelloTest, AProofThatIsRelayedIntoAnotherEncryptedConnectionIsRefused) {
  HelloOptions server = With(kKey), client = With(kKey);
  server.channel = std::string(32, 's');
  client.channel = std::string(32, 'c');
  EXPECT_EQ(Meet(server, client).kind, CallError::Kind::kAuthenticationError);
  server.channel = "";
  EXPECT_EQ(Meet(server, client).kind, CallError::Kind::kAuthenticationError);
  server.channel = client.channel;
  EXPECT_TRUE(Meet(server, client).client);
}

TEST(HelloTest, SharedMemoryIfBothWould) {
  const auto check = [](bool offered, bool wanted) {
    HelloOptions server = With(kKey), client = With(kKey);
    server.shared_memory = offered;
    client.shared_memory = wanted;
    const Outcome outcome = Meet(server, client);
    ASSERT_TRUE(outcome.server && outcome.client) << outcome.error;
    EXPECT_EQ(outcome.server->client.shared_memory, offered && wanted);
    EXPECT_EQ(outcome.client->shared_memory, offered && wanted);
  };
  check(false, false);
  check(false, true);
  check(true, false);
  check(true, true);
}

TEST(HelloTest, KeysThatAreNotTheSame) {
  const auto check = [](std::string_view server, std::string_view client, std::string_view error,
                        std::optional<HelloStatus> verdict, std::string_view reason) {
    SCOPED_TRACE(std::string(server) + " and " + std::string(client));
    const Outcome outcome = Meet(With(server), With(client));
    EXPECT_TRUE(outcome.neither_is_in());
    EXPECT_EQ(outcome.kind, CallError::Kind::kAuthenticationError);
    EXPECT_EQ(outcome.error, error);
    ASSERT_EQ(outcome.server.has_value(), verdict.has_value());
    if (!verdict) return;
    EXPECT_EQ(outcome.server->status, *verdict);
    EXPECT_EQ(outcome.server->reason, reason);
    EXPECT_EQ(outcome.server->client.pid, 0u);
  };
  const auto differ = [&](std::string_view server, std::string_view client) {
    check(server, client, "this side failed to prove its key: the server says it has another",
          HelloStatus::kWrongKey,
          "the client failed to prove its key: it has another, or the handshake was damaged on its "
          "way");
  };
  differ(kKey, "another");
  differ("another", kKey);
  differ("key", "key ");
  // The same key for HMAC itself, which fills up with zeros, or hashes what is long.
  differ("key", std::string_view("key\0", 4));
  differ(std::string_view("\0", 1), std::string_view("\0\0", 2));
  check(kKey, "", "the server requires a key, and this side has none (set its key)", {}, "");
  check("", kKey,
        "this side has a key, and the server has none: it can't prove that it is the right one", {},
        "");
}

TEST(HelloTest, NoErrorHasTheKey) {
  const std::string secret = "verysecret";
  const auto check = [&](const Outcome& outcome) {
    EXPECT_TRUE(outcome.neither_is_in());
    EXPECT_EQ(outcome.error.find(secret), std::string::npos) << outcome.error;
    if (!outcome.server) return;
    EXPECT_EQ(outcome.server->reason.find(secret), std::string::npos) << outcome.server->reason;
  };
  check(Meet(With(secret), With(secret + "1")));
  check(Meet(With(secret), With("")));
  check(Meet(With(""), With(secret)));
}

constexpr std::size_t kFlagsAt = 16;
constexpr std::byte kHasKey{1};

// Clients that do not stop where ours would.
TEST(HelloTest, AServerDoesNotRelyOnTheClientToGiveUp) {
  const auto flip = [](auto& message) { message[kFlagsAt] ^= kHasKey; };
  const auto check = [&](std::string_view server, std::string_view client, Between between,
                         HelloStatus verdict, std::string_view reason, std::string_view error) {
    const Outcome outcome = Meet(With(server), With(client), between);
    EXPECT_TRUE(outcome.neither_is_in());
    ASSERT_TRUE(outcome.server);
    EXPECT_EQ(outcome.server->status, verdict);
    EXPECT_EQ(outcome.server->reason, reason);
    EXPECT_EQ(outcome.kind, CallError::Kind::kAuthenticationError);
    EXPECT_EQ(outcome.error, error);
  };
  check(kKey, "", {.greeting = flip}, HelloStatus::kKeyRequired,
        "the client has no key, and this side requires one",
        "the server requires a key, and this side has none (set its key)");
  check("", kKey, {.greeting = flip}, HelloStatus::kServerNoKey,
        "the client has a key, and this side has none",
        "this side has a key, and the server has none: it can't prove that it is the right one");
  check(
      kKey, "", {.greeting = flip, .answer = flip}, HelloStatus::kWrongKey,
      "the client failed to prove its key: it has another, or the handshake was damaged on its way",
      "this side failed to prove its key: the server says it has another");
}

TEST(HelloTest, AServerWithoutTheKeySaysOk) {
  ServerHello pretender(With("guess"));
  ClientHello client(With(kKey));
  const HelloAnswer answer = client.Answer(pretender.Greeting());
  HelloReply reply = pretender.Check(answer).reply;
  reply[14] = reply[15] = std::byte{0};
  const HelloKey guess("guess");
  const HelloProof proof = guess.ServerProof(pretender.Greeting(), answer, reply);
  std::copy(proof.begin(), proof.end(), reply.begin() + 24);
  try {
    client.Finish(reply);
    ADD_FAILURE() << "was taken";
  } catch (const AuthenticationError& e) {
    EXPECT_STREQ(e.what(), "the server failed to prove that it has this side's key");
  }
}

TEST(HelloTest, WhatWasRecordedIsOfNoUse) {
  for (const std::string_view key : {std::string_view(), kKey}) {
    ServerHello server(With(key)), later(With(key));
    ClientHello client(With(key)), later_client(With(key));
    const HelloAnswer answer = client.Answer(server.Greeting());
    EXPECT_FALSE(later.Check(answer).accepted());
    const ServerHello::Verdict verdict = server.Check(answer);
    EXPECT_TRUE(verdict.accepted());
    later_client.Answer(server.Greeting());
    EXPECT_ANY_THROW(later_client.Finish(verdict.reply));
    client.Finish(verdict.reply);
  }
}

TEST(HelloTest, ASecondUseIsRefused) {
  ServerHello server(With(kKey));
  ClientHello client(With(kKey));
  EXPECT_THROW(client.Finish(HelloReply{}), std::logic_error);

  ClientHello another(With(kKey));
  const HelloAnswer answer = another.Answer(server.Greeting());
  EXPECT_THROW(another.Answer(server.Greeting()), std::logic_error);
  EXPECT_TRUE(server.Check(answer).accepted());
  EXPECT_THROW(server.Check(answer), std::logic_error);
}

TEST(HelloTest, AProofSentBackIsNone) {
  HelloAnswer seen;
  const Outcome as_reply = Meet(With(kKey), With(kKey),
                                {.answer = [&](HelloAnswer& answer) { seen = answer; },
                                 .reply =
                                     [&](HelloReply& reply) {
                                       std::copy(seen.begin() + 80, seen.end(), reply.begin() + 24);
                                     }});
  EXPECT_FALSE(as_reply.client);
  EXPECT_EQ(as_reply.kind, CallError::Kind::kAuthenticationError);

  // A server's own greeting as the answer of a client.
  ServerHello server(With(kKey));
  HelloAnswer answer = {};
  std::copy(server.Greeting().begin(), server.Greeting().end(), answer.begin());
  EXPECT_EQ(server.Check(answer).status, HelloStatus::kNotAHello);
}

template <typename Message>
Message Inverted(const Message& message, std::size_t byte, int bit) {
  Message changed = message;
  changed[byte] ^= std::byte(1 << bit);
  return changed;
}

TEST(HelloTest, NoBitCanBeChanged) {
  const auto check = [](std::string_view key) {
    const auto flip = [](std::size_t byte, int bit) {
      return [=](auto& message) { message = Inverted(message, byte, bit); };
    };
    for (int bit = 0; bit < 8; ++bit) {
      for (std::size_t byte = 0; byte < kGreetingBytes; ++byte) {
        const Outcome outcome = Meet(With(key), With(key), {.greeting = flip(byte, bit)});
        EXPECT_TRUE(outcome.neither_is_in()) << "greeting, " << byte << ", " << bit;
      }
      for (std::size_t byte = 0; byte < kAnswerBytes; ++byte) {
        const Outcome outcome = Meet(With(key), With(key), {.answer = flip(byte, bit)});
        EXPECT_TRUE(outcome.neither_is_in()) << "answer, " << byte << ", " << bit;
      }
      for (std::size_t byte = 0; byte < kReplyBytes; ++byte) {
        const Outcome outcome = Meet(With(key), With(key), {.reply = flip(byte, bit)});
        EXPECT_FALSE(outcome.client) << "reply, " << byte << ", " << bit;
      }
    }
  };
  check(kKey);
  check("");
}

TEST(HelloTest, Versions) {
  const auto spoken = [](HelloOptions server, HelloOptions client) {
    const Outcome outcome = Meet(server, client);
    EXPECT_EQ(outcome.error, "");
    if (!outcome.client) return 0;
    EXPECT_EQ(outcome.server->client.version, outcome.client->version);
    return static_cast<int>(outcome.client->version);
  };
  EXPECT_EQ(spoken(Speaking(1, 1), Speaking(1, 1)), 1);
  EXPECT_EQ(spoken(Speaking(1, 3), Speaking(1, 1)), 1);
  EXPECT_EQ(spoken(Speaking(1, 1), Speaking(1, 3)), 1);
  EXPECT_EQ(spoken(Speaking(2, 5), Speaking(1, 4)), 4);
  EXPECT_EQ(spoken(Speaking(1, 65535), Speaking(300, 65535)), 65535);

  const auto refused = [](HelloOptions server, HelloOptions client, std::string_view error) {
    const Outcome outcome = Meet(server, client);
    EXPECT_TRUE(outcome.neither_is_in());
    EXPECT_FALSE(outcome.server);
    EXPECT_EQ(outcome.kind, CallError::Kind::kConnectionRefused);
    EXPECT_EQ(outcome.error, error);
  };
  refused(Speaking(3, 5), Speaking(1, 1), "the server speaks versions 3 to 5, this side version 1");
  refused(Speaking(1, 1), Speaking(2, 3), "the server speaks version 1, this side versions 2 to 3");
  refused(Speaking(5, 3), Speaking(1, 9),
          "the server speaks versions 5 to 3, this side versions 1 "
          "to 9");
}

TEST(HelloTest, AServerTellsItsVersionsToAClientThatInsists) {
  ServerHello server(Speaking(1, 2));
  ServerHello newer(Speaking(1, 4));
  ClientHello client(Speaking(2, 4));
  const ServerHello::Verdict verdict = server.Check(client.Answer(newer.Greeting()));
  EXPECT_EQ(verdict.status, HelloStatus::kVersion);
  EXPECT_EQ(verdict.reason,
            "the client speaks versions 2 to 4 and chose 4, this side speaks versions 1 to 2");
  try {
    client.Finish(verdict.reply);
    ADD_FAILURE() << "was taken";
  } catch (const ConnectionRefused& e) {
    EXPECT_STREQ(e.what(), "the server speaks versions 1 to 2, this side versions 2 to 4");
  }
}

TEST(HelloTest, NobodyCanLowerTheVersion) {
  const auto lower = [](auto& message) { message[12] = std::byte{1}; };
  EXPECT_TRUE(Meet(Speaking(1, 2), Speaking(1, 2), {.greeting = lower}).neither_is_in());
  EXPECT_TRUE(
      Meet(Speaking(1, 2), Speaking(1, 2), {.greeting = lower, .answer = lower}).neither_is_in());
}

TEST(HelloTest, APolicyIsAskedAboutThoseWhoProvedTheKey) {
  using Kind = CallError::Kind;
  const auto check = [](HelloStatus status, Kind kind, std::string_view error,
                        std::string_view reason) {
    HelloOptions client = With(kKey);
    client.pid = 7;
    std::uint32_t asked = 0;
    const Outcome outcome = Meet(With(kKey), client, {}, [&](const HelloPeer& peer) {
      EXPECT_TRUE(peer.proved_key);
      asked = peer.pid;
      return status;
    });
    EXPECT_EQ(asked, 7u);
    EXPECT_TRUE(outcome.neither_is_in());
    EXPECT_EQ(outcome.server->status, status);
    EXPECT_EQ(outcome.server->reason, reason);
    EXPECT_EQ(outcome.kind, kind);
    EXPECT_EQ(outcome.error, error);
  };
  check(HelloStatus::kNotAllowed, Kind::kConnectionRefused,
        "the server does not admit the user of this client",
        "this side does not admit the user of the client");
  check(HelloStatus::kBusy, Kind::kNotListening,
        "the server is busy: it admits no more connections of this client (close some, or retry)",
        "this side is busy: it admits no more connections of the client");
  check(HelloStatus{99}, Kind::kConnectionRefused,
        "the server refused, for a reason that this version does not know: 99",
        "refused by policy: 99");
  Meet(With(kKey), With("another"), {}, [](const HelloPeer&) {
    ADD_FAILURE() << "was asked";
    return HelloStatus::kOk;
  });
}

TEST(HelloTest, OtherProtocols) {
  const auto fill = [](auto& message) {
    constexpr std::string_view kText = "HTTP/1.1 400 Bad Request\r\n";
    for (std::size_t i = 0; i < message.size(); ++i) {
      message[i] = static_cast<std::byte>(kText[i % kText.size()]);
    }
  };
  const auto check = [](const Outcome& outcome, std::string_view error) {
    EXPECT_FALSE(outcome.client);
    EXPECT_EQ(outcome.kind, CallError::Kind::kConnectionRefused);
    EXPECT_EQ(outcome.error, error);
  };
  const std::string_view not_a_server = "the peer is not a server of remoteobj (check the address)";
  check(Meet(With(kKey), With(kKey), {.greeting = fill}), not_a_server);
  check(Meet(With(kKey), With(kKey), {.reply = fill}), not_a_server);
  const Outcome other_client = Meet(With(kKey), With(kKey), {.answer = fill});
  EXPECT_EQ(other_client.server->reason, "the peer is not a client of remoteobj");
}

TEST(HelloTest, NoncesAndIdsAreFresh) {
  EXPECT_NE(RandomHelloId(), RandomHelloId());
  EXPECT_NE(ServerHello(With(kKey)).Greeting(), ServerHello(With(kKey)).Greeting());
  ServerHello server(With(kKey));
  ClientHello one(With(kKey)), other(With(kKey));
  EXPECT_NE(one.Answer(server.Greeting()), other.Answer(server.Greeting()));
}

// The layout is a promise to other versions: these bytes do not change.
TEST(HelloTest, Layout) {
  HelloOptions server_options = Speaking(0x0102, 0x0304), client_options = server_options;
  server_options.pid = client_options.pid = 0x05060708;
  server_options.id.fill(std::byte{0xaa});
  client_options.id.fill(std::byte{0xbb});
  client_options.shared_memory = true;
  ServerHello server(server_options);
  ClientHello client(client_options);
  const auto check = [](const auto& message, std::string_view start) {
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(message.data()), start.size()), start);
  };
  using namespace std::string_view_literals;
  check(server.Greeting(),
        "robj:srv\0\0\x02\x01\x04\x03\0\0\x01\0\0\0\x08\x07\x06\x05"
        "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa"sv);
  const HelloAnswer answer = client.Answer(server.Greeting());
  check(answer,
        "robj:cli\x04\x03\x02\x01\x04\x03\0\0\x03\0\0\0\x08\x07\x06\x05"
        "\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb\xbb"sv);
  const HelloReply reply = server.Check(answer).reply;
  check(reply, "robj:rep\x04\x03\x02\x01\x04\x03\0\0\0\0\0\0\0\0\0\0"sv);
  for (std::size_t i = 72; i < 80; ++i) {
    EXPECT_EQ(server.Greeting()[i], std::byte{0});
    EXPECT_EQ(answer[i], std::byte{0});
  }
}

// So is what a proof is made of. The number is from another implementation: Python's hmac.
TEST(HelloTest, Proof) {
  HelloGreeting greeting;
  HelloAnswer answer;
  HelloReply reply;
  greeting.fill(std::byte{1});
  answer.fill(std::byte{2});
  reply.fill(std::byte{3});
  const auto hex = [](const HelloProof& proof) {
    std::string text;
    for (const std::byte byte : proof) {
      text += "0123456789abcdef"[static_cast<int>(byte) >> 4];
      text += "0123456789abcdef"[static_cast<int>(byte) & 15];
    }
    return text;
  };
  const HelloKey key("key");
  EXPECT_EQ(hex(key.ClientProof(greeting, answer)),
            "6bb2951cddfb4fc9ea93410d362367459f333f67e9ede4768c4e77f17f8fb16d");
  EXPECT_EQ(hex(key.ServerProof(greeting, answer, reply)),
            "2f02442cc011273c7cbafb79dda60346bcef10b6f40b32bf3171f6904fce6077");
}

}  // namespace
}  // namespace remoteobj::transport_internal
