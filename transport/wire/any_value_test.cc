// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/any_value.h"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/packed.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

// A value through every way that an AnyValue can take: alone, copied, within other values.
template <typename T>
void CheckKeeps(const T& value) {
  const AnyValue any = AnyValue::Of(value);
  EXPECT_EQ(any.As<T>(), value) << any.DebugString();
  EXPECT_EQ(AnyValue::Of(any), any);
  EXPECT_EQ(any.As<AnyValue>(), any);
  const AnyValue list = AnyValue::Of(std::vector<AnyValue>{AnyValue(), any, any});
  EXPECT_EQ((list.As<std::vector<AnyValue>>()[2].As<T>()), value);
  const AnyValue map = AnyValue::Of(std::map<std::string, AnyValue>{{"a", list}, {"b", any}});
  EXPECT_EQ((map.As<std::map<std::string, AnyValue>>()["b"].As<T>()), value);
  EXPECT_EQ((map.As<std::map<std::string, AnyValue>>()["a"]), list);
}

TEST(AnyValue, KeepsWhatItIsMadeOf) {
  CheckKeeps(0);
  CheckKeeps(true);
  CheckKeeps(std::numeric_limits<std::int64_t>::min());
  CheckKeeps(std::numeric_limits<std::uint64_t>::max());
  CheckKeeps(1.5);
  CheckKeeps(std::string());
  CheckKeeps(std::string("short"));
  CheckKeeps(std::string(100'000, 'x'));
  CheckKeeps(std::vector<int>{});
  CheckKeeps(std::vector<int>{1, 2, 3});
  CheckKeeps(std::vector<bool>{true, false});
  CheckKeeps(std::vector<double>(100'000, 0.5));
  CheckKeeps(std::vector<std::string>{"a", "", "c"});
  CheckKeeps(std::vector<std::byte>(17, std::byte{3}));
  CheckKeeps(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  CheckKeeps(std::optional<std::string>());
  CheckKeeps(std::variant<int, std::string>("text"));
}

TEST(AnyValue, IsNullFirst) {
  EXPECT_EQ(AnyValue(), AnyValue::Of(nullptr));
  EXPECT_EQ(AnyValue().As<std::optional<int>>(), std::nullopt);
}

TEST(AnyValue, SaysWhatItDoesNotHold) {
  try {
    AnyValue::Of("text").As<int>();
    FAIL();
  } catch (const BadValue& e) {
    EXPECT_NE(std::string_view(e.what()).find("got text \"text\""), std::string_view::npos)
        << e.what();
  }
}

TEST(AnyValue, IsAKey) {
  absl::flat_hash_map<AnyValue, int> hashed;
  std::map<AnyValue, int> ordered;
  for (int i = 0; i < 100; ++i) {
    hashed[AnyValue::Of("key " + std::to_string(i))] = i;
    ordered[AnyValue::Of("key " + std::to_string(i))] = i;
  }
  EXPECT_EQ(hashed.at(AnyValue::Of("key 42")), 42);
  EXPECT_EQ(ordered.at(AnyValue::Of("key 42")), 42);
  EXPECT_EQ(hashed.size(), 100u);
  EXPECT_EQ(ordered.size(), 100u);
  EXPECT_FALSE(hashed.contains(AnyValue::Of("key")));
  EXPECT_NE(AnyValue::Of(1), AnyValue::Of("1"));
}

// A value that is nested too deep can't be kept.
TEST(AnyValue, IsNotNestedTooDeep) {
  AnyValue value;
  const auto nest = [&] {
    for (int i = 0; i <= kMaxDepth + 1; ++i) value = AnyValue::Of(std::vector<AnyValue>{value});
    return value.As<AnyValue>();
  };
  EXPECT_THROW(nest(), BadValue);
}

class Thing final : public Referent {
 public:
  using Referent::Referent;
  Channel& channel() override { throw std::logic_error("it is not called here"); }
};

class TestAttachments final : public Attachments {
 public:
  explicit TestAttachments(std::shared_ptr<Referent> known) : known_(std::move(known)) {}
  void Send(std::shared_ptr<Referent> referent) override { sent.push_back(std::move(referent)); }
  std::shared_ptr<Referent> Receive(std::uint64_t id, std::string_view) override {
    if (known_ == nullptr || id != known_->id()) throw StaleReference("it is gone");
    return known_;
  }
  std::vector<std::shared_ptr<Referent>> sent;

 private:
  std::shared_ptr<Referent> known_;
};

TEST(AnyValue, KeepsTheObjectsThatItRefersTo) {
  std::shared_ptr<Referent> thing = std::make_shared<Thing>(7, "Thing");
  const std::weak_ptr<Referent> alive = thing;
  std::optional<AnyValue> value = AnyValue::Of(std::vector<Reference>{{thing}});
  thing.reset();
  EXPECT_FALSE(alive.expired());
  EXPECT_EQ(value->As<std::vector<Reference>>()[0].referent->id(), 7u);
  std::optional<AnyValue> copy = value->As<AnyValue>();
  value.reset();
  EXPECT_FALSE(alive.expired());
  {
    // The attachments of the message are told, so that the object lives until it has arrived.
    TestAttachments attachments(alive.lock());
    const std::string bytes = Pack(*copy, attachments);
    ASSERT_EQ(attachments.sent.size(), 1u);
    EXPECT_EQ(attachments.sent[0]->id(), 7u);
    EXPECT_EQ(Unpack<std::vector<Reference>>(bytes, attachments)[0].referent->id(), 7u);
    TestAttachments others(nullptr);
    EXPECT_THROW(Unpack<AnyValue>(bytes, others), StaleReference);
    EXPECT_THROW(Unpack<AnyValue>(bytes), BadValue);
  }
  const AnyValue outer = AnyValue::Of(std::vector<AnyValue>{*copy});
  EXPECT_EQ(outer.bytes(), copy->bytes() + 4 * sizeof(std::uint64_t));
  copy.reset();
  EXPECT_FALSE(alive.expired()) << "the outer one refers to it, too";
}

TEST(AnyValue, AReferenceNeedsSomebodyToCarryIt) {
  const std::shared_ptr<Referent> thing = std::make_shared<Thing>(7, "Thing");
  const AnyValue value = AnyValue::Of(Reference{thing});
  EXPECT_THROW(Pack(value), BadValue);
}

// The attachments belong to one message: a value that is packed at the same time has none.
TEST(AnyValue, AMessageDoesNotTakeTheAttachmentsOfAnother) {
  const std::shared_ptr<Referent> thing = std::make_shared<Thing>(7, "Thing");
  TestAttachments attachments(thing);
  PackValue(
      [&](ValueWriter out) {
        EXPECT_THROW(Pack(Reference{thing}), BadValue);
        Encode(Reference{thing}, out);
      },
      attachments);
  EXPECT_EQ(attachments.sent.size(), 1u);
}

}  // namespace
}  // namespace remoteobj
