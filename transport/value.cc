// SPDX-License-Identifier: MIT
#include "remoteobj/transport/value.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "remoteobj/transport/internal/access.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::Guarded;
using transport_internal::PutText;
using transport_internal::Take;
using transport_internal::View;

using ValueBuilder = schema::Value::Builder;
using CapnpReader = schema::Value::Reader;
using Values = capnp::List<schema::Value>;
using Entries = capnp::List<schema::Value::Entry>;
using Fields = capnp::List<schema::Value::Field>;

// From here on an allocation has a segment of its own, and is not cleared first.
constexpr std::size_t kBulkBytes = 64 << 10;
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

// Writes bytes through `init`, which gives a Data of the wanted size.
template <typename Init>
void PutBytes(Init&& init, std::span<const std::byte> bytes, bool* bulk) {
  if (bulk != nullptr) *bulk = bytes.size() >= kBulkBytes;
  auto data = init(static_cast<unsigned>(bytes.size()));
  if (bulk != nullptr) *bulk = false;
  if (!bytes.empty()) std::memcpy(data.begin(), bytes.data(), bytes.size());
}

void PutChunks(capnp::List<capnp::Data>::Builder chunks, std::span<const std::byte> bytes,
               bool* bulk) {
  for (unsigned i = 0; i < chunks.size(); ++i) {
    const std::size_t at = i * kChunkBytes;
    PutBytes([&](unsigned n) { return chunks.init(i, n); },
             bytes.subspan(at, std::min(kChunkBytes, bytes.size() - at)), bulk);
  }
}

unsigned ChunkCount(std::size_t bytes) {
  return static_cast<unsigned>((bytes + kChunkBytes - 1) / kChunkBytes);
}

std::size_t BytesIn(capnp::List<capnp::Data>::Reader chunks) {
  std::size_t size = 0;
  for (auto chunk : chunks) size += chunk.size();
  return size;
}

void CopyChunks(capnp::List<capnp::Data>::Reader chunks, std::byte* out, std::size_t size) {
  for (auto chunk : chunks) {
    const std::size_t n = std::min(size, chunk.size());
    if (n != 0) std::memcpy(out, chunk.begin(), n);
    out += n;
    size -= n;
  }
}

std::string JoinChunks(capnp::List<capnp::Data>::Reader chunks) {
  std::string out(BytesIn(chunks), '\0');
  CopyChunks(chunks, reinterpret_cast<std::byte*>(out.data()), out.size());
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

void ValueWriter::Null() const { Take<ValueBuilder>(handle_).setNull(); }
void ValueWriter::Bool(bool value) const { Take<ValueBuilder>(handle_).setBool(value); }
void ValueWriter::Int(std::int64_t value) const { Take<ValueBuilder>(handle_).setInt(value); }

void ValueWriter::UInt(std::uint64_t value) const {
  ValueBuilder out = Take<ValueBuilder>(handle_);
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    out.setInt(static_cast<std::int64_t>(value));
  } else {
    out.setUint(value);
  }
}

void ValueWriter::Float(double value) const { Take<ValueBuilder>(handle_).setFloat(value); }

void ValueWriter::Text(std::string_view value) const {
  CheckBytes(value.size());
  ValueBuilder out = Take<ValueBuilder>(handle_);
  const auto bytes = std::as_bytes(std::span(value));
  if (value.size() >= kMaxElements) {
    PutChunks(out.initLongText(ChunkCount(bytes.size())), bytes, bulk_);
  } else {
    // The NUL behind it is in the last word, which even a bulk allocation clears.
    PutBytes([&](unsigned n) { return out.initText(n); }, bytes, bulk_);
  }
}

void ValueWriter::Data(std::span<const std::byte> value) const {
  CheckBytes(value.size());
  ValueBuilder out = Take<ValueBuilder>(handle_);
  if (value.size() >= kMaxElements) {
    PutChunks(out.initLongData(ChunkCount(value.size())), value, bulk_);
  } else {
    PutBytes([&](unsigned n) { return out.initData(n); }, value, bulk_);
  }
}

void ValueWriter::Array(ElementType type, std::span<const std::byte> bytes) const {
  CheckBytes(bytes.size());
  auto array = Take<ValueBuilder>(handle_).initArray();
  array.setType(static_cast<schema::Value::Element>(type));
  PutChunks(array.initChunks(ChunkCount(bytes.size())), bytes, bulk_);
}

