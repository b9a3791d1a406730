// SPDX-License-Identifier: MIT
#include "remoteobj/manager/server/stream_object.h"

#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/server/object_server.h"
#include "remoteobj/manager/server/registry.h"
#include "remoteobj/manager/server/waiting_type.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/made_once.h"

namespace remoteobj::manager_internal {

std::vector<AnyValue> StreamObject::next() {
  CurrentCall call;
  if (values_.empty()) {
    if (error_) Rethrow(*error_);
    if (ended_) return {};
    call.WillWait();
    MaybeProduce();
    call.Wait(getters_);
  }
  std::vector<AnyValue> values(std::make_move_iterator(values_.begin()),
                               std::make_move_iterator(values_.end()));
  values_.clear();
  bytes_ = 0;
  try {
    MaybeProduce();
  } catch (const std::system_error&) {
    // No thread can be started. The next call tries again.
  }
  return values;
}

bool StreamObject::full() const {
  constexpr std::size_t kMost = 64;
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  return values_.size() >= kMost || bytes_ >= kMostBytes;
}

void StreamObject::MaybeProduce() {
  if (producing_ || ended_ || full()) return;
  std::shared_ptr<Entry> self = self_.lock();
  if (self == nullptr) return;  // No client has the stream any more.
  server_.DoForOwner(std::move(self), [this] { Produce(); });
  producing_ = true;
}

void StreamObject::Produce() {
  constexpr absl::Duration kAtATime = absl::Milliseconds(1);
  const Deadline until = Deadline::After(kAtATime);
  for (bool more = true; more;) {
    std::optional<AnyValue> value;
    std::optional<ErrorInfo> error;
    try {
      value = source_->Next();
    } catch (...) {
      error = CaptureCurrentException();
    }
    server_.Locked([&] {
      if (value) {
        bytes_ += value->bytes();
        values_.push_back(*std::move(value));
      } else {
        ended_ = true;
        error_ = std::move(error);
      }
      getters_.WakeAll();
      more = !ended_ && !full();
      if (more && !until.expired()) return;
      // Other calls that wait for the object come first.
      producing_ = false;
      if (more) MaybeProduce();
      more = false;
    });
  }
}

Reference ShareStream(std::unique_ptr<StreamSource> source) {
  const RegisteredType& type = transport_internal::MadeOnce(
      [] { return new const RegisteredType(WaitingType<StreamObject>()); });
  if (!ObjectServer::IsEvaluating()) {
    throw BadValue("only an object of a manager can return a Generator to another process");
  }
  std::shared_ptr<Entry> owner = ObjectServer::CurrentEntry();
  if (owner->how().run != Run::kOnThread) {
    throw BadValue(absl::StrCat("a method of ", owner->type(),
                                " returns a Generator: register the type with Run::kOnThread"));
  }
  ObjectServer& server = ObjectServer::Current();
  auto stream = std::make_shared<StreamObject>(server, std::move(source));
  std::shared_ptr<Entry> entry = server.Adopt(type, "Stream", type.name, stream, std::move(owner));
  stream->SetSelf(entry);
  return {std::move(entry)};
}

}  // namespace remoteobj::manager_internal
