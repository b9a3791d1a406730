// SPDX-License-Identifier: MIT
#include "remoteobj/transport/errors.h"

#include "absl/strings/str_cat.h"

namespace remoteobj {

absl::StatusCode CallError::status_code() const {
  switch (kind_) {
    case Kind::kNotListening:
      return absl::StatusCode::kUnavailable;
    case Kind::kListenerDied:
    case Kind::kProcessDied:
      return absl::StatusCode::kAborted;
    case Kind::kDeadlineExceeded:
      return absl::StatusCode::kDeadlineExceeded;
    case Kind::kBadValue:
      return absl::StatusCode::kInvalidArgument;
    case Kind::kNotDescribed:
      return absl::StatusCode::kUnimplemented;
    case Kind::kNotExposed:
    case Kind::kNotAllowed:
      return absl::StatusCode::kPermissionDenied;
    case Kind::kAuthenticationError:
      return absl::StatusCode::kUnauthenticated;
    case Kind::kConnectionRefused:
      return absl::StatusCode::kFailedPrecondition;
    case Kind::kStaleReference:
      return absl::StatusCode::kNotFound;
    case Kind::kQuotaExceeded:
      return absl::StatusCode::kResourceExhausted;
  }
  return absl::StatusCode::kUnknown;
}

bool CallError::retryable() const {
  if (dynamic_cast<const transport_internal::ThrownByObject*>(this) != nullptr) return false;
  if (kind_ == Kind::kNotListening) return true;
  const auto* const died = dynamic_cast<const ListenerDied*>(this);
  return died != nullptr && !died->evaluating();
}

NotAllowed NotAllowed::By(const std::string& policy, const std::string& refused) {
  return NotAllowed(absl::StrCat("the policy of ", policy, " does not allow this client ", refused),
                    policy);
}

QuotaExceeded QuotaExceeded::Of(const std::string& quota, std::uint64_t limit) {
  return QuotaExceeded(absl::StrCat("this client has reached its quota of ", quota, ": ", limit),
                       quota, limit);
}

BadValue BadValue::Within(std::string_view part, std::string_view root) const {
  constexpr std::size_t kMaxPath = 300;
  const std::string in = " in ";
  std::string text = what();
  std::string path = std::string(part) + text.substr(text.size() - path_size_);
  text.resize(text.size() - path_size_ - (root_size_ == 0 ? 0 : in.size() + root_size_));
  if (path.size() > kMaxPath) path.resize(kMaxPath);
  BadValue outer(text + in + std::string(root) + path);
  outer.root_size_ = root.size();
  outer.path_size_ = path.size();
  return outer;
}

DeadlineExceeded DeadlineExceeded::After(absl::Duration waited, const std::string& what) {
  const absl::Duration rounded = absl::Trunc(waited, absl::Microseconds(1));
  return DeadlineExceeded(absl::StrCat(what, " (waited ", absl::FormatDuration(rounded), ")"),
                          waited);
}

}  // namespace remoteobj
