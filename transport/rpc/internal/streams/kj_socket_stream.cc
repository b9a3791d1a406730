// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/streams/kj_socket_stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <array>

#include "kj/debug.h"
#include "kj/exception.h"

namespace remoteobj::transport_internal {
namespace {

using Fulfiller = kj::Own<kj::PromiseFulfiller<void>>;

void Fulfill(Fulfiller& waiting) {
  if (waiting.get() == nullptr) return;
  Fulfiller ready = kj::mv(waiting);
  ready->fulfill();
}

kj::Promise<void> When(Fulfiller& waiting) {
  auto made = kj::newPromiseAndFulfiller<void>();
  waiting = kj::mv(made.fulfiller);
  return kj::mv(made.promise);
}

std::span<const char> Chars(kj::ArrayPtr<const kj::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

}  // namespace

short SocketStream::events() const {
  return static_cast<short>((readable_.get() != nullptr ? POLLIN : 0) |
                            (writable_.get() != nullptr ? POLLOUT : 0));
}

void SocketStream::Ready(short events) {
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) Fulfill(readable_);
  if ((events & (POLLOUT | POLLHUP | POLLERR)) != 0) Fulfill(writable_);
}

kj::Promise<std::size_t> SocketStream::tryRead(void* buffer, std::size_t least, std::size_t most) {
  return ReadOn(static_cast<char*>(buffer), least, most, 0);
}

kj::Promise<void> SocketStream::WriteBytes(kj::ArrayPtr<const kj::byte> bytes) {
  return WriteOn({reinterpret_cast<const char*>(bytes.begin()), bytes.size()}, {});
}

kj::Promise<void> SocketStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  return WriteOn({}, pieces);
}

kj::Promise<void> SocketStream::whenWriteDisconnected() { return kj::NEVER_DONE; }

void SocketStream::shutdownWrite() { shutdown(fd_, SHUT_WR); }

void SocketStream::abortRead() { shutdown(fd_, SHUT_RD); }

kj::Promise<std::size_t> SocketStream::ReadOn(char* buffer, std::size_t least, std::size_t most,
                                              std::size_t had) {
  for (;;) {
    const ssize_t got = recv(fd_, buffer + had, most - had, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0) return KJ_EXCEPTION(DISCONNECTED, "the connection was lost");
    had += static_cast<std::size_t>(got);
    if (got == 0 || had >= least) return had;
  }
  return When(readable_).then([=, this] { return ReadOn(buffer, least, most, had); });
}

kj::Promise<void> SocketStream::WriteOn(std::span<const char> now,
                                        kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> later) {
  for (;;) {
    while (now.empty()) {
      if (later.size() == 0) return kj::READY_NOW;
      now = Chars(later.front());
      later = later.slice(1, later.size());
    }
    std::array<iovec, 16> pieces;
    pieces[0] = {const_cast<char*>(now.data()), now.size()};
    std::size_t count = 1;
    for (; count < pieces.size() && count <= later.size(); ++count) {
      const auto piece = later[count - 1];
      pieces[count] = {const_cast<kj::byte*>(piece.begin()), piece.size()};
    }
    msghdr message = {};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    // The reading side reports the end of the connection. After a failed write KJ would not read
    // what the peer sent before it hung up.
    if (sent < 0) return kj::READY_NOW;
    auto left = static_cast<std::size_t>(sent);
    while (left > now.size()) {
      left -= now.size();
      now = Chars(later.front());
      later = later.slice(1, later.size());
    }
    now = now.subspan(left);
  }
  return When(writable_).then([=, this] { return WriteOn(now, later); });
}

}  // namespace remoteobj::transport_internal
