// SPDX-License-Identifier: MIT
//
// Cap'n Proto messages over memory that a channel gives, and the handles of message.h on them.
// Included by .cc files of this module only.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_MESSAGES_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_MESSAGES_H_

#include <cstdint>

#include "capnp/message.h"
#include "remoteobj/transport/internal/access.h"
#include "remoteobj/transport/message.h"

namespace remoteobj::transport_internal {

// The memory of one message, a segment at a time.
class Segments {
 public:
  // At least `words` words, cleared. A bulk segment will be overwritten but for its last word, and
  // has exactly that size. Throws BadValue where the message grows too large.
  virtual kj::ArrayPtr<capnp::word> Allocate(std::size_t words, bool bulk) = 0;

 protected:
  ~Segments() = default;
};

// Builds a message in a channel's memory.
class Builder final : public capnp::MessageBuilder {
 public:
  explicit Builder(Segments& segments) : segments_(segments) {}

  kj::ArrayPtr<capnp::word> allocateSegment(capnp::uint minimum) override {
    return segments_.Allocate(minimum, bulk);
  }

  // Set while a Data is allocated that will be overwritten whole.
  bool bulk = false;

 private:
  Segments& segments_;
};

class OutcomeSpace {
 public:
  virtual Builder& Fresh() = 0;

 protected:
  ~OutcomeSpace() = default;
};

// How far a reader follows a message of that many words: enough to read each word a few times and
// to search a record for its fields, but pointers to one place from many cannot make a small
// message large.
inline capnp::ReaderOptions LimitsFor(std::uint64_t words) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 8 * words + (64 << 10);
  options.nestingLimit = 6 * kMaxDepth + 16;  // A level of values is up to six of Cap'n Proto's.
  return options;
}

inline RequestWriter RequestOn(Builder& builder, std::int64_t deadline_ns) {
  auto request = builder.initRoot<schema::Request>();
  request.setDeadline(deadline_ns);
  return Access::Request(request, &builder.bulk);
}

inline RequestReader RequestIn(capnp::MessageReader& message) {
  return Guarded([&] { return Access::Request(message.getRoot<schema::Request>()); });
}

inline OutcomeReader OutcomeIn(capnp::MessageReader& message) {
  return Guarded([&] { return Access::Outcome(message.getRoot<schema::Outcome>()); });
}

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_MESSAGES_H_
