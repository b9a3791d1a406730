// SPDX-License-Identifier: MIT
//
// Makes the handles of value.h and message.h, and looks into them. For this module and its tests.
// The functions for message.h are defined there.
#ifndef REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_ACCESS_H_
#define REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_ACCESS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "remoteobj/transport/wire/internal/flat.h"
#include "remoteobj/transport/wire/value.h"

namespace remoteobj {

class RequestWriter;
class OperationsWriter;
class RequestReader;
class OperationReader;
class OutcomeWriter;
class OutcomeReader;

namespace transport_internal {

// Sets the attachments of a message for as long as this lives.
class Attaching {
 public:
  Attaching(Out& message, Attachments& attachments) : message_(message) {
    message_.SetAttachments(&attachments);
  }
  ~Attaching() { message_.SetAttachments(nullptr); }
  Attaching(const Attaching&) = delete;
  Attaching& operator=(const Attaching&) = delete;

 private:
  Out& message_;
};

struct Access {
  template <typename Writer>
  static Writer Make(Out& out, Position at, int depth) {
    Writer writer;
    writer.out_ = &out;
    writer.at_ = at;
    writer.depth_ = depth;
    return writer;
  }
  static ValueWriter Writer(Out& out, Position at, int depth) {
    return Make<ValueWriter>(out, at, depth);
  }
  static ListWriter List(Out& out, Position at, int depth) {
    return Make<ListWriter>(out, at, depth);
  }
  static MapWriter Map(Out& out, Position at, int depth) { return Make<MapWriter>(out, at, depth); }
  static RecordWriter Record(Out& out, Position at, int depth) {
    return Make<RecordWriter>(out, at, depth);
  }

  static ValueReader Reader(const StructIn& value, const ValueReader* parent,
                            std::string_view label, std::size_t index, int depth) {
    ValueReader in;
    in.value_ = value;
    in.parent_ = parent;
    in.label_ = label;
    in.index_ = index;
    in.depth_ = depth;
    return in;
  }
  static ValueReader Key(const StructIn& value, const ValueReader* parent, std::size_t index,
                         int depth) {
    ValueReader in = Reader(value, parent, {}, index, depth);
    in.is_key_ = true;
    return in;
  }
  static ListReader List(const ListIn& list, const ValueReader* parent, std::string_view label,
                         int depth) {
    ListReader in;
    in.list_ = list;
    in.parent_ = parent;
    in.label_ = label;
    in.depth_ = depth;
    return in;
  }
  static MapReader Map(const ListIn& entries, const ValueReader* parent, int depth) {
    MapReader in;
    in.list_ = entries;
    in.parent_ = parent;
    in.depth_ = depth;
    return in;
  }
  static RecordReader Record(const ListIn& fields, const ValueReader* parent, int depth) {
    RecordReader in;
    in.fields_ = fields;
    in.parent_ = parent;
    in.depth_ = depth;
    return in;
  }
  static const StructIn& StructOf(const ValueReader& in) { return in.value_; }

  // Puts a whole value, as AnyValue keeps it, where `writer` writes.
  static void Graft(std::span<const Word> words, const ValueWriter& writer) {
    constexpr Position kBody = kValueLayout.data + kValueLayout.pointers;
    Out& out = *writer.out_;
    const Position at = writer.at_;
    Word pointer = words[kValueLayout.data];
    if (pointer != 0) {
      // Relative to the word behind it, where what was behind it now is not.
      const Position body = out.Append(words.subspan(kBody));
      const std::uint32_t moved = (static_cast<std::uint32_t>(pointer) >> 2) + body - (at + kBody);
      pointer =
          (pointer & ~Word{0xffffffff}) | static_cast<std::uint32_t>(moved << 2) | (pointer & 3);
    }
    for (unsigned i = 0; i < kValueLayout.data; ++i) out.Set(at + i, 0, words[i]);
    out.Set(at + kValueLayout.data, 0, pointer);
  }

  // Defined in message.h.
  static RequestWriter Request(Out& out, Position at);
  static Out& OutOf(const RequestWriter& request);
  static In& InOf(const RequestReader& request);
  static In& InOf(const OutcomeReader& outcome);
  static OperationsWriter Operations(Out& out, Position at);
  static RequestReader Request(const StructIn& request);
  static OperationReader Operation(const StructIn& operation);
  static OutcomeWriter Outcome(Out& out);
  static OutcomeReader Outcome(const StructIn& outcome);
  static const StructIn& StructOf(const OutcomeReader& in);

  // The same place, as if it were not nested: so that a test can nest deeper than allowed.
  static ValueWriter Shallow(ValueWriter writer) {
    writer.depth_ = 0;
    return writer;
  }
};

}  // namespace transport_internal
}  // namespace remoteobj

#endif  // REMOTEOBJ_TRANSPORT_WIRE_INTERNAL_ACCESS_H_
