// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/value.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/attachments.h"
#include "remoteobj/transport/wire/internal/access.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::kArrayLayout;
using transport_internal::kEntryLayout;
using transport_internal::kFieldLayout;
using transport_internal::kRecordLayout;
using transport_internal::kReferenceLayout;
using transport_internal::kValueLayout;
using transport_internal::ListIn;
using transport_internal::Out;
using transport_internal::Position;
using transport_internal::StructIn;
using transport_internal::Which;

// One list of Cap'n Proto has at most 2^29 - 1 elements. A multiple of every element's size.
constexpr std::size_t kChunkBytes = 256 << 20;
constexpr std::size_t kMaxElements = (1 << 29) - 1;
// Nor has it more words than that, and an element of ours takes up to three.
constexpr std::size_t kMaxValues = kMaxElements / 3;
// No message is larger, so that it need not be tried.
constexpr std::size_t kMaxBytes = std::size_t{4} << 30;

constexpr std::size_t kElementSize[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 1};
constexpr std::string_view kElementName[] = {"int8",    "uint8",   "int16", "uint16",
                                             "int32",   "uint32",  "int64", "uint64",
                                             "float32", "float64", "bool"};

void CheckDepth(int depth) {
  if (depth > kMaxDepth) {
    throw BadValue(absl::StrCat("a value nested more than ", kMaxDepth, " levels deep"));
  }
}

unsigned CheckSize(std::size_t size) {
  if (size > kMaxValues) {
    throw BadValue(
        absl::StrCat("a container of ", size, " elements: at most ", kMaxValues, " can be sent"));
  }
  return static_cast<unsigned>(size);
}

void CheckBytes(std::size_t size) {
  if (size > kMaxBytes) {
    throw BadValue(absl::StrCat("a value of ", size, " bytes, which is too large to send: at most ",
                                kMaxBytes, " bytes make a message"));
  }
}

// Access to the parts of a value: its union's tag and scalars, and its one pointer.
void SetWhich(Out& out, Position value, Which which) { out.Set(value, 0, which); }
constexpr std::size_t kBoolByte = 2;
constexpr std::size_t kScalarByte = 8;
constexpr Position PointerOf(Position value) { return value + kValueLayout.data; }

Which WhichOf(const StructIn& value) { return value.Get<Which>(0); }
bool Is(const StructIn& value, Which which) { return WhichOf(value) == which; }

// A list of pieces.
void PutChunks(Out& out, Position pointer, std::span<const std::byte> bytes) {
  const auto count = static_cast<std::uint32_t>((bytes.size() + kChunkBytes - 1) / kChunkBytes);
  const Position chunks = out.NewPointers(pointer, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = i * kChunkBytes;
    out.NewBytes(chunks + i, bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at)), false);
  }
}

std::size_t BytesIn(const ListIn& chunks) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < chunks.size; ++i) size += chunks[i].GetBytes(0).size();
  return size;
}

// Copies what fits, and moves `out` on behind it.
void CopyPiece(std::span<const std::byte> piece, std::span<std::byte>& out) {
  const std::size_t n = std::min(out.size(), piece.size());
  if (n != 0) std::memcpy(out.data(), piece.data(), n);
  out = out.subspan(n);
}

void Append(std::span<const std::byte> piece, std::string& out) {
  out.append(reinterpret_cast<const char*>(piece.data()), piece.size());
}

std::string JoinChunks(const ListIn& chunks) {
  std::string out;
  out.reserve(BytesIn(chunks));
  for (std::size_t i = 0; i < chunks.size; ++i) Append(chunks[i].GetBytes(0), out);
  return out;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 40;
  const std::string shown(text.substr(0, kShown));
  return absl::StrCat("\"", absl::CHexEscape(shown), text.size() > kShown ? "\"..." : "\"");
}

std::string RecordString(std::string_view type) {
  return type.empty() ? "a record" : absl::StrCat("a record ", std::string(type));
}

std::string_view ElementName(std::size_t type) {
  return type < std::size(kElementName) ? kElementName[type] : "an unknown type";
}

