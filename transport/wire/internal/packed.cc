// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/internal/packed.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "capnp/message.h"
#include "capnp/serialize.h"
#include "kj/exception.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/heap_message.h"

namespace remoteobj::transport_internal {
namespace {

// One segment: how many there are less one, and the size of each, in words.
struct Frame {
  std::uint32_t more_segments;
  std::uint32_t words;
};

// Puts what can be reached from the root of a message, of one segment or several, into one, by
// Cap'n Proto's own code. `words` are the message with its frame.
std::vector<Word> Gathered(std::span<const Word> words) {
  std::vector<Word> together;
  try {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 8 * words.size() + 65536;
    options.nestingLimit = 1024;
    capnp::FlatArrayMessageReader message(
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(words.data()), words.size()), options);
    capnp::MallocMessageBuilder builder(static_cast<unsigned>(words.size() + 1),
                                        capnp::AllocationStrategy::FIXED_SIZE);
    builder.setRoot(message.getRoot<capnp::AnyPointer>());
    const auto segments = builder.getSegmentsForOutput();
    if (segments.size() != 1) ThrowMalformed("it points to the same data again and again");
    together.resize(segments[0].size());
    std::memcpy(together.data(), segments[0].begin(), together.size() * sizeof(Word));
  } catch (const kj::Exception& e) {
    ThrowMalformed(e.getDescription().cStr());
  }
  return together;
}

}  // namespace

std::string Framed(std::span<const Word> words) {
  const Frame frame{0, static_cast<std::uint32_t>(words.size())};
  std::string bytes(sizeof frame + words.size_bytes(), '\0');
  std::memcpy(bytes.data(), &frame, sizeof frame);
  if (!words.empty()) std::memcpy(bytes.data() + sizeof frame, words.data(), words.size_bytes());
  return bytes;
}

void WithFramed(std::string_view bytes, absl::FunctionRef<void(In&)> read) {
  std::size_t size = bytes.size() / sizeof(Word);
  if (size == 0) ThrowMalformed("it is empty");
  std::vector<Word> aligned;
  const auto* words = reinterpret_cast<const Word*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(words) % alignof(Word) != 0) {
    aligned.resize(size);
    std::memcpy(aligned.data(), bytes.data(), size * sizeof(Word));
    words = aligned.data();
  }
  Frame frame;
  std::memcpy(&frame, words, sizeof frame);
  if (frame.more_segments != 0) {
    const std::vector<Word> together = Gathered({words, size});
    In in(together.data(), together.size());
    return read(in);
  }
  if (frame.words > size - 1) ThrowMalformed("it is cut short");
  In in(words + 1, frame.words);
  read(in);
}

std::string Extract(const StructIn& root) {
  In& whole = *root.in;
  if (whole.words != 0 && Read(whole, 0).kind() == 0 && Read(whole, 0).target == root.at) {
    return Framed({whole.base, whole.words});
  }
  // The whole message, behind its frame and another root (its pointers are relative). Only what the
  // root leads to is kept: a part that is extracted again and again would carry the rest along.
  HeapMessage message;
  const Frame frame{0, static_cast<std::uint32_t>(whole.words + 1)};
  message.Set(message.Allocate(1), 0, frame);
  const Position pointer = message.Allocate(1);
  const Position moved = message.Append({whole.base, whole.words});
  if (root.layout.words() != 0) message.SetStruct(pointer, moved + root.at, root.layout);
  return Framed(Gathered(message.words()));
}

void Embed(std::string_view bytes, Out& out, Position pointer) {
  WithFramed(bytes, [&](In& in) {
    const StructIn root = Root(in);
    const Position moved = out.Append({in.base, in.words});
    if (root.layout.words() != 0) out.SetStruct(pointer, moved + root.at, root.layout);
  });
}

}  // namespace remoteobj::transport_internal
