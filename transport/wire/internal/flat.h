// SPDX-License-Identifier: MIT
//
// Cap'n Proto messages of one segment, written and read in place: the hot path of every call.
//
// The bytes are Cap'n Proto's, and its own code reads and writes the same (flat_test.cc compares
// the two). Left out are the features that a call through memory does not use: several segments,
// capabilities, the upgrade of lists. In return every operation here is a few instructions on a
// word, where a builder and a reader of the library cost more than the call.
//
// Positions are words from the beginning of the segment, so that a message that outgrows its memory
// can move.
//
// Threads:  a message is written or read by one thread.
// Errors:   BadValue: malformed, or too large. A reader believes nothing it has not checked, and
//           reads no word more than a few times (the budget), however the pointers go round.
// Source:   the Cap'n Proto encoding specification.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_FLAT_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_FLAT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace remoteobj {

class Attachments;

namespace transport_internal {

using Word = std::uint64_t;
using Position = std::uint32_t;

// The sizes of a struct's sections, in words, as the schema's compiler lays it out.
struct Layout {
  std::uint16_t data;
  std::uint16_t pointers;
  constexpr std::uint32_t words() const { return std::uint32_t{data} + pointers; }
};

// A memcpy that bypasses the caches for memory that they do not hold (non-temporal stores), which
// saves reading the lines that are overwritten.
void CopyLarge(Word* to, std::span<const std::byte> from);

inline constexpr std::uint64_t kMaxMessageWords = (std::uint64_t{1} << 29) - 1;

enum ListCode : Word { kBytes = 2, kPointers = 6, kStructs = 7 };

[[noreturn]] void ThrowTooLarge(std::uint64_t words, std::uint64_t most);

// Memory that a message is written into.
class Out {
 public:
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  std::span<const Word> words() const { return {base_, used_}; }
  std::uint64_t used() const { return used_; }

  // Starts a new message.
  virtual void Reset() { used_ = 0; }
  // Forgets all behind the first so many words, to which nothing points any more.
  void Forget(std::uint64_t used) { used_ = used; }

  // Takes words of another message as they are: its pointers are relative. Returns their position.
  Position Append(std::span<const Word> words) {
    const Position at = AllocateUncleared(words.size());
    if (!words.empty()) std::memcpy(base_ + at, words.data(), words.size_bytes());
    return at;
  }
  // Makes the pointer at `pointer` lead to a struct that is there already.
  void SetStruct(Position pointer, Position target, Layout layout) {
    base_[pointer] = PointerWord(pointer, target, 0) | Sizes(layout);
  }

  // Null for none.
  Attachments* attachments() const { return attachments_; }
  // They outlive what is written.
  void SetAttachments(Attachments* attachments) { attachments_ = attachments; }

  // From now on it takes so many bytes at most: what would make it larger throws BadValue.
  void LimitTo(std::size_t bytes) { most_ = std::min(bytes / sizeof(Word), kMaxMessageWords); }

  // Words that are 0.
  Position Allocate(std::uint64_t words) {
    const Position at = AllocateUncleared(words);
    for (std::uint64_t i = 0; i < words; ++i) base_[at + i] = 0;
    return at;
  }

  template <typename T>
  void Set(Position at, std::size_t byte, T value) {
    std::memcpy(reinterpret_cast<std::byte*>(base_ + at) + byte, &value, sizeof value);
  }

  // Each allocates the target of the pointer at `pointer`, and returns the position of its first
  // element.
  Position NewStruct(Position pointer, Layout layout) {
    const Position at = Allocate(layout.words());
    SetStruct(pointer, at, layout);
    return at;
  }
  Position NewStructs(Position pointer, std::uint32_t count, Layout layout) {
    const std::uint64_t words = std::uint64_t{count} * layout.words();
    const Position tag = Allocate(1 + words);
    base_[pointer] = PointerWord(pointer, tag, 1) | (Word{kStructs} << 32) | (words << 35);
    base_[tag] = (Word{count} << 2) | Sizes(layout);
    return tag + 1;
  }
  Position NewPointers(Position pointer, std::uint32_t count) {
    const Position at = Allocate(count);
    base_[pointer] = PointerWord(pointer, at, 1) | (Word{kPointers} << 32) | (Word{count} << 35);
    return at;
  }
  void NewBytes(Position pointer, std::span<const std::byte> bytes, bool text) {
    const std::uint64_t size = bytes.size() + (text ? 1 : 0);
    const std::uint64_t words = (size + 7) / 8;
    const Position at = AllocateUncleared(words);
    if (words != 0) base_[at + words - 1] = 0;
    base_[pointer] = PointerWord(pointer, at, 1) | (Word{kBytes} << 32) | (size << 35);
    if (bytes.size() >= kLarge) {
      CopyLarge(base_ + at, bytes);
    } else if (!bytes.empty()) {
      std::memcpy(base_ + at, bytes.data(), bytes.size());
    }
  }
  void NewText(Position pointer, std::string_view text) {
    NewBytes(pointer, std::as_bytes(std::span(text)), /*text=*/true);
  }