// With all its digits, and never as an integer is written.
std::string FloatString(double value) {
  char text[32];
  const char* end = std::to_chars(text, std::end(text), value).ptr;
  const std::string_view shortest(text, static_cast<std::size_t>(end - text));
  const bool integer = shortest.find_first_not_of("-0123456789") == std::string_view::npos;
  return absl::StrCat(std::string(shortest), integer ? ".0" : "");
}

}  // namespace

// ValueWriter

Attachments& ValueWriter::attachments() const {
  Attachments* const attached = out_->attachments();
  return attached == nullptr ? Attachments::None() : *attached;
}

void ValueWriter::Null() const { SetWhich(*out_, at_, Which::kNull); }

void ValueWriter::Bool(bool value) const {
  SetWhich(*out_, at_, Which::kBool);
  out_->Set(at_, kBoolByte, static_cast<std::uint8_t>(value));
}

void ValueWriter::Int(std::int64_t value) const {
  SetWhich(*out_, at_, Which::kInt);
  out_->Set(at_, kScalarByte, value);
}

void ValueWriter::UInt(std::uint64_t value) const {
  const bool fits = value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  SetWhich(*out_, at_, fits ? Which::kInt : Which::kUInt);
  out_->Set(at_, kScalarByte, value);
}

void ValueWriter::Float(double value) const {
  SetWhich(*out_, at_, Which::kFloat);
  out_->Set(at_, kScalarByte, value);
}

void ValueWriter::Text(std::string_view value) const {
  const auto bytes = std::as_bytes(std::span(value));
  CheckBytes(bytes.size());
  const bool is_long = bytes.size() >= kMaxElements;
  SetWhich(*out_, at_, is_long ? Which::kLongText : Which::kText);
  if (is_long) {
    PutChunks(*out_, PointerOf(at_), bytes);
  } else {
    out_->NewBytes(PointerOf(at_), bytes, /*text=*/true);
  }
}

void ValueWriter::Data(std::span<const std::byte> value) const {
  CheckBytes(value.size());
  const bool is_long = value.size() >= kMaxElements;
  SetWhich(*out_, at_, is_long ? Which::kLongData : Which::kData);
  if (is_long) {
    PutChunks(*out_, PointerOf(at_), value);
  } else {
    out_->NewBytes(PointerOf(at_), value, /*text=*/false);
  }
}

void ValueWriter::Array(ElementType type, std::span<const std::byte> bytes) const {
  CheckBytes(bytes.size());
  SetWhich(*out_, at_, Which::kArray);
  const Position array = out_->NewStruct(PointerOf(at_), kArrayLayout);
  out_->Set(array, 0, type);
  PutChunks(*out_, array + kArrayLayout.data, bytes);
}

void ValueWriter::Object(std::uint64_t id, std::string_view type) const {
  SetWhich(*out_, at_, Which::kObject);
  const Position reference = out_->NewStruct(PointerOf(at_), kReferenceLayout);
  out_->Set(reference, 0, id);
  out_->NewText(reference + kReferenceLayout.data, type);
}

ListWriter ValueWriter::List(std::size_t size) const {
  CheckDepth(depth_ + 1);
  SetWhich(*out_, at_, Which::kList);
  return Access::List(*out_, out_->NewStructs(PointerOf(at_), CheckSize(size), kValueLayout),
                      depth_ + 1);
}

MapWriter ValueWriter::Map(std::size_t size) const {
  CheckDepth(depth_ + 1);
  SetWhich(*out_, at_, Which::kMap);
  return Access::Map(*out_, out_->NewStructs(PointerOf(at_), CheckSize(size), kEntryLayout),
                     depth_ + 1);
}

RecordWriter ValueWriter::Record(std::string_view type, std::size_t fields) const {
  CheckDepth(depth_ + 1);
  SetWhich(*out_, at_, Which::kRecord);
  const Position record = out_->NewStruct(PointerOf(at_), kRecordLayout);
  out_->NewText(record, type);
  return Access::Record(*out_, out_->NewStructs(record + 1, CheckSize(fields), kFieldLayout),
                        depth_ + 1);
}

ValueWriter ListWriter::operator[](std::size_t index) const {
  return Access::Writer(*out_, static_cast<Position>(at_ + index * kValueLayout.words()), depth_);
}

