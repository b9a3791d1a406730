// SPDX-License-Identifier: MIT
//
// The handshake of a connection: it identifies both sides, chooses the protocol version, and has
// both sides prove that they have the same key (mutual challenge-response). It maps bytes to bytes;
// the owner of the socket moves them.
//
//   ServerHello server(options);                    ClientHello client(options);
//   send(server.Greeting());               -->      auto answer = client.Answer(greeting);
//   auto verdict = server.Check(answer);   <--      send(answer);
//   send(verdict.reply);                   -->      HelloPeer peer = client.Finish(reply);
//   if (!verdict.accepted()) hang up
//
// Three messages of fixed sizes and little-endian fields, the same in all versions; the
// additions of a later version come after them. `_` is zero when sent, and ignored when received.
//
//   greeting                     answer                        reply
//    0  "robj:srv"                0  "robj:cli"                 0  "robj:rep"
//    8  u16 _                     8  u16 the version chosen     8  u16 the version chosen
//   10  u16 lowest version       10  u16 lowest version        10  u16 lowest version
//   12  u16 highest version      12  u16 highest version       12  u16 highest version
//   14  u16 _                    14  u16 _                     14  u16 HelloStatus
//   16  u32 flags                16  u32 flags                 16  u64 _
//   20  u32 pid                  20  u32 pid                   24  u8[32] proof
//   24  u8[16] id                24  u8[16] id
//   40  u8[32] nonce             40  u8[32] nonce
//   72  u64 _                    72  u64 purpose: _ until now
//                                80  u8[32] proof
//
// Flags: 1 for a side that has a key, 2 for one that offers or wants shared memory, 4 for a server
// that refuses a client which does not encrypt (EncryptionNotice).
//
// A proof is HMAC-SHA256 of a label of its direction, of a value that identifies the encrypted
// connection (HelloOptions::channel), and of all bytes of the handshake before it, in both
// directions. So it proves the key, and is valid for one connection and one direction only: a proof
// that is replayed, reflected to its sender, or relayed into another encrypted connection is
// refused, and a man in the middle cannot lower the version or change a flag. The key of the HMAC
// is derived from the shared key. Without a key the same computation detects damage, and proves
// nothing.
//
// A server may accept several keys, each with a name. The proof tells which one the client has.
//
// Limits:
//   - It protects the handshake, not the messages after it: those are protected by the encrypted
//     connection within which the handshake is done, or by a Unix socket. Without either, a man in
//     the middle can relay the handshake of two honest sides and take over the connection.
//   - An eavesdropper on a handshake can try keys offline. A key must be random (32 bytes of
//     getrandom), not a password.
//   - All owners of the key are equal: a client that has it could pose as the server.
//   - pid and id are claims of the peer.
//
// Threads:  each object is for one connection and one thread at a time.
// Lifetime: for one hello: each function once. Not copyable, so that a nonce is used once.
// Errors:   for the client: AuthenticationError if the keys differ or one is missing, NotListening
//           if the server is busy, ConnectionRefused for every other refusal. The text names the
//           side at fault, and no key. The server gets a Verdict, since a client that fails is not
//           an error of the server.
#ifndef REMOTEOBJ_TRANSPORT_RPC_INTERNAL_HELLO_H_
#define REMOTEOBJ_TRANSPORT_RPC_INTERNAL_HELLO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/rpc/internal/crypto.h"

namespace remoteobj::transport_internal {

// The version of the messages that follow the handshake (transport/wire/rpc.capnp). 2 reports
// failures as fields, 1 reported them in the texts of exceptions; no program speaks both.
inline constexpr std::uint16_t kProtocolVersion = 2;

using HelloId = std::array<std::byte, 16>;
HelloId RandomHelloId();

// A key, and the name by which a server knows the clients that have it.
struct NamedKey {
  std::string name;
  std::string key;
};

struct HelloOptions {
  std::string key = {};        // Empty: none, and none is asked for.
  bool shared_memory = false;  // Offered by the server, wanted by the client.
  std::uint32_t pid = 0;
  HelloId id = {};  // This server or client process. A server that was restarted has another.
  // The versions of this side. Others than the defaults are for tests.
  std::uint16_t lowest_version = kProtocolVersion;
  std::uint16_t highest_version = kProtocolVersion;
  // Identifies the encrypted connection to both of its ends (RFC 5705); empty if it is not
  // encrypted.
  std::string channel = {};
};

// The status in a reply; never change a number.
enum class HelloStatus : std::uint16_t {
  kOk = 0,
  kWrongKey = 1,     // The client's proof is not by the server's key.
  kKeyRequired = 2,  // The server has a key, the client none.
  kServerNoKey = 3,  // The client has a key, the server none.
  kVersion = 4,      // No version that both speak, or not the highest of them.
  kNotAHello = 5,    // Bytes of another protocol.
  kDamaged = 6,      // Without keys: the two sides saw different bytes.
  kNotAllowed = 7,   // The server's policy.
  kBusy = 8,         // The server's policy: come again later.
};

// The peer, after a successful handshake.
struct HelloPeer {
  std::uint16_t version = 0;
  bool proved_key = false;
  std::string key_name = {};   // The name of the client's key, among the server's.
  bool shared_memory = false;  // Both sides would.
  std::uint32_t pid = 0;       // In the peer's pid namespace.
  HelloId id = {};
};

inline constexpr std::size_t kGreetingBytes = 80;
inline constexpr std::size_t kAnswerBytes = 112;
inline constexpr std::size_t kReplyBytes = 56;
using HelloGreeting = std::array<std::byte, kGreetingBytes>;
using HelloAnswer = std::array<std::byte, kAnswerBytes>;
using HelloReply = std::array<std::byte, kReplyBytes>;
using HelloProof = Mac;

// A key derived from a shared one, wiped at the end. Shared keys may have any length and bytes.
class HelloKey {
 public:
  explicit HelloKey(std::string_view key);
  HelloKey(const HelloKey&) = delete;
  HelloKey& operator=(const HelloKey&) = delete;
  ~HelloKey();