void ValueWriter::Object(std::uint64_t id, std::string_view type) const {
  auto reference = Take<ValueBuilder>(handle_).initObject();
  reference.setId(id);
  PutText([&](unsigned n) { return reference.initType(n); }, type);
}

ListWriter ValueWriter::List(std::size_t size) const {
  CheckDepth(depth_ + 1);
  return Access::List(Take<ValueBuilder>(handle_).initList(CheckSize(size)), bulk_, depth_ + 1);
}

MapWriter ValueWriter::Map(std::size_t size) const {
  CheckDepth(depth_ + 1);
  return Access::Map(Take<ValueBuilder>(handle_).initMap(CheckSize(size)), bulk_, depth_ + 1);
}

RecordWriter ValueWriter::Record(std::string_view type, std::size_t fields) const {
  CheckDepth(depth_ + 1);
  auto record = Take<ValueBuilder>(handle_).initRecord();
  PutText([&](unsigned n) { return record.initType(n); }, type);
  return Access::Record(record.initFields(CheckSize(fields)), bulk_, depth_ + 1);
}

ValueWriter ListWriter::operator[](std::size_t index) const {
  return Access::Writer(Take<Values::Builder>(handle_)[static_cast<unsigned>(index)], bulk_,
                        depth_);
}

ValueWriter MapWriter::Key(std::size_t index) const {
  return Access::Writer(Take<Entries::Builder>(handle_)[static_cast<unsigned>(index)].initKey(),
                        bulk_, depth_);
}

ValueWriter MapWriter::Value(std::size_t index) const {
  return Access::Writer(Take<Entries::Builder>(handle_)[static_cast<unsigned>(index)].initValue(),
                        bulk_, depth_);
}

ValueWriter RecordWriter::Field(std::size_t index, std::string_view name) const {
  auto field = Take<Fields::Builder>(handle_)[static_cast<unsigned>(index)];
  PutText([&](unsigned n) { return field.initName(n); }, name);
  return Access::Writer(field.initValue(), bulk_, depth_);
}

// ValueReader

ValueKind ValueReader::kind() const {
  using Which = schema::Value::Which;
  switch (Take<CapnpReader>(handle_).which()) {
    case Which::NULL_:
      return ValueKind::kNull;
    case Which::BOOL:
      return ValueKind::kBool;
    case Which::INT:
      return ValueKind::kInt;
    case Which::UINT:
      return ValueKind::kUInt;
    case Which::FLOAT:
      return ValueKind::kFloat;
    case Which::TEXT:
    case Which::LONG_TEXT:
      return ValueKind::kText;
    case Which::DATA:
    case Which::LONG_DATA:
      return ValueKind::kData;
    case Which::LIST:
      return ValueKind::kList;
    case Which::MAP:
      return ValueKind::kMap;
    case Which::RECORD:
      return ValueKind::kRecord;
    case Which::ARRAY:
      return ValueKind::kArray;
    case Which::OBJECT:
      return ValueKind::kObject;
  }
  return ValueKind::kUnknown;
}

void ValueReader::AsNull() const {
  if (kind() != ValueKind::kNull) Fail("nothing");
}

bool ValueReader::AsBool() const {
  auto value = Take<CapnpReader>(handle_);
  if (!value.isBool()) Fail("a bool");
  return value.getBool();
}

std::int64_t ValueReader::AsInt(std::int64_t min, std::int64_t max) const {
  auto value = Take<CapnpReader>(handle_);
  if (value.isInt()) {
    const std::int64_t number = value.getInt();
    if (number >= min && number <= max) return number;
  } else if (value.isUint() && max >= 0 && value.getUint() <= static_cast<std::uint64_t>(max)) {
    const auto number = static_cast<std::int64_t>(value.getUint());
    if (number >= min) return number;
  }
  Fail(absl::StrCat("an integer from ", min, " to ", max));
}

std::uint64_t ValueReader::AsUInt(std::uint64_t max) const {
  auto value = Take<CapnpReader>(handle_);
  if (value.isInt() && value.getInt() >= 0) {
    const auto number = static_cast<std::uint64_t>(value.getInt());
    if (number <= max) return number;
  } else if (value.isUint() && value.getUint() <= max) {
    return value.getUint();
  }
  Fail(absl::StrCat("an integer from 0 to ", max));
}