ValueWriter MapWriter::Key(std::size_t index) const {
  const auto entry = static_cast<Position>(at_ + index * kEntryLayout.words());
  return Access::Writer(*out_, out_->NewStruct(entry, kValueLayout), depth_);
}

ValueWriter MapWriter::Value(std::size_t index) const {
  const auto entry = static_cast<Position>(at_ + index * kEntryLayout.words());
  return Access::Writer(*out_, out_->NewStruct(entry + 1, kValueLayout), depth_);
}

ValueWriter RecordWriter::Field(std::size_t index, std::string_view name) const {
  const auto field = static_cast<Position>(at_ + index * kFieldLayout.words());
  out_->NewText(field, name);
  return Access::Writer(*out_, out_->NewStruct(field + 1, kValueLayout), depth_);
}

// ValueReader

Attachments& ValueReader::attachments() const {
  Attachments* const attached = value_.in->attachments;
  return attached == nullptr ? Attachments::None() : *attached;
}

ValueKind ValueReader::kind() const {
  switch (WhichOf(value_)) {
    case Which::kNull:
      return ValueKind::kNull;
    case Which::kBool:
      return ValueKind::kBool;
    case Which::kInt:
      return ValueKind::kInt;
    case Which::kUInt:
      return ValueKind::kUInt;
    case Which::kFloat:
      return ValueKind::kFloat;
    case Which::kText:
    case Which::kLongText:
      return ValueKind::kText;
    case Which::kData:
    case Which::kLongData:
      return ValueKind::kData;
    case Which::kList:
      return ValueKind::kList;
    case Which::kMap:
      return ValueKind::kMap;
    case Which::kRecord:
      return ValueKind::kRecord;
    case Which::kArray:
      return ValueKind::kArray;
    case Which::kObject:
      return ValueKind::kObject;
  }
  return ValueKind::kUnknown;
}

void ValueReader::AsNull() const {
  if (kind() != ValueKind::kNull) Fail("nothing");
}

bool ValueReader::AsBool() const {
  if (!Is(value_, Which::kBool)) Fail("a bool");
  return (value_.Get<std::uint8_t>(kBoolByte) & 1) != 0;
}

std::int64_t ValueReader::AsInt(std::int64_t min, std::int64_t max) const {
  if (Is(value_, Which::kInt)) {
    const std::int64_t number = value_.Get<std::int64_t>(kScalarByte);
    if (number >= min && number <= max) return number;
  } else if (Is(value_, Which::kUInt) && max >= 0 &&
             value_.Get<std::uint64_t>(kScalarByte) <= static_cast<std::uint64_t>(max)) {
    const auto number = static_cast<std::int64_t>(value_.Get<std::uint64_t>(kScalarByte));
    if (number >= min) return number;
  }
  Fail(absl::StrCat("an integer from ", min, " to ", max));
}

std::uint64_t ValueReader::AsUInt(std::uint64_t max) const {
  if (Is(value_, Which::kInt) && value_.Get<std::int64_t>(kScalarByte) >= 0) {
    const auto number = static_cast<std::uint64_t>(value_.Get<std::int64_t>(kScalarByte));
    if (number <= max) return number;
  } else if (Is(value_, Which::kUInt) && value_.Get<std::uint64_t>(kScalarByte) <= max) {
    return value_.Get<std::uint64_t>(kScalarByte);
  }
  Fail(absl::StrCat("an integer from 0 to ", max));
}

double ValueReader::AsFloat() const {
  if (Is(value_, Which::kFloat)) return value_.Get<double>(kScalarByte);
  // The comparisons with a power of two keep the casts back defined.
  if (Is(value_, Which::kInt)) {
    const auto number = static_cast<double>(value_.Get<std::int64_t>(kScalarByte));
    if (number < 0x1p63 &&
        static_cast<std::int64_t>(number) == value_.Get<std::int64_t>(kScalarByte))
      return number;
  } else if (Is(value_, Which::kUInt)) {
    const auto number = static_cast<double>(value_.Get<std::uint64_t>(kScalarByte));
    if (number < 0x1p64 &&
        static_cast<std::uint64_t>(number) == value_.Get<std::uint64_t>(kScalarByte))
      return number;
  }
  Fail("a number that a double can hold");
}

