// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/any_value.h"

#include <cstdint>
#include <limits>
#include <string_view>

#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/message_references.h"
#include "remoteobj/transport/wire/internal/packed.h"

namespace remoteobj {
namespace {

using transport_internal::Access;
using transport_internal::HeapMessage;
using transport_internal::In;
using transport_internal::kValueLayout;
using transport_internal::Position;
using transport_internal::References;
using transport_internal::Word;

constexpr Position kBody = kValueLayout.data + kValueLayout.pointers;

void CopyValue(const ValueReader& in, ValueWriter out, References& references) {
  switch (in.kind()) {
    case ValueKind::kNull:
      return out.Null();
    case ValueKind::kBool:
      return out.Bool(in.AsBool());
    case ValueKind::kInt:
      return out.Int(in.AsInt(std::numeric_limits<std::int64_t>::min(),
                              std::numeric_limits<std::int64_t>::max()));
    case ValueKind::kUInt:
      return out.UInt(in.AsUInt(std::numeric_limits<std::uint64_t>::max()));
    case ValueKind::kFloat:
      return out.Float(in.AsFloat());
    case ValueKind::kText:
      return in.IsShortText() ? out.Text(in.ShortText()) : out.Text(in.AsText());
    case ValueKind::kData: {
      const std::string data = in.AsData();
      return out.Data(std::as_bytes(std::span(data)));
    }
    case ValueKind::kArray: {
      const ElementType type = in.element_type();
      std::vector<std::byte> bytes(in.ArrayBytes(type));
      in.CopyArray(type, bytes);
      return out.Array(type, bytes);
    }
    case ValueKind::kList: {
      const ListReader from = in.AsList();
      const ListWriter to = out.List(from.size());
      for (std::size_t i = 0; i < from.size(); ++i) CopyValue(from[i], to[i], references);
      return;
    }
    case ValueKind::kMap: {
      const MapReader from = in.AsMap();
      const MapWriter to = out.Map(from.size());
      for (std::size_t i = 0; i < from.size(); ++i) {
        CopyValue(from.Key(i), to.Key(i), references);
        CopyValue(from.Value(i), to.Value(i), references);
      }
      return;
    }
    case ValueKind::kRecord: {
      const RecordReader from = in.AsRecord();
      const RecordWriter to = out.Record(from.type(), from.size());
      for (std::size_t i = 0; i < from.size(); ++i) {
        const std::string_view name = from.name(i);
        CopyValue(from.Field(i, name), to.Field(i, name), references);
      }
      return;
    }
    case ValueKind::kObject:
      references.push_back(in.attachments().Receive(in.AsObject(), in.ObjectType()));
      return out.Object(references.back()->id(), references.back()->type());
    case ValueKind::kUnknown:
      in.Fail("a value of a known kind");
  }
}

}  // namespace

AnyValue::AnyValue() : words_(kBody, 0) {}

AnyValue::AnyValue(absl::FunctionRef<void(ValueWriter)> write, Attachments& offers) {
  HeapMessage message;
  transport_internal::CollectedReferences attachments(references_, offers);
  message.SetAttachments(&attachments);
  write(Access::Writer(message, message.Allocate(kBody), 0));
  Keep(message.words());
}

AnyValue AnyValue::Copy(const ValueReader& in) {
  AnyValue value;
  HeapMessage message;
  CopyValue(in, Access::Writer(message, message.Allocate(kBody), 0), value.references_);
  value.Keep(message.words());
  return value;
}

void AnyValue::Keep(std::span<const Word> words) { words_.assign(words.begin(), words.end()); }

void AnyValue::Read(absl::FunctionRef<void(const ValueReader&)> read) const {
  transport_internal::SentReferences attachments;
  for (const std::shared_ptr<Referent>& referent : references_) attachments.Send(referent);
  In in(words_.data(), words_.size());
  in.attachments = &attachments;
  in.Charge(kBody);
  read(Access::Reader({&in, 0, kValueLayout}, nullptr, {}, transport_internal::kNoIndex, 0));
}

void AnyValue::Write(ValueWriter out) const {
  for (const std::shared_ptr<Referent>& referent : references_) {
    out.attachments().Send(referent);
  }
  Access::Graft(words_, out);
}

std::string AnyValue::DebugString() const {
  std::string text;
  Read([&](const ValueReader& in) { text = in.DebugString(); });
  return text;
}

}  // namespace remoteobj
