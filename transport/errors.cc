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
      return absl::StatusCode::kPermissionDenied;
    case Kind::kAuthenticationError:
      return absl::StatusCode::kUnauthenticated;
    case Kind::kConnectionRefused:
      return absl::StatusCode::kFailedPrecondition;
    case Kind::kStaleReference:
      return absl::StatusCode::kNotFound;
  }
  return absl::StatusCode::kUnknown;
}

DeadlineExceeded DeadlineExceeded::After(absl::Duration waited, const std::string& what) {
  const absl::Duration rounded = absl::Trunc(waited, absl::Microseconds(1));
  return DeadlineExceeded(absl::StrCat(what, " (waited ", absl::FormatDuration(rounded), ")"),
                          waited);
}

}  // namespace remoteobj