std::string ValueReader::AsText() const {
  if (Is(value_, Which::kText)) return std::string(value_.GetText(0));
  if (Is(value_, Which::kLongText)) return JoinChunks(value_.GetList(0));
  Fail("text");
}

std::string ValueReader::AsData() const {
  std::string out;
  out.reserve(DataBytes());
  EachDataPiece([&](std::span<const std::byte> piece) { Append(piece, out); });
  return out;
}

std::size_t ValueReader::DataBytes() const {
  if (Is(value_, Which::kData)) return value_.GetBytes(0).size();
  if (Is(value_, Which::kLongData)) return BytesIn(value_.GetList(0));
  Fail("data");
}

void ValueReader::CopyData(std::span<std::byte> out) const {
  EachDataPiece([&](std::span<const std::byte> piece) { CopyPiece(piece, out); });
}

void ValueReader::EachDataPiece(absl::FunctionRef<void(std::span<const std::byte>)> read) const {
  if (Is(value_, Which::kData)) {
    read(value_.GetBytes(0));
  } else if (Is(value_, Which::kLongData)) {
    const ListIn chunks = value_.GetList(0);
    for (std::size_t i = 0; i < chunks.size; ++i) read(chunks[i].GetBytes(0));
  } else {
    Fail("data");
  }
}

std::size_t ValueReader::ArrayBytes(ElementType type) const {
  const ListIn chunks = ArrayChunks(type);
  const std::size_t element = kElementSize[static_cast<std::size_t>(type)];
  std::size_t size = 0;
  for (std::size_t i = 0; i < chunks.size; ++i) {
    const std::size_t chunk = chunks[i].GetBytes(0).size();
    if (chunk % element != 0) Fail("chunks of whole elements");
    size += chunk;
  }
  return size;
}

void ValueReader::CopyArray(ElementType type, std::span<std::byte> out) const {
  EachArrayPiece(type, [&](std::span<const std::byte> piece) { CopyPiece(piece, out); });
}

void ValueReader::EachArrayPiece(ElementType type,
                                 absl::FunctionRef<void(std::span<const std::byte>)> read) const {
  const ListIn chunks = ArrayChunks(type);
  for (std::size_t i = 0; i < chunks.size; ++i) read(chunks[i].GetBytes(0));
}

ListIn ValueReader::ArrayChunks(ElementType type) const {
  if (Is(value_, Which::kArray)) {
    const StructIn array = value_.GetStruct(0);
    if (array.Get<ElementType>(0) == type) return array.GetList(0);
  }
  Fail(absl::StrCat("an array of ", std::string(ElementName(static_cast<std::size_t>(type)))));
}

std::uint64_t ValueReader::AsObject() const {
  if (!Is(value_, Which::kObject)) Fail("a reference to an object");
  return value_.GetStruct(0).Get<std::uint64_t>(0);
}

std::string_view ValueReader::ObjectType() const {
  if (!Is(value_, Which::kObject)) Fail("a reference to an object");
  return value_.GetStruct(0).GetText(0);
}

ElementType ValueReader::element_type() const {
  if (!Is(value_, Which::kArray)) Fail("an array");
  const auto type = value_.GetStruct(0).Get<ElementType>(0);
  if (static_cast<std::size_t>(type) >= std::size(kElementSize)) Fail("an array of a known type");
  return type;
}

ListReader ValueReader::AsList() const& {
  CheckDepth(depth_ + 1);
  if (!Is(value_, Which::kList)) Fail("a list");
  return Access::List(value_.GetList(0), this, {}, depth_ + 1);
}

MapReader ValueReader::AsMap() const& {
  CheckDepth(depth_ + 1);
  if (!Is(value_, Which::kMap)) Fail("a map");
  return Access::Map(value_.GetList(0), this, depth_ + 1);
}

RecordReader ValueReader::AsRecord() const& {
  CheckDepth(depth_ + 1);
  if (!Is(value_, Which::kRecord)) Fail("a record");
  return Access::Record(value_.GetStruct(0).GetList(1), this, depth_ + 1);
}

bool ValueReader::IsShortText() const { return Is(value_, Which::kText); }

std::string_view ValueReader::ShortText() const {
  if (!IsShortText()) Fail("text");
  return value_.GetText(0);
}

