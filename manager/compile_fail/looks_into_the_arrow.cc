// SPDX-License-Identifier: MIT
// The arrow leads to the object's operations, not to what the proxy is made of.
#include "absl/time/time.h"
#include "remoteobj/manager/dict.h"

absl::Duration Limit(const remoteobj::Dict<int, int>& d) { return d->timeout; }
