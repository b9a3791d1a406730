// SPDX-License-Identifier: MIT
//
// The handles of message.h on messages in a channel's memory.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_MESSAGES_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_MESSAGES_H_

#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/flat.h"
#include "remoteobj/transport/wire/message.h"

namespace remoteobj::transport_internal {

inline RequestWriter RequestOn(Out& out, Deadline deadline) {
  out.Reset();
  const Position request = out.NewStruct(out.Allocate(1), kRequestLayout);
  out.Set(request, 8, deadline.nanos());
  return Access::Request(out, request);
}

// Always inlined: a RequestReader is otherwise returned through memory.
[[gnu::always_inline]] inline RequestReader RequestIn(In& message) {
  return Access::Request(Root(message));
}
inline OutcomeReader OutcomeIn(In& message) { return Access::Outcome(Root(message)); }

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_MESSAGES_H_