void ValueReader::Fail(std::string_view expected) const {
  const std::string where = Where();
  throw BadValue(absl::StrCat("expected ", std::string(expected), ", got ", DebugString(),
                              where.empty() ? "" : " in ", where));
}

std::string ValueReader::Where() const {
  if (parent_ == nullptr) {
    const std::string label(label_);
    return index_ == transport_internal::kNoIndex ? label : absl::StrCat(label, " ", index_);
  }
  std::string parent = parent_->Where();
  if (parent.empty()) parent = "value";
  if (!label_.empty()) return absl::StrCat(parent, ".", std::string(label_));
  if (parent_->kind() != ValueKind::kMap) return absl::StrCat(parent, "[", index_, "]");
  if (is_key_) return absl::StrCat(parent, ".keys()[", index_, "]");
  return absl::StrCat(parent, "[", parent_->KeyString(index_), "]");
}

std::string ValueReader::KeyString(std::size_t index) const {
  const StructIn key = value_.GetList(0)[index].GetStruct(0);
  if (Is(key, Which::kText)) return Quoted(key.GetText(0));
  return Access::Reader(key, nullptr, {}, 0, depth_).DebugString();
}

std::string ValueReader::DebugString() const {
  switch (WhichOf(value_)) {
    case Which::kNull:
      return "nothing";
    case Which::kBool:
      return AsBool() ? "true" : "false";
    case Which::kInt:
      return absl::StrCat(value_.Get<std::int64_t>(kScalarByte));
    case Which::kUInt:
      return absl::StrCat(value_.Get<std::uint64_t>(kScalarByte));
    case Which::kFloat:
      return FloatString(value_.Get<double>(kScalarByte));
    case Which::kText:
      return absl::StrCat("text ", Quoted(value_.GetText(0)));
    case Which::kLongText:
      return absl::StrCat("text of ", BytesIn(value_.GetList(0)), " bytes");
    case Which::kData:
      return absl::StrCat("data of ", value_.GetBytes(0).size(), " bytes");
    case Which::kLongData:
      return absl::StrCat("data of ", BytesIn(value_.GetList(0)), " bytes");
    case Which::kList:
      return absl::StrCat("a list of ", value_.GetList(0).size);
    case Which::kMap:
      return absl::StrCat("a map of ", value_.GetList(0).size);
    case Which::kRecord:
      return RecordString(value_.GetStruct(0).GetText(0));
    case Which::kArray: {
      const auto type = value_.GetStruct(0).Get<ElementType>(0);
      return absl::StrCat("an array of ", std::string(ElementName(static_cast<std::size_t>(type))));
    }
    case Which::kObject:
      return absl::StrCat("a reference to object ", AsObject());
  }
  return "a value of an unknown kind";
}

ValueReader ListReader::operator[](std::size_t index) const {
  if (index >= list_.size) {
    throw BadValue(absl::StrCat(label_.empty() ? "element" : std::string(label_), " ", index,
                                " is not there: there are ", list_.size));
  }
  return Access::Reader(list_[index], parent_, label_, index, depth_);
}

ValueReader MapReader::Key(std::size_t index) const {
  return Access::Key(list_[index].GetStruct(0), parent_, index, depth_);
}

ValueReader MapReader::Value(std::size_t index) const {
  return Access::Reader(list_[index].GetStruct(1), parent_, {}, index, depth_);
}

ValueReader RecordReader::Field(std::size_t index, std::string_view name) const {
  // From there on: a sender with a field more or less has the others nearby.
  std::size_t i = index < fields_.size ? index : 0;
  for (std::size_t tries = 0; tries < fields_.size; ++tries) {
    if (fields_[i].GetText(0) == name) {
      return Access::Reader(fields_[i].GetStruct(1), parent_, name, 0, depth_);
    }
    i = i + 1 < fields_.size ? i + 1 : 0;
  }
  parent_->Fail(absl::StrCat("a record with a field \"", std::string(name), "\""));
}

bool RecordReader::Has(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size; ++i) {
    if (fields_[i].GetText(0) == name) return true;
  }
  return false;
}

std::string_view RecordReader::type() const {
  return Access::StructOf(*parent_).GetStruct(0).GetText(0);
}

}  // namespace remoteobj
