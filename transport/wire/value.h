// SPDX-License-Identifier: MIT
//
// Handles by which one value is written into a message, or read from one.
//
//   void Write(const Point& p, remoteobj::ValueWriter out) {
//     remoteobj::RecordWriter record = out.Record("Point", 2);
//     record.Field(0, "x").Float(p.x);
//     record.Field(1, "y").Float(p.y);
//   }
//
// These are thin handles on the Value of message.capnp, in a message that lies in one piece.
// remoteobj/transport/wire/codec.h uses them for C++ types.
//
// Threads:  a message is written or read by one thread.
// Lifetime: a handle is valid as long as the message. A reader of an element refers to the reader
//           of the whole, which must outlive it.
// Errors:   BadValue. A reader's names what was expected, what came and where it is.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_VALUE_H_
#define REMOTEOBJ_TRANSPORT_WIRE_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "remoteobj/transport/wire/internal/flat.h"

namespace remoteobj {

class Attachments;

// How deep lists, maps and records may be nested in one another.
inline constexpr int kMaxDepth = 100;

enum class ValueKind {
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
  kObject,
  kUnknown,  // From a newer sender.
};

// The types of message.capnp's Element, in its order.
enum class ElementType : std::uint16_t {
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kFloat32,
  kFloat64,
  kBool
};

namespace transport_internal {

struct Access;

// The index of a value that is not one of several.
inline constexpr std::size_t kNoIndex = static_cast<std::size_t>(-1);

// The place of a writer: its message, its word, its depth.
class WriterPlace {
 protected:
  friend Access;
  WriterPlace() = default;

  Out* out_ = nullptr;
  Position at_ = 0;
  int depth_ = 0;
};

}  // namespace transport_internal

class ListWriter;
class MapWriter;
class RecordWriter;

// Writes one value. Exactly one of its methods is called, once.
class ValueWriter : private transport_internal::WriterPlace {
 public:
  void Null() const;
  void Bool(bool value) const;
  void Int(std::int64_t value) const;
  void UInt(std::uint64_t value) const;
  void Float(double value) const;
  void Text(std::string_view value) const;
  void Data(std::span<const std::byte> value) const;
  // `bytes` are the elements as they lie in memory.
  void Array(ElementType type, std::span<const std::byte> bytes) const;
  void Object(std::uint64_t id, std::string_view type) const;

  ListWriter List(std::size_t size) const;
  MapWriter Map(std::size_t size) const;
  // `type` is for people; all `fields` must be written.
  RecordWriter Record(std::string_view type, std::size_t fields) const;

  // References and descriptors that travel with the message (attachments.h).
  Attachments& attachments() const;

 private:
  friend transport_internal::Access;
  ValueWriter() = default;
};

class ListWriter : private transport_internal::WriterPlace {
 public:
  ValueWriter operator[](std::size_t index) const;

 private:
  friend transport_internal::Access;
  ListWriter() = default;
};

class MapWriter : private transport_internal::WriterPlace {
 public:
  ValueWriter Key(std::size_t index) const;
  ValueWriter Value(std::size_t index) const;

 private:
  friend transport_internal::Access;
  MapWriter() = default;
};

class RecordWriter : private transport_internal::WriterPlace {
 public:
  ValueWriter Field(std::size_t index, std::string_view name) const;

 private:
  friend transport_internal::Access;
  RecordWriter() = default;
};

class ListReader;
class MapReader;
class RecordReader;

// Reads one value. A method that does not fit the value's kind throws BadValue.
class ValueReader {
 public:
  ValueKind kind() const;

  void AsNull() const;
  bool AsBool() const;
  // An integer within [min, max], however it was written.
  std::int64_t AsInt(std::int64_t min, std::int64_t max) const;
  std::uint64_t AsUInt(std::uint64_t max) const;
  // A float, or an integer that a double holds exactly.
  double AsFloat() const;
  std::string AsText() const;
  std::string AsData() const;
  // The size in bytes of an array of `type`; and its copy into `out`, which has that size.
  std::size_t ArrayBytes(ElementType type) const;
  void CopyArray(ElementType type, std::span<std::byte> out) const;
  // The type of an array's elements.
  ElementType element_type() const;
  std::size_t DataBytes() const;
  void CopyData(std::span<std::byte> out) const;
  // The same without a copy: `read` is called with the pieces, in their order. They are aligned for
  // every element, and valid as long as the message. Up to 256 MiB are one piece.
  void EachArrayPiece(ElementType type,
                      absl::FunctionRef<void(std::span<const std::byte>)> read) const;
  void EachDataPiece(absl::FunctionRef<void(std::span<const std::byte>)> read) const;
  // The id of an object reference, and the type that it is said to have.
  std::uint64_t AsObject() const;
  std::string_view ObjectType() const;

  // Not of a temporary, which they refer to.
  ListReader AsList() const&;
  MapReader AsMap() const&;
  RecordReader AsRecord() const&;
  void AsList() const&& = delete;
  void AsMap() const&& = delete;
  void AsRecord() const&& = delete;

  // Text on the fast path: without a copy, valid as long as the message. Not for text beyond
  // 512 MiB, which is in pieces.
  bool IsShortText() const;
  std::string_view ShortText() const;

  // References and descriptors that came with the message (attachments.h).
  Attachments& attachments() const;

  // Throws BadValue: `expected EXPECTED, got 5 in argument 0["a key"][3].field`.
  [[noreturn]] void Fail(std::string_view expected) const;

  // The value as a person would write it, cut short.
  std::string DebugString() const;

 private:
  friend transport_internal::Access;
  ValueReader() = default;

  transport_internal::ListIn ArrayChunks(ElementType type) const;
  std::string Where() const;
  std::string KeyString(std::size_t index) const;

  transport_internal::StructIn value_;
  // The place of this value in `parent_`: a label or an index.
  const ValueReader* parent_ = nullptr;
  std::string_view label_;
  std::size_t index_ = 0;
  int depth_ = 0;
  bool is_key_ = false;  // A map's key, not its value.
};

class ListReader {
 public:
  std::size_t size() const { return list_.size; }
  // Throws BadValue beyond the end.
  ValueReader operator[](std::size_t index) const;

 private:
  friend transport_internal::Access;
  ListReader() = default;

  transport_internal::ListIn list_;
  const ValueReader* parent_ = nullptr;
  std::string_view label_;
  int depth_ = 0;
};

class MapReader {
 public:
  std::size_t size() const { return list_.size; }
  ValueReader Key(std::size_t index) const;
  ValueReader Value(std::size_t index) const;

 private:
  friend transport_internal::Access;
  MapReader() = default;

  transport_internal::ListIn list_;
  const ValueReader* parent_ = nullptr;
  int depth_ = 0;
};

class RecordReader {
 public:
  std::size_t size() const { return fields_.size; }
  // The field of that name, which is likely to be at `index` or soon after. Throws BadValue if
  // there is none.
  ValueReader Field(std::size_t index, std::string_view name) const;
  bool Has(std::string_view name) const;
  std::string_view type() const;
  // The name of the field at `index`. REQUIRES: index < size().
  std::string_view name(std::size_t index) const { return fields_[index].GetText(0); }

 private:
  friend transport_internal::Access;
  RecordReader() = default;

  transport_internal::ListIn fields_;
  const ValueReader* parent_ = nullptr;
  int depth_ = 0;
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_VALUE_H_
