// SPDX-License-Identifier: MIT
//
// The codecs on what nobody wrote by hand: generated values, values nested too deep, damaged and
// crafted messages.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "capnp/message.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/wire/codec.h"
#include "remoteobj/transport/wire/internal/capnp_bytes_testing.h"
#include "remoteobj/transport/wire/internal/round_trip_testing.h"
#include "remoteobj/transport/wire/message.capnp.h"
#include "remoteobj/transport/wire/packed.h"

// A class whose codec is written by hand, and which can be nested without end.
struct Node {
  std::vector<Node> children;
  friend bool operator==(const Node&, const Node&) = default;
};

template <>
struct remoteobj::Codec<Node> {
  static void Encode(const Node& node, ValueWriter out) { remoteobj::Encode(node.children, out); }
  static Node Decode(const ValueReader& in) {
    return Node{remoteobj::Decode<std::vector<Node>>(in)};
  }
};

struct Point {
  int x = 0, y = 0;
};

template <>
struct remoteobj::Codec<Point> {
  static void Encode(const Point& point, ValueWriter out) {
    RecordWriter record = out.Record("Point", 2);
    remoteobj::Encode(point.x, record.Field(0, "x"));
    remoteobj::Encode(point.y, record.Field(1, "y"));
  }
  static Point Decode(const ValueReader& in) {
    const RecordReader record = in.AsRecord();
    return {remoteobj::Decode<int>(record.Field(0, "x")),
            remoteobj::Decode<int>(record.Field(1, "y"))};
  }
};

namespace remoteobj {
namespace {

using std::string_literals::operator""s;
using transport_internal::ExpectRoundTrip;

template <typename T>
bool DecodesOrIsBad(std::string_view bytes) {
  try {
    static_cast<void>(Unpack<T>(bytes));
  } catch (const BadValue&) {
  } catch (...) {
    return false;
  }
  return true;
}

// Generated values

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::size_t Below(std::size_t n) { return random_() % n; }

