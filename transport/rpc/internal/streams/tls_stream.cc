// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/streams/tls_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <span>
#include <utility>
#include <vector>

#include "kj/debug.h"
#include "kj/exception.h"

namespace remoteobj::transport_internal {
namespace {

constexpr std::size_t kMostAnswers = 4096;
// Two of the largest records. A peer may send records without data as long as it likes, and TLS
// would read them.
constexpr std::size_t kMostWithoutData = 2 * (std::size_t{17} << 10);
constexpr std::size_t kBytesPerTurn = 64 << 10;
constexpr std::size_t kLeastRoom = 4 << 10;
constexpr std::size_t kMostRoom = 128 << 10;

std::span<const std::byte> BytesOf(kj::ArrayPtr<const kj::byte> bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()};
}

}  // namespace

kj::Promise<std::size_t> TlsStream::tryRead(void* buffer, std::size_t least, std::size_t most) {
  return ReadOn(static_cast<std::byte*>(buffer), least, most, 0);
}

kj::Promise<std::size_t> TlsStream::ReadOn(std::byte* buffer, std::size_t least, std::size_t most,
                                           std::size_t had) {
  if (had >= most) return had;  // Nothing was asked for.
  try {
    while (had < most) {
      const std::size_t got = session_->Read({buffer + had, most - had});
      had += got;
      if (got != 0) without_data_ = 0;
      if (had >= least || session_->ended()) return had;
      if (got == 0) break;
    }
    // Reading makes TLS answer what the peer asks for, which goes along with the next write.
    if (session_->pending() > kMostAnswers) {
      return KJ_EXCEPTION(DISCONNECTED, "the peer asks for more of TLS's answers than it reads");
    }
    if (without_data_ > kMostWithoutData) {
      return KJ_EXCEPTION(DISCONNECTED, "the peer sends records without data");
    }
  } catch (const std::exception& e) {
    return KJ_EXCEPTION(DISCONNECTED, "the connection was lost", e.what());
  }
  // Room for as much as is awaited: a large message takes few reads, and an idle connection costs
  // little memory.
  const std::size_t room = std::clamp(least - had, kLeastRoom, kMostRoom);
  if (received_.size() != room) received_ = std::vector<std::byte>(room);
  return stream_->tryRead(received_.data(), 1, received_.size())
      .then([=, this](std::size_t got) -> kj::Promise<std::size_t> {
        if (got == 0) return had;
        session_->Receive(std::span(received_).first(got));
        in_turn_ += got;
        without_data_ += got;
        // KJ reads from a socket that has data without a look at other sockets.
        if (next_turn_ == nullptr || in_turn_ < kBytesPerTurn) {
          return ReadOn(buffer, least, most, had);
        }
        in_turn_ = 0;
        return next_turn_().then([=, this] { return ReadOn(buffer, least, most, had); });
      });
}

kj::Promise<void> TlsStream::WriteBytes(kj::ArrayPtr<const kj::byte> bytes) {
  return WriteOn(BytesOf(bytes), {});
}

kj::Promise<void> TlsStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  return WriteOn({}, pieces);
}

// A part of it at a time, so that a large message does not need its size in memory again.
kj::Promise<void> TlsStream::WriteOn(std::span<const std::byte> now, Pieces later) {
  constexpr std::size_t kRecord = 16 << 10;
  constexpr std::size_t kRecordsAtOnce = 8;
  const auto more = [&] { return !now.empty() || later.size() != 0; };
  try {
    std::array<std::byte, kRecord> record;
    for (std::size_t records = 0; records < kRecordsAtOnce && more(); ++records) {
      std::size_t used = 0;
      while (used < record.size() && more()) {
        if (now.empty()) {
          now = BytesOf(later.front());
          later = later.slice(1, later.size());
        }
        const std::size_t size = std::min(now.size(), record.size() - used);
        std::copy_n(now.begin(), size, record.begin() + used);
        now = now.subspan(size);
        used += size;
      }
      session_->Write(std::span(record).first(used));
    }
  } catch (const std::exception& e) {
    return KJ_EXCEPTION(DISCONNECTED, "the connection was lost", e.what());
  }
  auto output = kj::heap<std::vector<std::byte>>(session_->TakeOutput());
  kj::Promise<void> written = stream_->write(output->data(), output->size());
  written = written.attach(kj::mv(output));
  if (!more()) return written;
  return written.then([=, this] { return WriteOn(now, later); });
}

}  // namespace remoteobj::transport_internal