double ValueReader::AsFloat() const {
  auto value = Take<CapnpReader>(handle_);
  if (value.isFloat()) return value.getFloat();
  // The comparisons with a power of two keep the casts back defined.
  if (value.isInt()) {
    const auto number = static_cast<double>(value.getInt());
    if (number < 0x1p63 && static_cast<std::int64_t>(number) == value.getInt()) return number;
  } else if (value.isUint()) {
    const auto number = static_cast<double>(value.getUint());
    if (number < 0x1p64 && static_cast<std::uint64_t>(number) == value.getUint()) return number;
  }
  Fail("a number that a double can hold");
}

std::string ValueReader::AsText() const {
  return Guarded([&]() -> std::string {
    auto value = Take<CapnpReader>(handle_);
    if (value.isText()) return std::string(View(value.getText()));
    if (value.isLongText()) return JoinChunks(value.getLongText());
    Fail("text");
  });
}

std::string ValueReader::AsData() const {
  std::string out(DataBytes(), '\0');
  CopyData(std::as_writable_bytes(std::span(out)));
  return out;
}

std::size_t ValueReader::DataBytes() const {
  return Guarded([&]() -> std::size_t {
    auto value = Take<CapnpReader>(handle_);
    if (value.isData()) return value.getData().size();
    if (value.isLongData()) return BytesIn(value.getLongData());
    Fail("data");
  });
}

void ValueReader::CopyData(std::span<std::byte> out) const {
  Guarded([&] {
    auto value = Take<CapnpReader>(handle_);
    if (value.isData()) {
      auto data = value.getData();
      const std::size_t n = std::min(out.size(), data.size());
      if (n != 0) std::memcpy(out.data(), data.begin(), n);
    } else if (value.isLongData()) {
      CopyChunks(value.getLongData(), out.data(), out.size());
    } else {
      Fail("data");
    }
  });
}

std::size_t ValueReader::ArrayBytes(ElementType type) const {
  return Guarded([&]() -> std::size_t {
    CheckArray(type);
    const std::size_t element = kElementSize[static_cast<std::size_t>(type)];
    std::size_t size = 0;
    for (auto chunk : Take<CapnpReader>(handle_).getArray().getChunks()) {
      if (chunk.size() % element != 0) Fail("chunks of whole elements");
      size += chunk.size();
    }
    return size;
  });
}

void ValueReader::CopyArray(ElementType type, std::span<std::byte> out) const {
  Guarded([&] {
    auto value = Take<CapnpReader>(handle_);
    CheckArray(type);
    CopyChunks(value.getArray().getChunks(), out.data(), out.size());
  });
}

void ValueReader::CheckArray(ElementType type) const {
  auto value = Take<CapnpReader>(handle_);
  const auto wanted = static_cast<std::size_t>(type);
  if (!value.isArray() || static_cast<std::size_t>(value.getArray().getType()) != wanted) {
    Fail(absl::StrCat("an array of ", std::string(ElementName(wanted))));
  }
}

std::uint64_t ValueReader::AsObject() const {
  return Guarded([&]() -> std::uint64_t {
    auto value = Take<CapnpReader>(handle_);
    if (!value.isObject()) Fail("a reference to an object");
    return value.getObject().getId();
  });
}

ListReader ValueReader::AsList() const& {
  return Guarded([&] {
    CheckDepth(depth_ + 1);
    auto value = Take<CapnpReader>(handle_);
    if (!value.isList()) Fail("a list");
    return Access::List(value.getList(), this, {}, depth_ + 1);
  });
}

MapReader ValueReader::AsMap() const& {
  return Guarded([&] {
    CheckDepth(depth_ + 1);
    auto value = Take<CapnpReader>(handle_);
    if (!value.isMap()) Fail("a map");
    return Access::Map(value.getMap(), this, depth_ + 1);
  });
}

RecordReader ValueReader::AsRecord() const& {
  return Guarded([&] {
    CheckDepth(depth_ + 1);
    auto value = Take<CapnpReader>(handle_);
    if (!value.isRecord()) Fail("a record");
    return Access::Record(value.getRecord(), this, depth_ + 1);
  });
}