  template <typename T>
  void Make(T& out)
    requires std::integral<T>
  {
    // Small and large ones alike.
    out = static_cast<T>(random_() >> Below(64));
    if (Below(2) != 0) out = static_cast<T>(~out);
  }
  void Make(bool& out) { out = Below(2) != 0; }
  void Make(double& out) {
    do {
      out = std::bit_cast<double>(random_());
    } while (std::isnan(out));
  }
  void Make(std::monostate&) {}
  void Make(std::string& out) {
    out.resize(Below(20));
    for (char& c : out) c = static_cast<char>(random_());
  }
  void Make(absl::Duration& out) {
    out = absl::Seconds(Make<std::int32_t>()) + Below(4'000'000'000) * (absl::Nanoseconds(1) / 4);
  }
  template <typename T>
  void Make(std::optional<T>& out) {
    out = Below(2) != 0 ? std::optional<T>(Make<T>()) : std::nullopt;
  }
  template <typename... T>
  void Make(std::variant<T...>& out) {
    const std::size_t index = Below(sizeof...(T));
    std::size_t i = 0;
    ((i++ == index ? void(out = Make<T>()) : void()), ...);
  }
  template <typename A, typename B>
  void Make(std::pair<A, B>& out) {
    out = {Make<std::remove_const_t<A>>(), Make<B>()};
  }
  template <typename... T>
  void Make(std::tuple<T...>& out) {
    std::apply([&](auto&... element) { (Make(element), ...); }, out);
  }
  template <typename T>
  void Make(T& out)
    requires requires { out.insert(out.end(), *out.begin()); }
  {
    for (std::size_t n = Below(6); n != 0; --n) {
      if constexpr (requires { typename T::mapped_type; }) {
        out.emplace(Make<typename T::key_type>(), Make<typename T::mapped_type>());
      } else {
        out.insert(out.end(), Make<typename T::value_type>());
      }
    }
  }

  template <typename T>
  T Make() {
    T out{};
    Make(out);
    return out;
  }

 private:
  std::mt19937_64 random_;
};

template <typename T>
class GeneratedTest : public testing::Test {};

using Leaf = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string>;
using Generated = testing::Types<
    Leaf, std::vector<Leaf>, std::map<std::string, std::vector<std::optional<Leaf>>>,
    std::tuple<std::int8_t, std::uint16_t, std::vector<bool>, std::vector<std::int16_t>>,
    std::multimap<int, std::optional<std::optional<absl::Duration>>>,
    std::set<std::pair<std::string, std::int8_t>>,
    absl::flat_hash_map<std::int64_t, std::list<std::vector<double>>>,
    std::vector<std::vector<std::vector<std::deque<std::optional<std::string>>>>>>;
TYPED_TEST_SUITE(GeneratedTest, Generated);

TYPED_TEST(GeneratedTest, RoundTrips) {
  Generator generator(/*seed=*/20240229);
  for (int i = 0; i < 1000 && !this->HasFailure(); ++i) {
    ExpectRoundTrip(generator.Make<TypeParam>());
  }
}

TYPED_TEST(GeneratedTest, DecodedAsAnotherTypeIsThatOrBadValue) {
  Generator generator(/*seed=*/7);
  for (int i = 0; i < 100; ++i) {
    const std::string bytes = Pack(generator.Make<TypeParam>());
    EXPECT_TRUE(DecodesOrIsBad<Leaf>(bytes));
    EXPECT_TRUE(DecodesOrIsBad<std::vector<Leaf>>(bytes));
    EXPECT_TRUE(DecodesOrIsBad<absl::StatusOr<std::string>>(bytes));
    EXPECT_TRUE(DecodesOrIsBad<absl::Duration>(bytes));
    EXPECT_TRUE((DecodesOrIsBad<std::map<std::string, int>>(bytes)));
  }
}

// Depth

Node Nested(int levels) {
  Node node;
  for (int i = 1; i < levels; ++i) {
    Node outer;
    outer.children.push_back(std::move(node));
    node = std::move(outer);
  }
  return node;
}

// A message of lists in lists, which no ValueWriter would write.
std::string PackCrafted(int levels) {
  capnp::MallocMessageBuilder message;
  auto value = message.initRoot<schema::Value>();
  for (int i = 1; i < levels; ++i) value = value.initList(1)[0];
  value.initList(0);
  return transport_internal::Flatten(message);
}

TEST(DepthTest, UpToTheLimit) {
  ExpectRoundTrip(Nested(kMaxDepth));
  EXPECT_EQ(Unpack<Node>(PackCrafted(kMaxDepth)), Nested(kMaxDepth));
}

TEST(DepthTest, BeyondTheLimitIsRefusedByTheSender) {
  EXPECT_THROW(Pack(Nested(kMaxDepth + 1)), BadValue);
}

TEST(DepthTest, BeyondTheLimitIsRefusedByTheReceiver) {
  for (const int levels : {kMaxDepth + 1, 1000, 10'000}) {
    EXPECT_THROW(Unpack<Node>(PackCrafted(levels)), BadValue) << levels;
  }
}

TEST(DepthTest, MapsAndRecordsCountToo) {
  const auto nest = [](int levels, bool records) {
    return PackValue([&](ValueWriter out) {
      for (int i = 0; i < levels; ++i) {
        out = records ? out.Record("", 1).Field(0, "f") : out.Map(1).Value(0);
      }
      out.Null();
    });
  };
  for (const bool records : {false, true}) {
    int levels = 0;
    UnpackValue(nest(kMaxDepth, records), [&](const ValueReader& in) {
      const auto follow = [&](const auto& self, const ValueReader& value) -> void {
        if (value.kind() == ValueKind::kNull) return;
        ++levels;
        self(self, records ? value.AsRecord().Field(0, "f") : value.AsMap().Value(0));
      };
      follow(follow, in);
    });
    EXPECT_EQ(levels, kMaxDepth);
    EXPECT_THROW(nest(kMaxDepth + 1, records), BadValue);
  }
}

// Malformed messages

template <typename T>
void ExpectToSurviveDamage(const T& value) {
  const std::string bytes = Pack(value);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string_view cut = std::string_view(bytes).substr(0, size);
    EXPECT_THROW(static_cast<void>(Unpack<T>(cut)), BadValue) << size;
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      ASSERT_TRUE(DecodesOrIsBad<T>(damaged)) << "byte " << at << " ^ " << flip;
    }
  }
}

TEST(MalformedTest, DamagedBytesAreBadOrAnotherValue) {
  ExpectToSurviveDamage("some text"s);
  ExpectToSurviveDamage(std::vector{1, 2, 3});
  ExpectToSurviveDamage(std::vector{true, false});
  ExpectToSurviveDamage(std::map<std::string, std::vector<std::optional<Leaf>>>{
      {"a", {std::nullopt, 5}}, {"b", {"x"}}});
  ExpectToSurviveDamage(std::vector<Point>{{1, 2}, {3, 4}});
  ExpectToSurviveDamage(absl::StatusOr<int>(absl::NotFoundError("none")));
  ExpectToSurviveDamage(Nested(5));
}

TEST(MalformedTest, BytesAreNotAListOfAsManyValues) {
  // Cap'n Proto would read a list of bytes as a list of values, each of them null.
  capnp::MallocMessageBuilder message(4 << 20);  // All in one segment.
  message.initRoot<schema::Value>().initData(16 << 20);
  std::string bytes = transport_internal::Flatten(message);
  const std::string list = Pack(std::vector<std::string>());
  constexpr std::size_t kRoot = 16;  // Behind the framing and the root pointer.
  std::copy_n(&list[kRoot], 16, &bytes[kRoot]);
  EXPECT_THROW(UnpackValue(bytes, [](const ValueReader& in) { in.AsList(); }), BadValue);
  using Row = std::array<std::int64_t, 16 << 10>;  // 2 TiB in all.
  EXPECT_TRUE(DecodesOrIsBad<std::vector<Row>>(bytes));
}

TEST(MalformedTest, APointerFromManyPlacesToOne) {
  // Lists of two whose elements are one and the same list of two, and so on: 2^60 values.
  capnp::MallocMessageBuilder message;
  auto value = message.initRoot<schema::Value>();
  for (int i = 0; i < 60; ++i) value = value.initList(2)[0];
  std::string bytes = transport_internal::Flatten(message);
  std::vector<std::uint64_t> words(bytes.size() / 8);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  // Framing, root pointer and root; then for each list a tag and two values of three words, the
  // last of which is the pointer.
  for (std::size_t list = 5; list + 7 < words.size(); list += 7) {
    std::copy_n(&words[list + 1], 3, &words[list + 4]);
    words[list + 6] -= 3 << 2;  // Its offset: counted from three words later.
  }
  std::memcpy(bytes.data(), words.data(), bytes.size());
  EXPECT_THROW(Unpack<Node>(bytes), BadValue);
}

}  // namespace
}  // namespace remoteobj
