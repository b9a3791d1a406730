// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/hello.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/internal/crypto.h"

namespace remoteobj::transport_internal {
namespace {

using Bytes = std::span<const std::byte>;

// Labels are of one length, so that no two inputs of the HMAC are the same bytes.
constexpr std::string_view kKeyLabel = "remoteobj hello v1 key   ";
constexpr std::string_view kClientLabel = "remoteobj hello v1 client";
constexpr std::string_view kServerLabel = "remoteobj hello v1 server";
static_assert(kKeyLabel.size() == kClientLabel.size() && kKeyLabel.size() == kServerLabel.size());

constexpr std::string_view kGreetingMagic = "robj:srv";
constexpr std::string_view kAnswerMagic = "robj:cli";
constexpr std::string_view kReplyMagic = "robj:rep";

constexpr std::uint32_t kHasKey = 1 << 0;
constexpr std::uint32_t kSharedMemory = 1 << 1;
constexpr std::uint32_t kEncryptsOnly = 1 << 2;

// The places of the fields: see the header.
constexpr std::size_t kMagicAt = 0;
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kLowestAt = 10;
constexpr std::size_t kHighestAt = 12;
constexpr std::size_t kStatusAt = 14;
constexpr std::size_t kFlagsAt = 16;
constexpr std::size_t kPidAt = 20;
constexpr std::size_t kIdAt = 24;
constexpr std::size_t kNonceAt = 40;
constexpr std::size_t kNonceBytes = 32;
constexpr std::size_t kAnswerProofAt = 80;
constexpr std::size_t kReplyProofAt = 24;
static_assert(kNonceAt + kNonceBytes + sizeof(std::uint64_t) == kGreetingBytes);
static_assert(kGreetingBytes == kAnswerProofAt);
static_assert(kAnswerProofAt + sizeof(HelloProof) == kAnswerBytes);
static_assert(kReplyProofAt + sizeof(HelloProof) == kReplyBytes);

template <typename T, std::size_t N>
void Put(std::array<std::byte, N>& message, std::size_t at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    message[at + i] = static_cast<std::byte>(value >> (8 * i));
  }
}

template <typename T, std::size_t N>
T Take(const std::array<std::byte, N>& message, std::size_t at) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(message[at + i]) << (8 * i));
  }
  return value;
}

template <std::size_t N>
void PutBytes(std::array<std::byte, N>& message, std::size_t at, Bytes bytes) {
  std::copy(bytes.begin(), bytes.end(), message.begin() + at);
}

template <std::size_t N>
std::array<std::byte, N> Copy(std::span<const std::byte, N> bytes) {
  std::array<std::byte, N> copy;
  std::copy(bytes.begin(), bytes.end(), copy.begin());
  return copy;
}

Bytes AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