  bool empty() const { return empty_; }
  HelloProof ClientProof(const HelloGreeting& greeting, const HelloAnswer& answer,
                         std::string_view channel = {}) const;
  HelloProof ServerProof(const HelloGreeting& greeting, const HelloAnswer& answer,
                         const HelloReply& reply, std::string_view channel = {}) const;

 private:
  bool empty_;
  HelloProof derived_;
};

// The keys that a server accepts. Immutable; all connections of a server share it.
class HelloKeys {
 public:
  using Named = std::pair<const std::string, HelloKey>;

  // Throws std::invalid_argument for an empty key, and for two keys or two names that are equal.
  explicit HelloKeys(std::span<const NamedKey> keys);

  // Returns true if clients need no key.
  bool empty() const { return keys_.front().second.empty(); }
  // Returns the key by which the answer's proof was made, or null.
  const Named* Find(const HelloGreeting& greeting, const HelloAnswer& answer,
                    std::string_view channel) const;

 private:
  std::list<Named> keys_;  // Without keys, one that is empty.
};

// A greeting that no client answers, from a server that encrypts to a client that waits for it to
// speak first. It has a version that clients without encryption do not have.
HelloGreeting EncryptionNotice();

class ServerHello {
 public:
  struct Verdict {
    HelloStatus status = HelloStatus::kOk;
    std::string reason;     // For a log; empty if the client is in.
    HelloReply reply = {};  // To send, also to a client that is refused.
    HelloPeer client = {};  // Empty if the key was not proved.
    bool accepted() const { return status == HelloStatus::kOk; }
  };
  // kOk, or why a client stays out that has the key: kNotAllowed or kBusy.
  using Policy = absl::FunctionRef<HelloStatus(const HelloPeer&)>;

  // With the key of the options.
  explicit ServerHello(HelloOptions options);
  // With these keys instead.
  ServerHello(HelloOptions options, std::shared_ptr<const HelloKeys> keys);

  // Send it at once; then read kAnswerBytes.
  const HelloGreeting& Greeting() const { return greeting_; }

  // Throws nothing that a client could cause. REQUIRES: the first call; std::logic_error else.
  Verdict Check(std::span<const std::byte, kAnswerBytes> answer) {
    return Check(answer, [](const HelloPeer&) { return HelloStatus::kOk; });
  }
  Verdict Check(std::span<const std::byte, kAnswerBytes> answer, Policy policy);

 private:
  HelloStatus Judge(const HelloAnswer& answer);

  const std::shared_ptr<const HelloKeys> keys_;
  const HelloKeys::Named* key_ = nullptr;  // The client's, once it is proved.
  const HelloOptions options_;             // Without the key.
  HelloGreeting greeting_ = {};
  bool checked_ = false;
};

class ClientHello {
 public:
  explicit ClientHello(HelloOptions options);

  // Takes kGreetingBytes; returns the bytes to send, after which kReplyBytes must be read.
  // REQUIRES: the first call; std::logic_error else.
  const HelloAnswer& Answer(std::span<const std::byte, kGreetingBytes> greeting);

  // Returns if this client is in. REQUIRES: the first call after Answer(); std::logic_error else.
  HelloPeer Finish(std::span<const std::byte, kReplyBytes> reply);

 private:
  enum class Next : std::uint8_t { kAnswer, kFinish, kNothing };

  std::string VersionsOf(std::uint16_t lowest, std::uint16_t highest) const;

  const HelloKey key_;
  const HelloOptions options_;  // Without the key.
  HelloGreeting greeting_ = {};
  HelloAnswer answer_ = {};
  HelloPeer server_ = {};
  Next next_ = Next::kAnswer;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_RPC_INTERNAL_HELLO_H_
