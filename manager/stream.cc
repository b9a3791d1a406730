// SPDX-License-Identifier: MIT
#include "remoteobj/manager/stream.h"

#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"

namespace remoteobj::manager_internal {

struct StreamReader::Requested {
  explicit Requested(const Reference& reference) : stream(reference), next(stream->next.Async()) {}

  Proxy<StreamObject> stream;
  Future<std::vector<AnyValue>> next;
};

StreamReader::StreamReader(const Reference& stream)
    : requested_(std::make_unique<Requested>(stream)) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;

std::vector<AnyValue> StreamReader::Next() {
  std::vector<AnyValue> values = requested_->next.Get();
  if (!values.empty()) requested_->next = requested_->stream->next.Async();
  return values;
}

}  // namespace remoteobj::manager_internal