template <std::size_t N>
bool HasMagic(const std::array<std::byte, N>& message, std::string_view magic) {
  return std::equal(magic.begin(), magic.end(), message.begin() + kMagicAt,
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

template <std::size_t N>
bool HasProof(const std::array<std::byte, N>& message, std::size_t at, const HelloProof& proof) {
  return SameBytes(std::span(message).subspan(at, proof.size()), proof);
}

// 0 is no version.
std::uint16_t HighestCommonVersion(const HelloOptions& own, std::uint16_t lowest,
                                   std::uint16_t highest) {
  const std::uint16_t common = std::min(own.highest_version, highest);
  return common >= std::max(own.lowest_version, lowest) ? common : 0;
}

std::string Versions(std::uint16_t lowest, std::uint16_t highest) {
  if (lowest == highest) return "version " + std::to_string(lowest);
  return "versions " + std::to_string(lowest) + " to " + std::to_string(highest);
}

std::string Versions(const HelloOptions& own) {
  return Versions(own.lowest_version, own.highest_version);
}

std::uint32_t FlagsOf(bool has_key, const HelloOptions& options) {
  return (has_key ? kHasKey : 0) | (options.shared_memory ? kSharedMemory : 0);
}

template <std::size_t N>
void PutVersions(std::array<std::byte, N>& message, const HelloOptions& own) {
  Put(message, kLowestAt, own.lowest_version);
  Put(message, kHighestAt, own.highest_version);
}

// The common part of a greeting and an answer.
template <std::size_t N>
void Introduce(std::array<std::byte, N>& message, std::string_view magic, bool has_key,
               const HelloOptions& own) {
  PutBytes(message, kMagicAt, AsBytes(magic));
  PutVersions(message, own);
  Put(message, kFlagsAt, FlagsOf(has_key, own));
  Put(message, kPidAt, own.pid);
  PutBytes(message, kIdAt, own.id);
  FillRandom(std::span(message).subspan(kNonceAt, kNonceBytes));
}

template <std::size_t N>
HelloPeer PeerOf(const std::array<std::byte, N>& message, bool has_key, const HelloOptions& own,
                 std::uint16_t version) {
  HelloPeer peer;
  peer.version = version;
  peer.proved_key = has_key;
  peer.shared_memory =
      own.shared_memory && (Take<std::uint32_t>(message, kFlagsAt) & kSharedMemory) != 0;
  peer.pid = Take<std::uint32_t>(message, kPidAt);
  std::copy_n(message.begin() + kIdAt, peer.id.size(), peer.id.begin());
  return peer;
}

std::shared_ptr<const HelloKeys> KeysOf(const std::string& key) {
  NamedKey unnamed{.name = "", .key = key};
  const auto keys = std::make_shared<const HelloKeys>(std::span(&unnamed, key.empty() ? 0 : 1));
  OPENSSL_cleanse(unnamed.key.data(), unnamed.key.size());
  return keys;
}

// In place first: to move a short string is to copy it.
HelloOptions WithoutKey(HelloOptions& options) {
  OPENSSL_cleanse(options.key.data(), options.key.size());
  options.key.clear();
  return std::move(options);
}

// For the client; for what it can see by itself, and for what the server says.
[[noreturn]] void ThrowRefused(HelloStatus status, const std::string& versions) {
  switch (status) {
    case HelloStatus::kKeyRequired:
      throw AuthenticationError("the server requires a key, and this side has none (set its key)");
    case HelloStatus::kServerNoKey:
      throw AuthenticationError(
          "this side has a key, and the server has none: it can't prove that it is the right one");
    case HelloStatus::kWrongKey:
      throw AuthenticationError(
          "this side failed to prove its key: the server says it has another");
    case HelloStatus::kVersion:
      throw ConnectionRefused(versions);
    case HelloStatus::kNotAHello:
      throw ConnectionRefused("the peer is not a server of remoteobj (check the address)");
    case HelloStatus::kDamaged:
      throw ConnectionRefused("the handshake was damaged on its way (connect again)");
    case HelloStatus::kNotAllowed:
      throw ConnectionRefused("the server does not admit the user of this client");
    case HelloStatus::kBusy:
      throw NotListening(
          "the server is busy: it admits no more connections of this client (close some, or "
          "retry)");
    case HelloStatus::kOk:
      break;
  }
  throw ConnectionRefused("the server refused, for a reason that this version does not know: " +
                          std::to_string(static_cast<int>(status)));
}

// For the server's log.
std::string Reason(HelloStatus status, const HelloAnswer& answer, const HelloOptions& own) {
  switch (status) {
    case HelloStatus::kOk:
      return "";
    case HelloStatus::kWrongKey:
      return "the client failed to prove its key: it has another, or the handshake was damaged on "
             "its way";
    case HelloStatus::kKeyRequired:
      return "the client has no key, and this side requires one";
    case HelloStatus::kServerNoKey:
      return "the client has a key, and this side has none";
    case HelloStatus::kVersion:
      return "the client speaks " +
             Versions(Take<std::uint16_t>(answer, kLowestAt),
                      Take<std::uint16_t>(answer, kHighestAt)) +
             " and chose " + std::to_string(Take<std::uint16_t>(answer, kVersionAt)) +
             ", this side speaks " + Versions(own);
    case HelloStatus::kNotAHello:
      return "the peer is not a client of remoteobj";
    case HelloStatus::kDamaged:
      return "the handshake was damaged on its way";
    case HelloStatus::kNotAllowed:
      return "this side does not admit the user of the client";
    case HelloStatus::kBusy:
      return "this side is busy: it admits no more connections of the client";
  }
  return "refused by policy: " + std::to_string(static_cast<int>(status));
}

}  // namespace

HelloId RandomHelloId() {
  HelloId id;
  FillRandom(id);
  return id;
}

// HMAC fills a short key with zeros, and would take "a" and "a\0" for the same: so a key is an
// input first.
HelloKey::HelloKey(std::string_view key)
    : empty_(key.empty()), derived_(HmacSha256(AsBytes(kKeyLabel), {AsBytes(key)})) {}

HelloKey::~HelloKey() { OPENSSL_cleanse(derived_.data(), derived_.size()); }

HelloProof HelloKey::ClientProof(const HelloGreeting& greeting, const HelloAnswer& answer,
                                 std::string_view channel) const {
  return HmacSha256(derived_, {AsBytes(kClientLabel), AsBytes(channel), greeting,
                               Bytes(answer).first(kAnswerProofAt)});
}

HelloProof HelloKey::ServerProof(const HelloGreeting& greeting, const HelloAnswer& answer,
                                 const HelloReply& reply, std::string_view channel) const {
  return HmacSha256(derived_, {AsBytes(kServerLabel), AsBytes(channel), greeting, answer,
                               Bytes(reply).first(kReplyProofAt)});
}

HelloGreeting EncryptionNotice() {
  HelloGreeting notice = {};
  PutBytes(notice, kMagicAt, AsBytes(kGreetingMagic));
  Put(notice, kLowestAt, std::uint16_t{kProtocolVersion + 1});
  Put(notice, kHighestAt, std::uint16_t{kProtocolVersion + 1});
  Put(notice, kFlagsAt, kEncryptsOnly);
  return notice;
}

HelloKeys::HelloKeys(std::span<const NamedKey> keys) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].key.empty()) {
      throw std::invalid_argument(absl::StrCat("the key \"", keys[i].name, "\" is empty"));
    }
    for (const NamedKey& other : keys.first(i)) {
      if (other.name == keys[i].name || other.key == keys[i].key) {
        throw std::invalid_argument(absl::StrCat("the keys \"", other.name, "\" and \"",
                                                 keys[i].name, "\" have one name or are equal"));
      }
    }
    keys_.emplace_back(keys[i].name, keys[i].key);
  }
  if (keys_.empty()) keys_.emplace_back("", "");
}

