// SPDX-License-Identifier: MIT
#include "remoteobj/transport/internal/flat.h"

#include <string>

#include "remoteobj/transport/errors.h"

namespace remoteobj::transport_internal {
namespace {

// Where a pointer leads: what it is, and the word that it is relative to.
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

Pointer Read(const In& in, std::uint64_t position) {
  const Word word = in.base[position];
  return {word, static_cast<std::int64_t>(position) + 1 + (static_cast<std::int32_t>(word) >> 2)};
}

Pointer PointerOf(const StructIn& of, std::uint16_t index) {
  if (index >= of.layout.pointers) return {};
  return Read(*of.in, std::uint64_t{of.at} + of.layout.data + index);
}

// Throws unless `size` words from `target` on are in the message.
void CheckBounds(const In& in, std::int64_t target, std::uint64_t size) {
  if (target < 0 || static_cast<std::uint64_t>(target) > in.words ||
      size > in.words - static_cast<std::uint64_t>(target)) {
    ThrowMalformed("a pointer leads out of it");
  }
}

StructIn StructAt(In& in, const Pointer& pointer) {
  if (pointer.word == 0) return {&in};
  if (pointer.kind() != 0) ThrowMalformed("there is no struct where there should be one");
  const Layout layout = pointer.layout();
  CheckBounds(in, pointer.target, layout.words());
  in.Charge(layout.words());
  return {&in, static_cast<Position>(pointer.target), layout};
}

std::span<const std::byte> BytesAt(In& in, const Pointer& pointer) {
  if (pointer.word == 0) return {};
  if (pointer.kind() != 1 || pointer.code() != kBytes) {
    ThrowMalformed("there are no bytes where there should be some");
  }
  const std::uint64_t words = (pointer.count() + 7) / 8;
  CheckBounds(in, pointer.target, words);
  in.Charge(words);
  return {reinterpret_cast<const std::byte*>(in.base + pointer.target), pointer.count()};
}

}  // namespace

void ThrowMalformed(const char* what) {
  throw BadValue(std::string("malformed message: ") + what);
}

StructIn Root(In& in) {
  if (in.words == 0) ThrowMalformed("it is empty");
  return StructAt(in, Read(in, 0));
}

StructIn StructIn::GetStruct(std::uint16_t pointer) const {
  return StructAt(*in, PointerOf(*this, pointer));
}

std::span<const std::byte> StructIn::GetBytes(std::uint16_t pointer) const {
  return BytesAt(*in, PointerOf(*this, pointer));
}

std::string_view StructIn::GetText(std::uint16_t pointer) const {
  const Pointer to = PointerOf(*this, pointer);
  if (to.word == 0) return {};
  const std::span<const std::byte> bytes = BytesAt(*in, to);
  if (bytes.empty() || bytes.back() != std::byte{0}) ThrowMalformed("a text without its end");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size() - 1};
}

ListIn StructIn::GetList(std::uint16_t pointer) const {
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
  const Layout layout = element.layout();
  const std::uint32_t size = static_cast<std::uint32_t>(tag) >> 2;
  if (element.kind() != 0 || std::uint64_t{size} * layout.words() > to.count()) {
    ThrowMalformed("a list that is longer than its data");
  }
  // Structs without data take no room: count them, or few words would make many.
  in->Charge(1 + to.count() + (layout.words() == 0 ? size : 0));
  return {in, static_cast<Position>(to.target + 1), size, layout};
}

}  // namespace remoteobj::transport_internal
