// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/value.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "capnp/message.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/capnp_bytes_testing.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/message.capnp.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj {
namespace {

using Write = std::function<void(ValueWriter)>;
using Read = std::function<void(const ValueReader&)>;
using Craft = std::function<void(schema::Value::Builder)>;
using std::string_literals::operator""s;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kUMax = std::numeric_limits<std::uint64_t>::max();

// A message that no ValueWriter would write.
std::string PackCrafted(const Craft& craft) {
  capnp::MallocMessageBuilder message;
  craft(message.initRoot<schema::Value>());
  return transport_internal::Flatten(message);
}

// A value of a kind that message.capnp does not have, or a list of one.
std::string PackUnknown(bool in_list) {
  std::string bytes = PackCrafted([&](schema::Value::Builder value) {
    if (in_list) value.initList(1);
  });
  // Framing, root pointer, root; the list's tag. The kind comes first in a value.
  const std::size_t value = (in_list ? 2 + 3 + 1 : 2) * sizeof(capnp::word);
  bytes[value] = bytes[value + 1] = 0x77;
  return bytes;
}

std::string ErrorOf(const std::string& bytes, const Read& read) {
  try {
    UnpackValue(bytes, read);
  } catch (const BadValue& e) {
    return e.what();
  }
  return "no error";
}

std::string ErrorOf(const Write& write, const Read& read) {
  return ErrorOf(PackValue(write), read);
}

std::string DebugStringOf(const std::string& bytes) {
  std::string out;
  UnpackValue(bytes, [&](const ValueReader& in) { out = in.DebugString(); });
  return out;
}

std::string DebugStringOf(const Write& write) { return DebugStringOf(PackValue(write)); }

TEST(DebugStringTest, SaysWhatCame) {
  const std::pair<Write, std::string> table[] = {
      {[](ValueWriter out) { out.Null(); }, "nothing"},
      {[](ValueWriter out) { out.Bool(true); }, "true"},
      {[](ValueWriter out) { out.Int(kMin); }, "-9223372036854775808"},
      {[](ValueWriter out) { out.UInt(kUMax); }, "18446744073709551615"},
      {[](ValueWriter out) { out.Float(5); }, "5.0"},
      {[](ValueWriter out) { out.Float(16777217); }, "16777217.0"},
      {[](ValueWriter out) { out.Float(0.1); }, "0.1"},
      {[](ValueWriter out) { out.Float(1e300); }, "1e+300"},
      {[](ValueWriter out) { out.Text(""); }, "text \"\""},
      {[](ValueWriter out) { out.Text("a\"b\n"); }, R"(text "a\"b\n")"},
      {[](ValueWriter out) { out.Data({}); }, "data of 0 bytes"},
      {[](ValueWriter out) { out.List(3); }, "a list of 3"},
      {[](ValueWriter out) { out.Map(2); }, "a map of 2"},
      {[](ValueWriter out) { out.Record("Point", 0); }, "a record Point"},
      {[](ValueWriter out) { out.Record("", 0); }, "a record"},
      {[](ValueWriter out) { out.Array(ElementType::kBool, {}); }, "an array of bool"},
      {[](ValueWriter out) { out.Array(ElementType::kFloat64, {}); }, "an array of float64"},
      {[](ValueWriter out) { out.Object(7, "Point"); }, "a reference to object 7"},
  };
  for (const auto& [write, expected] : table) EXPECT_EQ(DebugStringOf(write), expected);
}

TEST(DebugStringTest, CutsTextShort) {
  const auto text = [](std::size_t size) {
    return DebugStringOf([&](ValueWriter out) { out.Text(std::string(size, 'x')); });
  };
  EXPECT_EQ(text(40), "text \"" + std::string(40, 'x') + "\"");
  EXPECT_EQ(text(41), "text \"" + std::string(40, 'x') + "\"...");
}

TEST(DebugStringTest, OfWhatANewerOneSent) {
  EXPECT_EQ(DebugStringOf(PackUnknown(/*in_list=*/false)), "a value of an unknown kind");
  EXPECT_EQ(DebugStringOf(PackCrafted([](schema::Value::Builder value) {
              value.initArray().setType(static_cast<schema::Value::Element>(99));
            })),
            "an array of an unknown type");
}

TEST(DebugStringTest, OfTextAndDataInPieces) {
  EXPECT_EQ(DebugStringOf(PackCrafted([](schema::Value::Builder value) {
              auto pieces = value.initLongText(2);
              pieces.init(0, 3);
              pieces.init(1, 4);
            })),
            "text of 7 bytes");
  EXPECT_EQ(DebugStringOf(PackCrafted([](auto value) { value.initLongData(2).init(1, 4); })),
            "data of 4 bytes");
}

TEST(ReaderTest, KindsThatDoNotFit) {
  const Write text = [](ValueWriter out) { out.Text("x"); };
  const Write five = [](ValueWriter out) { out.Int(5); };
  const std::tuple<Write, Read, std::string> table[] = {
      {five, [](const auto& in) { in.AsNull(); }, "expected nothing, got 5"},
      {five, [](const auto& in) { in.AsBool(); }, "expected a bool, got 5"},
      {five, [](const auto& in) { in.AsText(); }, "expected text, got 5"},
      {five, [](const auto& in) { in.ShortText(); }, "expected text, got 5"},
      {five, [](const auto& in) { in.AsData(); }, "expected data, got 5"},
      {five, [](const auto& in) { in.DataBytes(); }, "expected data, got 5"},
      {five, [](const auto& in) { in.CopyData({}); }, "expected data, got 5"},
      {five, [](const auto& in) { in.AsObject(); }, "expected a reference to an object, got 5"},
      {five, [](const auto& in) { in.AsList(); }, "expected a list, got 5"},
      {five, [](const auto& in) { in.AsMap(); }, "expected a map, got 5"},
      {five, [](const auto& in) { in.AsRecord(); }, "expected a record, got 5"},
      {five, [](const auto& in) { in.ArrayBytes(ElementType::kInt8); },
       "expected an array of int8, got 5"},
      {five, [](const auto& in) { in.CopyArray(ElementType::kInt8, {}); },
       "expected an array of int8, got 5"},
      {text, [](const auto& in) { in.AsFloat(); },
       "expected a number that a double can hold, got text \"x\""},
      {text, [](const auto& in) { in.AsInt(-1, 1); },
       "expected an integer from -1 to 1, got text \"x\""},
      {text, [](const auto& in) { in.AsUInt(1); },
       "expected an integer from 0 to 1, got text \"x\""},
      {five, [](const auto& in) { in.Fail("a pear"); }, "expected a pear, got 5"},
  };
  for (const auto& [write, read, expected] : table) EXPECT_EQ(ErrorOf(write, read), expected);
}

TEST(ReaderTest, IntegersHoweverWritten) {
  const auto check = [](const Write& write, const Read& read) {
    EXPECT_EQ(ErrorOf(write, read), "no error");
  };
  for (const std::int64_t value : {kMin, std::int64_t{-1}, std::int64_t{0}, kMax}) {
    check([=](ValueWriter out) { out.Int(value); },
          [=](const auto& in) { EXPECT_EQ(in.AsInt(value, value), value); });
  }
  for (const std::uint64_t value : {std::uint64_t{0}, static_cast<std::uint64_t>(kMax),
                                    static_cast<std::uint64_t>(kMax) + 1, kUMax}) {
    check([=](ValueWriter out) { out.UInt(value); },
          [=](const auto& in) { EXPECT_EQ(in.AsUInt(value), value); });
  }
  // Another language's sender may use uint for any number that it can hold.
  const std::string five = PackCrafted([](auto value) { value.setUint(5); });
  UnpackValue(five, [](const ValueReader& in) {
    EXPECT_EQ(in.AsInt(5, 5), 5);
    EXPECT_EQ(in.AsUInt(5), 5u);
    EXPECT_EQ(in.AsFloat(), 5.0);
  });
  EXPECT_EQ(ErrorOf(five, [](const auto& in) { in.AsInt(-5, 4); }),
            "expected an integer from -5 to 4, got 5");
  EXPECT_EQ(ErrorOf(five, [](const auto& in) { in.AsInt(6, 9); }),
            "expected an integer from 6 to 9, got 5");
  EXPECT_EQ(ErrorOf(five, [](const auto& in) { in.AsInt(-9, -6); }),
            "expected an integer from -9 to -6, got 5");
  EXPECT_EQ(ErrorOf(five, [](const auto& in) { in.AsUInt(4); }),
            "expected an integer from 0 to 4, got 5");
}

TEST(ReaderTest, IntegersJustOutside) {
  const auto minus = [](ValueWriter out) { out.Int(-1); };
  const auto large = [](ValueWriter out) { out.UInt(static_cast<std::uint64_t>(kMax) + 1); };
  EXPECT_EQ(ErrorOf(minus, [](const auto& in) { in.AsInt(0, 9); }),
            "expected an integer from 0 to 9, got -1");
  EXPECT_EQ(ErrorOf(minus, [](const auto& in) { in.AsInt(-9, -2); }),
            "expected an integer from -9 to -2, got -1");
  EXPECT_EQ(ErrorOf(minus, [](const auto& in) { in.AsUInt(kUMax); }),
            "expected an integer from 0 to 18446744073709551615, got -1");
  EXPECT_EQ(ErrorOf(large, [](const auto& in) { in.AsInt(kMin, kMax); }),
            "expected an integer from -9223372036854775808 to 9223372036854775807, got "
            "9223372036854775808");
  EXPECT_EQ(ErrorOf(large, [](const auto& in) { in.AsUInt(static_cast<std::uint64_t>(kMax)); }),
            "expected an integer from 0 to 9223372036854775807, got 9223372036854775808");
}

TEST(ReaderTest, TextAndDataInPieces) {
  UnpackValue(PackCrafted([](schema::Value::Builder value) {
                auto pieces = value.initLongText(3);
                pieces.set(0, kj::StringPtr("ab").asBytes());
                pieces.set(2, kj::StringPtr("c").asBytes());
              }),
              [](const ValueReader& in) {
                EXPECT_EQ(in.kind(), ValueKind::kText);
                EXPECT_EQ(in.AsText(), "abc");
                EXPECT_FALSE(in.IsShortText());
                EXPECT_THROW(in.ShortText(), BadValue);
              });
  UnpackValue(PackCrafted([](schema::Value::Builder value) {
                auto pieces = value.initLongData(2);
                pieces.set(0, kj::StringPtr("ab").asBytes());
                pieces.set(1, kj::StringPtr("c").asBytes());
              }),
              [](const ValueReader& in) {
                EXPECT_EQ(in.kind(), ValueKind::kData);
                EXPECT_EQ(in.DataBytes(), 3u);
                EXPECT_EQ(in.AsData(), "abc");
              });
}

TEST(ReaderTest, AnArrayInPieces) {
  const auto array = [](unsigned first, unsigned second) {
    return PackCrafted([=](schema::Value::Builder value) {
      auto array = value.initArray();
      array.setType(schema::Value::Element::INT16);
      auto chunks = array.initChunks(2);
      chunks.init(0, first);
      chunks.init(1, second);
    });
  };
  UnpackValue(array(4, 2),
              [](const ValueReader& in) { EXPECT_EQ(in.ArrayBytes(ElementType::kInt16), 6u); });
  EXPECT_EQ(ErrorOf(array(3, 1), [](const auto& in) { in.ArrayBytes(ElementType::kInt16); }),
            "expected chunks of whole elements, got an array of int16");
}

TEST(ReaderTest, CopiesNoMoreThanThereIsRoomFor) {
  const Write write = [](ValueWriter out) { out.Data(std::as_bytes(std::span("abc", 3))); };
  UnpackValue(PackValue(write), [](const ValueReader& in) {
    std::string two(2, '.'), four(4, '.');
    in.CopyData(std::as_writable_bytes(std::span(two)));
    in.CopyData(std::as_writable_bytes(std::span(four)));
    EXPECT_EQ(two, "ab");
    EXPECT_EQ(four, "abc.");
  });
}

TEST(ReaderTest, AnUnknownKindIsAnErrorWhereItIs) {
  EXPECT_EQ(ErrorOf(PackUnknown(/*in_list=*/false), [](const auto& in) { in.AsBool(); }),
            "expected a bool, got a value of an unknown kind");
  EXPECT_EQ(ErrorOf(PackUnknown(/*in_list=*/true), [](const auto& in) { in.AsList()[0].AsBool(); }),
            "expected a bool, got a value of an unknown kind in value[0]");
}

TEST(ReaderTest, References) {
  UnpackValue(PackValue([](ValueWriter out) { out.Object(kUMax, "Point"); }),
              [](const ValueReader& in) {
                EXPECT_EQ(in.kind(), ValueKind::kObject);
                EXPECT_EQ(in.AsObject(), kUMax);
              });
}

TEST(RecordReaderTest, FindsAFieldWhereverItIs) {
  const Write write = [](ValueWriter out) {
    RecordWriter record = out.Record("Point", 3);
    record.Field(0, "x").Int(1);
    record.Field(1, "").Int(2);
    record.Field(2, "z").Int(3);
  };
  UnpackValue(PackValue(write), [](const ValueReader& in) {
    const RecordReader record = in.AsRecord();
    EXPECT_EQ(record.size(), 3u);
    EXPECT_EQ(record.type(), "Point");
    EXPECT_TRUE(record.Has("x"));
    EXPECT_TRUE(record.Has(""));
    EXPECT_FALSE(record.Has("y"));
    for (const std::size_t hint : {0u, 1u, 2u, 3u, 1000u}) {
      EXPECT_EQ(record.Field(hint, "x").AsInt(0, 9), 1) << hint;
      EXPECT_EQ(record.Field(hint, "").AsInt(0, 9), 2) << hint;
      EXPECT_EQ(record.Field(hint, "z").AsInt(0, 9), 3) << hint;
    }
  });
  EXPECT_EQ(ErrorOf(write, [](const auto& in) { in.AsRecord().Field(0, "y"); }),
            "expected a record with a field \"y\", got a record Point");
  EXPECT_EQ(ErrorOf(write, [](const auto& in) { in.AsRecord().Field(0, "z").AsBool(); }),
            "expected a bool, got 3 in value.z");
}

TEST(RecordReaderTest, WithoutFields) {
  const Write write = [](ValueWriter out) { out.Record("", 0); };
  EXPECT_EQ(ErrorOf(write, [](const auto& in) { in.AsRecord().Field(0, "y"); }),
            "expected a record with a field \"y\", got a record");
}

TEST(PathTest, StartsWithTheArgumentOrTheResult) {
  transport_internal::HeapMessage message;
  const OperationsWriter operations =
      transport_internal::RequestOn(message, Deadline::Never()).Operations(1);
  const ListWriter values = operations.Arguments(0, 2);
  values[0].Null();
  const MapWriter map = values[1].Map(1);
  map.Key(0).Text("k");
  map.Value(0).Int(5);
  transport_internal::In in = message.Read();
  using transport_internal::Access;
  const auto message_of = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const BadValue& e) {
      return e.what();
    }
    return "no error";
  };
  const ListReader arguments = transport_internal::RequestIn(in)[0].Arguments();
  EXPECT_EQ(message_of([&] { arguments[0].AsBool(); }),
            "expected a bool, got nothing in argument 0");
  EXPECT_EQ(message_of([&] {
              const ValueReader argument = arguments[1];
              argument.AsMap().Value(0).AsBool();
            }),
            "expected a bool, got 5 in argument 1[\"k\"]");
  const ValueReader result = Access::Reader(Access::StructOf(arguments[1]), nullptr, "result",
                                            transport_internal::kNoIndex, 0);
  EXPECT_EQ(message_of([&] { result.AsBool(); }), "expected a bool, got a map of 1 in result");
  EXPECT_EQ(message_of([&] { result.AsMap().Key(0).AsBool(); }),
            "expected a bool, got text \"k\" in result.keys()[0]");
}

TEST(MessageTest, NoBytesAreNotAMessage) {
  EXPECT_EQ(ErrorOf(""s, [](const auto&) {}), "malformed message: it is empty");
  EXPECT_EQ(ErrorOf("1234567"s, [](const auto&) {}), "malformed message: it is empty");
}

}  // namespace
}  // namespace remoteobj
