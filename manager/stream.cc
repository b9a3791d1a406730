// SPDX-License-Identifier: MIT
#include "remoteobj/manager/stream.h"

#include <optional>

#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"

namespace remoteobj::manager_internal {

struct StreamReader::Requested {
  explicit Requested(const Reference& reference) : stream(reference) {}

  Proxy<StreamObject> stream;
  std::optional<Future<std::vector<AnyValue>>> next;  // Empty until a value is wanted.
};

StreamReader::StreamReader(const Reference& stream)
    : requested_(std::make_unique<Requested>(stream)) {}
StreamReader::~StreamReader() = default;
StreamReader::StreamReader(StreamReader&&) noexcept = default;

std::vector<AnyValue> StreamReader::Next() {
  if (!requested_->next) requested_->next.emplace(requested_->stream->next.Async());
  std::vector<AnyValue> values = requested_->next->Get();
  if (!values.empty()) requested_->next = requested_->stream->next.Async();
  return values;
}

}  // namespace remoteobj::manager_internal