 protected:
  Out(Word* base, std::uint64_t capacity) : base_(base), capacity_(capacity) {}
  ~Out() = default;

  // Makes room for so many words more, moving what there is. Throws BadValue if there is none.
  virtual void Grow(std::uint64_t words) = 0;

  Word* base_;
  std::uint64_t capacity_;
  std::uint64_t used_ = 0;

 private:
  // Measured: below it the reader would rather have it in a cache.
  static constexpr std::size_t kLarge = 32 << 20;

  void MakeRoom(std::uint64_t words) {
    if (words > most_ - used_) ThrowTooLarge(used_ + words, most_);
    Grow(words);
    capacity_ = std::min(capacity_, most_);
  }
  Position AllocateUncleared(std::uint64_t words) {
    if (words > capacity_ - used_) MakeRoom(words);
    const auto at = static_cast<Position>(used_);
    used_ += words;
    return at;
  }
  static Word PointerWord(Position pointer, Position target, Word kind) {
    const auto offset = static_cast<std::int64_t>(target) - pointer - 1;
    return (static_cast<std::uint32_t>(offset) << 2) | kind;
  }
  static Word Sizes(Layout layout) {
    return (Word{layout.data} << 32) | (Word{layout.pointers} << 48);
  }

  std::uint64_t most_ = kMaxMessageWords;
  Attachments* attachments_ = nullptr;
};

[[noreturn]] void ThrowMalformed(const char* what);

// A message that is read.
struct In {
  In(const Word* begin, std::uint64_t size) : base(begin), words(size), budget(8 * size + 65536) {}

  const Word* base;
  std::uint64_t words;
  std::uint64_t budget;
  Attachments* attachments = nullptr;  // Null for none. They outlive what is read.

  void Charge(std::uint64_t read) {
    if (read > budget) ThrowMalformed("it points to the same data again and again");
    budget -= read;
  }
};

struct ListIn;

// A struct in a message; a null one reads as zeros.
struct StructIn {
  In* in = nullptr;
  Position at = 0;
  Layout layout = {0, 0};

  template <typename T>
  T Get(std::size_t byte) const {
    T value{};
    if (byte + sizeof(T) <= std::size_t{layout.data} * 8) {
      std::memcpy(&value, reinterpret_cast<const std::byte*>(in->base + at) + byte, sizeof(T));
    }
    return value;
  }
  bool Has(std::uint16_t pointer) const {
    return pointer < layout.pointers && in->base[at + layout.data + pointer] != 0;
  }
  StructIn GetStruct(std::uint16_t pointer) const;
  ListIn GetList(std::uint16_t pointer) const;
  std::span<const std::byte> GetBytes(std::uint16_t pointer) const;
  std::string_view GetText(std::uint16_t pointer) const;
};

// A list of structs, or of pointers, which is one of structs with a pointer each.
struct ListIn {
  In* in = nullptr;
  Position at = 0;
  std::uint32_t size = 0;
  Layout layout = {0, 0};

  // REQUIRES: i < size.
  StructIn operator[](std::size_t i) const {
    return {in, static_cast<Position>(at + i * layout.words()), layout};
  }
};

// A pointer of a message, and the word that it is relative to.
struct Pointer {
  Word word = 0;
  std::int64_t target = 0;