const HelloKeys::Named* HelloKeys::Find(const HelloGreeting& greeting, const HelloAnswer& answer,
                                        std::string_view channel) const {
  for (const Named& one : keys_) {
    if (HasProof(answer, kAnswerProofAt, one.second.ClientProof(greeting, answer, channel))) {
      return &one;
    }
  }
  return nullptr;
}

ServerHello::ServerHello(HelloOptions options, std::shared_ptr<const HelloKeys> keys)
    : keys_(std::move(keys)), options_(WithoutKey(options)) {
  Introduce(greeting_, kGreetingMagic, !keys_->empty(), options_);
}

ServerHello::ServerHello(HelloOptions options)
    : keys_(KeysOf(options.key)), options_(WithoutKey(options)) {
  Introduce(greeting_, kGreetingMagic, !keys_->empty(), options_);
}

HelloStatus ServerHello::Judge(const HelloAnswer& answer) {
  if (!HasMagic(answer, kAnswerMagic)) return HelloStatus::kNotAHello;
  const std::uint16_t version = Take<std::uint16_t>(answer, kVersionAt);
  const std::uint16_t common = HighestCommonVersion(
      options_, Take<std::uint16_t>(answer, kLowestAt), Take<std::uint16_t>(answer, kHighestAt));
  if (common == 0 || version != common) return HelloStatus::kVersion;
  const bool has_key = (Take<std::uint32_t>(answer, kFlagsAt) & kHasKey) != 0;
  if (has_key && keys_->empty()) return HelloStatus::kServerNoKey;
  if (!has_key && !keys_->empty()) return HelloStatus::kKeyRequired;
  key_ = keys_->Find(greeting_, answer, options_.channel);
  if (key_ == nullptr) return keys_->empty() ? HelloStatus::kDamaged : HelloStatus::kWrongKey;
  return HelloStatus::kOk;
}

