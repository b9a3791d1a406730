// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/streams/paced_stream.h"

#include "kj/debug.h"
#include "kj/exception.h"

namespace remoteobj::transport_internal {

kj::Promise<std::size_t> PacedStream::tryRead(void* buffer, std::size_t least, std::size_t most) {
  if (writes_ == 0) return stream_->tryRead(buffer, least, most);
  auto written = kj::newPromiseAndFulfiller<void>();
  written_ = kj::mv(written.fulfiller);
  return written.promise.then([=, this] { return tryRead(buffer, least, most); });
}

kj::Promise<void> PacedStream::WriteBytes(kj::ArrayPtr<const kj::byte> bytes) {
  piece_ = bytes;
  return write(kj::arrayPtr(&piece_, 1));
}

kj::Promise<void> PacedStream::write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) {
  ++writes_;
  // The reading side reports the end of the connection. After a failed write, which KJ may throw at
  // once, Cap'n Proto would not read what the client sent before it hung up.
  auto tried = kj::evalNow([&] { return stream_->write(pieces); });
  auto written = tried.catch_([](kj::Exception&& e) {
    if (e.getType() != kj::Exception::Type::DISCONNECTED) kj::throwFatalException(kj::mv(e));
  });
  // Also if it fails or is cancelled.
  return written.attach(kj::defer([this] {
    if (--writes_ == 0 && written_.get() != nullptr) written_->fulfill();
  }));
}

}  // namespace remoteobj::transport_internal
