// SPDX-License-Identifier: MIT
//
// Options of a proxy.
//
//   remoteobj::Proxy<app::Counter> remote(counter, {.timeout = absl::Seconds(1)});
#ifndef REMOTEOBJ_PROXY_OPTIONS_H_
#define REMOTEOBJ_PROXY_OPTIONS_H_

#include "absl/time/time.h"

namespace remoteobj {

struct ProxyOptions {
  // When the listener closes, calls that have arrived are evaluated; otherwise they are refused,
  // and their callers get NotListening.
  bool fulfill_final = true;
  // A method that returns *this is not evaluated when it is called: the proxy that it returns sends
  // the call with the next operation, in one round trip.
  bool lazy_chains = false;
  // If no process listens, calls and views return a value-initialised object (0, "", empty), and
  // operations without a result do nothing, instead of throwing NotListening or ListenerDied.
  // Asynchronous calls and batches still throw.
  bool default_values = false;
  // For calls that name none of their own.
  absl::Duration timeout = absl::InfiniteDuration();
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_OPTIONS_H_