  Word kind() const { return word & 3; }
  Layout layout() const {
    return {static_cast<std::uint16_t>(word >> 32), static_cast<std::uint16_t>(word >> 48)};
  }
  Word code() const { return (word >> 32) & 7; }
  std::uint64_t count() const { return word >> 35; }
};

inline Pointer Read(const In& in, std::uint64_t position) {
  const Word word = in.base[position];
  return {word, static_cast<std::int64_t>(position) + 1 + (static_cast<std::int32_t>(word) >> 2)};
}

inline Pointer PointerOf(const StructIn& of, std::uint16_t index) {
  if (index >= of.layout.pointers) return {};
  return Read(*of.in, std::uint64_t{of.at} + of.layout.data + index);
}

// Throws unless `size` words from `target` on are in the message.
inline void CheckBounds(const In& in, std::int64_t target, std::uint64_t size) {
  if (target < 0 || static_cast<std::uint64_t>(target) > in.words ||
      size > in.words - static_cast<std::uint64_t>(target)) {
    ThrowMalformed("a pointer leads out of it");
  }
}

inline StructIn StructAt(In& in, const Pointer& pointer) {
  if (pointer.word == 0) return {&in};
  if (pointer.kind() != 0) ThrowMalformed("there is no struct where there should be one");
  const Layout layout = pointer.layout();
  CheckBounds(in, pointer.target, layout.words());
  in.Charge(layout.words());
  return {&in, static_cast<Position>(pointer.target), layout};
}

inline std::span<const std::byte> BytesAt(In& in, const Pointer& pointer) {
  if (pointer.word == 0) return {};
  if (pointer.kind() != 1 || pointer.code() != kBytes) {
    ThrowMalformed("there are no bytes where there should be some");
  }
  const std::uint64_t words = (pointer.count() + 7) / 8;
  CheckBounds(in, pointer.target, words);
  in.Charge(words);
  return {reinterpret_cast<const std::byte*>(in.base + pointer.target), pointer.count()};
}

// The root of a message, and what pointers lead to.
inline StructIn Root(In& in) {
  if (in.words == 0) ThrowMalformed("it is empty");
  return StructAt(in, Read(in, 0));
}

inline StructIn StructIn::GetStruct(std::uint16_t pointer) const {
  return StructAt(*in, PointerOf(*this, pointer));
}

inline std::span<const std::byte> StructIn::GetBytes(std::uint16_t pointer) const {
  return BytesAt(*in, PointerOf(*this, pointer));
}

inline std::string_view StructIn::GetText(std::uint16_t pointer) const {
  const Pointer to = PointerOf(*this, pointer);
  if (to.word == 0) return {};
  const std::span<const std::byte> bytes = BytesAt(*in, to);
  if (bytes.empty() || bytes.back() != std::byte{0}) ThrowMalformed("a text without its end");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1};
}

inline ListIn StructIn::GetList(std::uint16_t pointer) const {
  const Pointer to = PointerOf(*this, pointer);
  if (to.word == 0) return {in};
  if (to.kind() != 1) ThrowMalformed("there is no list where there should be one");
  if (to.code() == kPointers) {
    CheckBounds(*in, to.target, to.count());
    in->Charge(to.count());
    return {in, static_cast<Position>(to.target), static_cast<std::uint32_t>(to.count()), {0, 1}};
  }
  if (to.code() != kStructs) {
    if (to.count() == 0) return {in};
    ThrowMalformed("a list of another kind than there should be");
  }
  CheckBounds(*in, to.target, 1 + to.count());
  const Word tag = in->base[to.target];
  const Pointer element{tag, 0};
  const Layout element_layout = element.layout();
  const std::uint32_t size = static_cast<std::uint32_t>(tag) >> 2;
  if (element.kind() != 0 || std::uint64_t{size} * element_layout.words() > to.count()) {
    ThrowMalformed("a list that is longer than its data");
  }
  // Structs without data take no room: count them, or few words would make many.
  in->Charge(1 + to.count() + (element_layout.words() == 0 ? size : 0));
  return {in, static_cast<Position>(to.target + 1), size, element_layout};
}

// How the structs of message.capnp lie. flat_test.cc holds them against the schema.
inline constexpr Layout kValueLayout{2, 1};
inline constexpr Layout kEntryLayout{0, 2};
inline constexpr Layout kRecordLayout{0, 2};
inline constexpr Layout kFieldLayout{0, 2};
inline constexpr Layout kArrayLayout{1, 1};
inline constexpr Layout kReferenceLayout{1, 1};
inline constexpr Layout kOperationLayout{1, 2};
inline constexpr Layout kRequestLayout{3, 1};
inline constexpr Layout kOutcomeLayout{1, 1};
inline constexpr Layout kErrorLayout{3, 9};

// Value's union, in the schema's order.
enum class Which : std::uint16_t {
  kNull,
  kBool,
  kInt,
  kUInt,
  kFloat,
  kText,
  kData,
  kList,
  kMap,
  kRecord,
  kArray,
  kLongText,
  kLongData,
  kObject,
};

}  // namespace transport_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_FLAT_H_
