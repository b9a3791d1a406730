// SPDX-License-Identifier: MIT
//
// A message in private memory. A small one needs no allocation.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_HEAP_MESSAGE_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_HEAP_MESSAGE_H_

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/flat.h"

namespace remoteobj::transport_internal {

class HeapMessage final : public Out {
 public:
  HeapMessage() : Out(inline_, kInlineWords) {}

  // With the same attachments.
  In Read() const {
    In in(words().data(), used_);
    in.attachments = attachments();
    return in;
  }

  // Starts a new message of that many words, all 0, for the caller to write.
  std::span<Word> Prepare(std::uint64_t words) {
    Reset();
    Allocate(words);
    return {base_, words};
  }

 private:
  static constexpr std::size_t kInlineWords = 128;

  void Grow(std::uint64_t words) override {
    const std::uint64_t wanted = used_ + words;
    if (wanted > kMaxMessageWords) {
      throw BadValue("a message of more than 4 GiB, which is too large to send");
    }
    const std::uint64_t capacity = std::min(std::max(wanted, 2 * capacity_), kMaxMessageWords);
    // Not cleared. If there is no memory the message stays as it is, for a shorter one.
    std::unique_ptr<Word[]> larger(new Word[capacity]);
    std::memcpy(larger.get(), base_, used_ * sizeof(Word));
    grown_ = std::move(larger);
    base_ = grown_.get();
    capacity_ = capacity;
  }

  Word inline_[kInlineWords];
  std::unique_ptr<Word[]> grown_;
};

}  // namespace remoteobj::transport_internal

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_HEAP_MESSAGE_H_
