// SPDX-License-Identifier: MIT
//
// Our way of writing and reading messages, held against Cap'n Proto's own.
#include "remoteobj/transport/wire/internal/flat.h"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "capnp/message.h"
#include "capnp/serialize.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/capnp_bytes_testing.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"
#include "remoteobj/transport/wire/internal/packed.h"
#include "remoteobj/transport/wire/message.capnp.h"
#include "remoteobj/transport/wire/packed.h"

namespace remoteobj::transport_internal {
namespace {

template <typename Struct>
void CheckLayout(Layout layout) {
  EXPECT_EQ(layout.data, Struct::_capnpPrivate::dataWordSize);
  EXPECT_EQ(layout.pointers, Struct::_capnpPrivate::pointerCount);
}

TEST(FlatTest, LaysStructsOutAsTheSchemaDoes) {
  CheckLayout<schema::Value>(kValueLayout);
  CheckLayout<schema::Value::Entry>(kEntryLayout);
  CheckLayout<schema::Value::Record>(kRecordLayout);
  CheckLayout<schema::Value::Field>(kFieldLayout);
  CheckLayout<schema::Value::Array>(kArrayLayout);
  CheckLayout<schema::Value::Reference>(kReferenceLayout);
  CheckLayout<schema::Operation>(kOperationLayout);
  CheckLayout<schema::Request>(kRequestLayout);
  CheckLayout<schema::Outcome>(kOutcomeLayout);
  CheckLayout<schema::Error>(kErrorLayout);
}

TEST(FlatTest, NamesUnionsAndEnumsAsTheSchemaDoes) {
  using V = schema::Value;
  const std::pair<Which, V::Which> whiches[] = {{Which::kNull, V::NULL_},
                                                {Which::kBool, V::BOOL},
                                                {Which::kInt, V::INT},
                                                {Which::kUInt, V::UINT},
                                                {Which::kFloat, V::FLOAT},
                                                {Which::kText, V::TEXT},
                                                {Which::kData, V::DATA},
                                                {Which::kList, V::LIST},
                                                {Which::kMap, V::MAP},
                                                {Which::kRecord, V::RECORD},
                                                {Which::kArray, V::ARRAY},
                                                {Which::kLongText, V::LONG_TEXT},
                                                {Which::kLongData, V::LONG_DATA},
                                                {Which::kObject, V::OBJECT}};
  for (const auto& [ours, theirs] : whiches) {
    EXPECT_EQ(static_cast<int>(ours), static_cast<int>(theirs));
  }
  EXPECT_EQ(static_cast<int>(ElementType::kBool), static_cast<int>(V::Element::BOOL));
  EXPECT_EQ(static_cast<int>(ElementType::kFloat32), static_cast<int>(V::Element::FLOAT32));
  using Kind = schema::Operation::Kind;
  EXPECT_EQ(static_cast<int>(OperationKind::kSetItem), static_cast<int>(Kind::SET_ITEM));
  EXPECT_EQ(static_cast<int>(OperationKind::kSuper), static_cast<int>(Kind::SUPER));
  EXPECT_EQ(static_cast<int>(OperationKind::kNext), static_cast<int>(Kind::NEXT));
}

// Calls f(capnp::MessageReader&).
template <typename F>
void WithCapnp(const std::string& bytes, F&& f) {
  std::vector<capnp::word> words(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  capnp::FlatArrayMessageReader message(kj::arrayPtr(words.data(), words.size()));
  f(message);
}

TEST(FlatTest, CapnProtoReadsWhatWeWrite) {
  using Value = std::tuple<bool, int, std::uint64_t, double, std::string, std::vector<std::int16_t>,
                           std::map<std::string, int>, std::vector<std::byte>>;
  const Value value(true, -5, UINT64_MAX, 1.5, "text", {1, -2, 3}, {{"a", 1}}, {std::byte{7}});
  WithCapnp(Pack(value), [](capnp::MessageReader& message) {
    const auto list = message.getRoot<schema::Value>().getList();
    ASSERT_EQ(list.size(), 8u);
    EXPECT_TRUE(list[0].getBool());
    EXPECT_EQ(list[1].getInt(), -5);
    EXPECT_EQ(list[2].getUint(), UINT64_MAX);
    EXPECT_EQ(list[3].getFloat(), 1.5);
    EXPECT_STREQ(list[4].getText().cStr(), "text");
    EXPECT_EQ(list[5].getArray().getType(), schema::Value::Element::INT16);
    EXPECT_EQ(list[5].getArray().getChunks()[0].size(), 6u);
    EXPECT_STREQ(list[6].getMap()[0].getKey().getText().cStr(), "a");
    EXPECT_EQ(list[6].getMap()[0].getValue().getInt(), 1);
    EXPECT_EQ(list[7].getData()[0], 7);
  });
}

TEST(FlatTest, CapnProtoReadsOurRequestsAndOutcomes) {
  HeapMessage request;
  const RequestWriter writer = RequestOn(request, Deadline::FromNanos(123));
  writer.SetTarget(9);
  const OperationsWriter operations = writer.Operations(2);
  operations.Set(0, OperationKind::kGetAttribute, "count", 3);
  operations.Set(1, OperationKind::kCall, {}, 0);
  operations.Arguments(1, 1)[0].Int(5);
  WithCapnp(Framed(request.words()), [](capnp::MessageReader& message) {
    const auto in = message.getRoot<schema::Request>();
    EXPECT_EQ(in.getTarget(), 9u);
    EXPECT_EQ(in.getDeadline(), 123);
    ASSERT_EQ(in.getOperations().size(), 2u);
    EXPECT_EQ(in.getOperations()[0].getKind(), schema::Operation::Kind::GET_ATTRIBUTE);
    EXPECT_EQ(in.getOperations()[0].getHint(), 3);
    EXPECT_STREQ(in.getOperations()[0].getName().cStr(), "count");
    EXPECT_EQ(in.getOperations()[1].getArguments()[0].getInt(), 5);
  });

  HeapMessage outcome;
  ErrorInfo error{.type = "T", .message = "m", .traceback = {"f", "g"}, .pid = 7};
  error.causes = {{.type = "C", .message = "c"}};
  error.process = "p";
  error.thread = "t";
  error.group = "g";
  error.time_ns = 5;
  error.sequence = 6;
  error.base = "b";
  error.fields = Pack(std::vector<std::string>{"x", "y"});
  Access::Outcome(outcome).Error(error);
  WithCapnp(Framed(outcome.words()), [](capnp::MessageReader& message) {
    const auto in = message.getRoot<schema::Outcome>().getError();
    EXPECT_STREQ(in.getType().cStr(), "T");
    EXPECT_STREQ(in.getTraceback()[1].cStr(), "g");
    EXPECT_STREQ(in.getCauses()[0].getType().cStr(), "C");
    EXPECT_EQ(in.getPid(), 7);
    EXPECT_EQ(in.getTime(), 5);
    EXPECT_EQ(in.getSequence(), 6u);
    EXPECT_STREQ(in.getFields().getList()[1].getText().cStr(), "y");
  });
  In in = outcome.Read();
  const ErrorInfo read = OutcomeIn(in).Error();
  EXPECT_EQ(read.type, "T");
  EXPECT_EQ(read.message, "m");
  EXPECT_EQ(read.traceback, error.traceback);
  ASSERT_EQ(read.causes.size(), 1u);
  EXPECT_EQ(read.causes[0].message, "c");
  EXPECT_EQ(read.process + read.thread + read.group, "ptg");
  EXPECT_EQ(Unpack<std::vector<std::string>>(read.fields), (std::vector<std::string>{"x", "y"}));
}

TEST(FlatTest, WeReadWhatCapnProtoWrites) {
  // In one segment, and in many.
  for (const unsigned first_words : {4096u, 1u}) {
    capnp::MallocMessageBuilder message(first_words, capnp::AllocationStrategy::FIXED_SIZE);
    auto list = message.initRoot<schema::Value>().initList(4);
    list[0].setText("text");
    list[1].setUint(4);
    auto entry = list[2].initMap(1)[0];
    entry.initKey().setInt(1);
    entry.initValue().setBool(true);
    auto array = list[3].initArray();
    array.setType(schema::Value::Element::UINT8);
    const capnp::byte bytes[] = {1, 2, 3};
    array.initChunks(1).set(0, capnp::Data::Reader(bytes, 3));
    using Value = std::tuple<std::string, int, std::map<int, bool>, std::vector<std::uint8_t>>;
    EXPECT_EQ(Unpack<Value>(Flatten(message)), Value("text", 4, {{1, true}}, {1, 2, 3}));
  }
}

TEST(FlatTest, AMessageThatGrowsStaysTheSame) {
  std::vector<std::string> values;
  for (int i = 0; i < 5000; ++i)
    values.push_back(std::string(static_cast<std::size_t>(i % 50), 'x'));
  EXPECT_EQ(Unpack<std::vector<std::string>>(Pack(values)), values);
}

}  // namespace
}  // namespace remoteobj::transport_internal
