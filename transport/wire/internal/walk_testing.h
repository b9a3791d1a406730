// SPDX-License-Identifier: MIT
//
// Looks at all there is in a message, for tests of bad input: whatever the message is, BadValue is
// all that may come out of it.
//
//   Walk(request);   // a RequestReader or an OutcomeReader
//
// Threads:  no state.
// Errors:   BadValue.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_WALK_TESTING_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_WALK_TESTING_H_

#include <cstddef>
#include <cstdint>

#include "remoteobj/transport/wire/message.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj::transport_internal {

// Both return how much they have seen, so that nothing is optimised away.
inline std::size_t Walk(const ValueReader& value) {
  std::size_t seen = value.DebugString().size();
  switch (value.kind()) {
    case ValueKind::kText:
      return seen + value.AsText().size();
    case ValueKind::kData:
      return seen + value.AsData().size();
    case ValueKind::kList: {
      const ListReader list = value.AsList();
      for (std::size_t i = 0; i < list.size(); ++i) seen += Walk(list[i]);
      return seen;
    }
    case ValueKind::kMap: {
      const MapReader map = value.AsMap();
      for (std::size_t i = 0; i < map.size(); ++i) seen += Walk(map.Key(i)) + Walk(map.Value(i));
      return seen;
    }
    case ValueKind::kRecord: {
      const RecordReader record = value.AsRecord();
      seen += record.type().size();
      for (const char* name : {"x", "y", "name"}) {
        if (record.Has(name)) seen += Walk(record.Field(0, name));
      }
      return seen;
    }
    case ValueKind::kObject:
      return seen + value.AsObject();
    default:
      return seen;
  }
}

inline std::size_t Walk(const RequestReader& request) {
  std::size_t seen = request.target() + static_cast<std::size_t>(request.deadline().nanos());
  for (std::size_t i = 0; i < request.size(); ++i) {
    const OperationReader operation = request[i];
    seen += static_cast<std::size_t>(operation.kind()) + operation.hint() + operation.name().size();
    const ListReader arguments = operation.Arguments();
    for (std::size_t j = 0; j < arguments.size(); ++j) seen += Walk(arguments[j]);
  }
  return seen;
}

inline std::size_t Walk(const OutcomeReader& outcome) {
  switch (outcome.kind()) {
    case OutcomeKind::kValue:
      return Walk(outcome.Value());
    case OutcomeKind::kItself:
      return 0;
    case OutcomeKind::kError:
      return outcome.Error().message.size();
    case OutcomeKind::kMany: {
      std::size_t seen = 0;
      // Outcomes in outcomes are not walked.
      outcome.Each(outcome.size(), [&](std::size_t, const OutcomeReader& one) {
        if (one.kind() != OutcomeKind::kMany) seen += Walk(one);
      });
      return seen;
    }
  }
  return 0;
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_WALK_TESTING_H_