ServerHello::Verdict ServerHello::Check(std::span<const std::byte, kAnswerBytes> bytes,
                                        Policy policy) {
  if (std::exchange(checked_, true)) {
    throw std::logic_error("ServerHello::Check was called twice: a handshake takes one answer");
  }
  const HelloAnswer answer = Copy(bytes);
  const std::uint16_t version = Take<std::uint16_t>(answer, kVersionAt);
  Verdict verdict;
  verdict.status = Judge(answer);
  if (verdict.accepted()) {
    verdict.client = PeerOf(answer, !keys_->empty(), options_, version);
    verdict.client.key_name = key_->first;
    verdict.status = policy(verdict.client);
  }
  verdict.reason = Reason(verdict.status, answer, options_);
  PutBytes(verdict.reply, kMagicAt, AsBytes(kReplyMagic));
  Put(verdict.reply, kVersionAt, version);
  PutVersions(verdict.reply, options_);
  Put(verdict.reply, kStatusAt, static_cast<std::uint16_t>(verdict.status));
  if (verdict.accepted()) {
    PutBytes(verdict.reply, kReplyProofAt,
             key_->second.ServerProof(greeting_, answer, verdict.reply, options_.channel));
  }
  return verdict;
}

ClientHello::ClientHello(HelloOptions options) : key_(options.key), options_(WithoutKey(options)) {
  Introduce(answer_, kAnswerMagic, !key_.empty(), options_);
}

std::string ClientHello::VersionsOf(std::uint16_t lowest, std::uint16_t highest) const {
  return "the server speaks " + Versions(lowest, highest) + ", this side " + Versions(options_);
}

const HelloAnswer& ClientHello::Answer(std::span<const std::byte, kGreetingBytes> greeting) {
  if (std::exchange(next_, Next::kNothing) != Next::kAnswer) {
    throw std::logic_error("ClientHello::Answer was called twice: a handshake takes one greeting");
  }
  greeting_ = Copy(greeting);
  if (!HasMagic(greeting_, kGreetingMagic)) ThrowRefused(HelloStatus::kNotAHello, "");
  if ((Take<std::uint32_t>(greeting_, kFlagsAt) & kEncryptsOnly) != 0) {
    throw ConnectionRefused(
        "the server encrypts, and this side does not: the option plaintext is set here only");
  }
  const std::uint16_t lowest = Take<std::uint16_t>(greeting_, kLowestAt);
  const std::uint16_t highest = Take<std::uint16_t>(greeting_, kHighestAt);
  const std::uint16_t version = HighestCommonVersion(options_, lowest, highest);
  if (version == 0) ThrowRefused(HelloStatus::kVersion, VersionsOf(lowest, highest));
  const bool has_key = (Take<std::uint32_t>(greeting_, kFlagsAt) & kHasKey) != 0;
  if (has_key && key_.empty()) ThrowRefused(HelloStatus::kKeyRequired, "");
  if (!has_key && !key_.empty()) ThrowRefused(HelloStatus::kServerNoKey, "");
  server_ = PeerOf(greeting_, !key_.empty(), options_, version);
  Put(answer_, kVersionAt, version);
  PutBytes(answer_, kAnswerProofAt, key_.ClientProof(greeting_, answer_, options_.channel));
  next_ = Next::kFinish;
  return answer_;
}

HelloPeer ClientHello::Finish(std::span<const std::byte, kReplyBytes> bytes) {
  if (std::exchange(next_, Next::kNothing) != Next::kFinish) {
    throw std::logic_error("ClientHello::Finish was called twice, or before ClientHello::Answer");
  }
  const HelloReply reply = Copy(bytes);
  if (!HasMagic(reply, kReplyMagic)) ThrowRefused(HelloStatus::kNotAHello, "");
  const auto status = static_cast<HelloStatus>(Take<std::uint16_t>(reply, kStatusAt));
  if (status != HelloStatus::kOk) {
    ThrowRefused(status, VersionsOf(Take<std::uint16_t>(reply, kLowestAt),
                                    Take<std::uint16_t>(reply, kHighestAt)));
  }
  if (!HasProof(reply, kReplyProofAt,
                key_.ServerProof(greeting_, answer_, reply, options_.channel))) {
    if (key_.empty()) ThrowRefused(HelloStatus::kDamaged, "");
    throw AuthenticationError("the server failed to prove that it has this side's key");
  }
  return server_;
}

}  // namespace remoteobj::transport_internal