bool ValueReader::IsShortText() const { return Take<CapnpReader>(handle_).isText(); }

std::string_view ValueReader::ShortText() const {
  return Guarded([&] {
    if (!IsShortText()) Fail("text");
    return View(Take<CapnpReader>(handle_).getText());
  });
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
  return Guarded([&] {
    auto key = Take<CapnpReader>(handle_).getMap()[static_cast<unsigned>(index)].getKey();
    if (key.isText()) return Quoted(View(key.getText()));
    return Access::Reader(key, nullptr, {}, 0, depth_).DebugString();
  });
}

std::string ValueReader::DebugString() const {
  using Which = schema::Value::Which;
  return Guarded([&]() -> std::string {
    auto value = Take<CapnpReader>(handle_);
    switch (value.which()) {
      case Which::NULL_:
        return "nothing";
      case Which::BOOL:
        return value.getBool() ? "true" : "false";
      case Which::INT:
        return absl::StrCat(value.getInt());
      case Which::UINT:
        return absl::StrCat(value.getUint());
      case Which::FLOAT:
        return FloatString(value.getFloat());
      case Which::TEXT:
        return absl::StrCat("text ", Quoted(View(value.getText())));
      case Which::LONG_TEXT:
        return absl::StrCat("text of ", BytesIn(value.getLongText()), " bytes");
      case Which::DATA:
        return absl::StrCat("data of ", value.getData().size(), " bytes");
      case Which::LONG_DATA:
        return absl::StrCat("data of ", BytesIn(value.getLongData()), " bytes");
      case Which::LIST:
        return absl::StrCat("a list of ", value.getList().size());
      case Which::MAP:
        return absl::StrCat("a map of ", value.getMap().size());
      case Which::RECORD:
        return RecordString(View(value.getRecord().getType()));
      case Which::ARRAY:
        return absl::StrCat(
            "an array of ",
            std::string(ElementName(static_cast<std::size_t>(value.getArray().getType()))));
      case Which::OBJECT:
        return absl::StrCat("a reference to object ", value.getObject().getId());
    }
    return "a value of an unknown kind";
  });
}

ValueReader ListReader::operator[](std::size_t index) const {
  if (index >= size_) {
    throw BadValue(absl::StrCat(label_.empty() ? "element" : std::string(label_), " ", index,
                                " is not there: there are ", size_));
  }
  return Guarded([&] {
    auto values = Take<Values::Reader>(handle_);
    return Access::Reader(values[static_cast<unsigned>(index)], parent_, label_, index, depth_);
  });
}

ValueReader MapReader::Key(std::size_t index) const {
  return Guarded([&] {
    auto entry = Take<Entries::Reader>(handle_)[static_cast<unsigned>(index)];
    return Access::Key(entry.getKey(), parent_, index, depth_);
  });
}

ValueReader MapReader::Value(std::size_t index) const {
  return Guarded([&] {
    auto entry = Take<Entries::Reader>(handle_)[static_cast<unsigned>(index)];
    return Access::Reader(entry.getValue(), parent_, {}, index, depth_);
  });
}

ValueReader RecordReader::Field(std::size_t index, std::string_view name) const {
  return Guarded([&] {
    const auto fields = Take<Fields::Reader>(handle_);
    // From there on: a sender with a field more or less has the others nearby.
    unsigned i = index < fields.size() ? static_cast<unsigned>(index) : 0;
    for (unsigned tries = 0; tries < fields.size(); ++tries) {
      if (View(fields[i].getName()) == name) {
        return Access::Reader(fields[i].getValue(), parent_, name, 0, depth_);
      }
      i = i + 1 < fields.size() ? i + 1 : 0;
    }
    parent_->Fail(absl::StrCat("a record with a field \"", std::string(name), "\""));
  });
}

bool RecordReader::Has(std::string_view name) const {
  return Guarded([&] {
    for (auto field : Take<Fields::Reader>(handle_)) {
      if (View(field.getName()) == name) return true;
    }
    return false;
  });
}

std::string_view RecordReader::type() const {
  return Guarded(
      [&] { return View(Take<CapnpReader>(Access::HandleOf(*parent_)).getRecord().getType()); });
}

}  // namespace remoteobj
