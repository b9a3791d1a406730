// SPDX-License-Identifier: MIT
//
// A message in private memory. A small one needs no allocation. Included by .cc files of this
// module only.
#ifndef REMOTEOBJ_TRANSPORT_INTERNAL_HEAP_MESSAGE_H_
#define REMOTEOBJ_TRANSPORT_INTERNAL_HEAP_MESSAGE_H_

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "kj/array.h"
#include "remoteobj/transport/internal/messages.h"

namespace remoteobj::transport_internal {

class HeapMessage final : private Segments {
 public:
  HeapMessage() : builder_(*this) {}

  Builder& builder() { return builder_; }

 private:
  static constexpr std::size_t kInlineWords = 128;
  static constexpr std::size_t kMinWords = 1024;
  static constexpr std::size_t kMaxWords = std::size_t{4} << 20;

  kj::ArrayPtr<capnp::word> Allocate(std::size_t words, bool bulk) override {
    if (first_ && words <= kInlineWords) {
      first_ = false;
      std::memset(inline_, 0, sizeof inline_);
      return kj::arrayPtr(inline_, kInlineWords);
    }
    // Each is twice the last, unless that was not filled: see SlotWriter.
    const std::size_t size =
        bulk ? words
             : std::max(words, last_was_bulk_ || more_.empty()
                                   ? kMinWords
                                   : std::min(2 * more_.back().size(), kMaxWords));
    last_was_bulk_ = bulk;
    more_.push_back(kj::heapArray<capnp::word>(size));
    std::memset(more_.back().begin() + (bulk ? size - 1 : 0), 0,
                (bulk ? 1 : size) * sizeof(capnp::word));
    return more_.back();
  }

  capnp::word inline_[kInlineWords];
  bool first_ = true;
  bool last_was_bulk_ = false;
  std::vector<kj::Array<capnp::word>> more_;
  Builder builder_;
};

// An outcome in private memory.
class HeapOutcome final : public OutcomeSpace {
 public:
  Builder& Fresh() override { return message_.emplace().builder(); }

  // What was written; nothing is a null value.
  schema::Outcome::Reader Read() {
    if (!message_) Access::Outcome(*this).Value().Null();
    return message_->builder().getRoot<schema::Outcome>().asReader();
  }

 private:
  std::optional<HeapMessage> message_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_INTERNAL_HEAP_MESSAGE_H_
