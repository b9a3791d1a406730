// SPDX-License-Identifier: MIT
#include "remoteobj/transport/wire/codec.h"

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/wire/internal/round_trip_testing.h"
#include "remoteobj/transport/wire/packed.h"

// A class whose codec is written by hand.
struct Person {
  std::string name;
  int age = 0;
  friend bool operator==(const Person&, const Person&) = default;
};

template <>
struct remoteobj::Codec<Person> {
  static void Encode(const Person& person, ValueWriter out) {
    RecordWriter record = out.Record("Person", 2);
    remoteobj::Encode(person.name, record.Field(0, "name"));
    remoteobj::Encode(person.age, record.Field(1, "age"));
  }
  static Person Decode(const ValueReader& in) {
    const RecordReader record = in.AsRecord();
    return {remoteobj::Decode<std::string>(record.Field(0, "name")),
            remoteobj::Decode<int>(record.Field(1, "age"))};
  }
};

namespace remoteobj {
namespace {

using std::string_literals::operator""s;
using transport_internal::ExpectRoundTrip;

template <typename T, typename... Values>
void ExpectRoundTrips(const Values&... values) {
  (ExpectRoundTrip<T>(values), ...);
}

// The result of a decoder of T for `value`, whichever type encoded it.
template <typename T, typename Sent>
void ExpectError(const Sent& value, const std::string& message) {
  const std::string bytes = Pack(value);
  try {
    static_cast<void>(Unpack<T>(bytes));
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const BadValue& e) {
    EXPECT_EQ(e.what(), message);
  }
}

// Round trips

template <typename T>
class IntegerTest : public testing::Test {};

using Integers = testing::Types<signed char, unsigned char, char, short, unsigned short, int,
                                unsigned, long, unsigned long, long long, unsigned long long,
                                char8_t, char16_t, char32_t, wchar_t>;
TYPED_TEST_SUITE(IntegerTest, Integers);

TYPED_TEST(IntegerTest, TravelsAtItsLimits) {
  using Limits = std::numeric_limits<TypeParam>;
  const std::vector<TypeParam> values = {Limits::min(), TypeParam(0), TypeParam(1), Limits::max()};
  for (TypeParam value : values) ExpectRoundTrip(value);
  ExpectRoundTrip(values);
  ExpectRoundTrip(std::list<TypeParam>(values.begin(), values.end()));
  ExpectRoundTrip(std::array<TypeParam, 2>{Limits::min(), Limits::max()});
}

TYPED_TEST(IntegerTest, RefusesWhatDoesNotFit) {
  using Limits = std::numeric_limits<TypeParam>;
  const std::string range = std::is_signed_v<TypeParam>
                                ? absl::StrCat(static_cast<std::int64_t>(Limits::min()), " to ",
                                               static_cast<std::int64_t>(Limits::max()))
                                : absl::StrCat("0 to ", static_cast<std::uint64_t>(Limits::max()));
  const std::string expected = "expected an integer from " + range + ", got ";
  if constexpr (sizeof(TypeParam) < 8) {
    ExpectError<TypeParam>(static_cast<std::int64_t>(Limits::max()) + 1,
                           absl::StrCat(expected, static_cast<std::int64_t>(Limits::max()) + 1));
    ExpectError<TypeParam>(static_cast<std::int64_t>(Limits::min()) - 1,
                           absl::StrCat(expected, static_cast<std::int64_t>(Limits::min()) - 1));
  } else if constexpr (std::is_signed_v<TypeParam>) {
    ExpectError<TypeParam>(std::uint64_t{1} << 63, expected + "9223372036854775808");
  } else {
    ExpectError<TypeParam>(-1, expected + "-1");
  }
  ExpectError<TypeParam>(5.0, expected + "5.0");
  ExpectError<TypeParam>("5"s, expected + "text \"5\"");
  ExpectError<TypeParam>(true, expected + "true");
}

TEST(RoundTripTest, Bools) { ExpectRoundTrips<bool>(true, false); }

TEST(RoundTripTest, Enums) {
  enum class Colour { kRed, kBlue = -7 };
  enum class Wide : std::uint64_t { kLast = std::numeric_limits<std::uint64_t>::max() };
  enum Plain { kOne = 1 };
  enum class Flag : bool { kOff, kOn };
  ExpectRoundTrips<Colour>(Colour::kRed, Colour::kBlue);
  ExpectRoundTrip(Wide::kLast);
  ExpectRoundTrip(kOne);
  ExpectRoundTrips<Flag>(Flag::kOff, Flag::kOn);
  ExpectRoundTrip(std::byte{255});
  ExpectRoundTrip(std::vector{Colour::kBlue, Colour::kRed});
}

template <typename T>
void ExpectFloatsTravel() {
  using Limits = std::numeric_limits<T>;
  ExpectRoundTrips<T>(T{0}, T(0.1), Limits::max(), Limits::lowest(), Limits::min(),
                      Limits::denorm_min(), Limits::epsilon(), Limits::infinity(),
                      -Limits::infinity());
  EXPECT_TRUE(std::isnan(Unpack<T>(Pack(Limits::quiet_NaN()))));
  EXPECT_TRUE(std::signbit(Unpack<T>(Pack(T(-0.0)))));
  const std::vector<T> many = {T(-0.0), Limits::quiet_NaN(), Limits::infinity()};
  const auto got = Unpack<std::vector<T>>(Pack(many));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(std::signbit(got[0]));
  EXPECT_TRUE(std::isnan(got[1]));
  EXPECT_EQ(got[2], Limits::infinity());
}

TEST(RoundTripTest, Floats) { ExpectFloatsTravel<float>(); }
TEST(RoundTripTest, Doubles) { ExpectFloatsTravel<double>(); }

TEST(RoundTripTest, AFloatFromADoubleThatItHolds) {
  EXPECT_EQ(Unpack<float>(Pack(0.25)), 0.25f);
  EXPECT_EQ(Unpack<float>(Pack(7)), 7.0f);
  EXPECT_TRUE(std::isnan(Unpack<float>(Pack(std::nan("")))));
  EXPECT_EQ(Unpack<float>(Pack(HUGE_VAL)), HUGE_VALF);
}

TEST(RoundTripTest, ADoubleFromAnIntegerThatItHolds) {
  EXPECT_EQ(Unpack<double>(Pack(-5)), -5.0);
  EXPECT_EQ(Unpack<double>(Pack(std::int64_t{1} << 62)), 0x1p62);
  EXPECT_EQ(Unpack<double>(Pack(std::numeric_limits<std::int64_t>::min())), -0x1p63);
  EXPECT_EQ(Unpack<double>(Pack(std::uint64_t{1} << 63)), 0x1p63);
}

TEST(RoundTripTest, Strings) {
  ExpectRoundTrips<std::string>(""s, "text"s, "\0"s, "a\0b\0"s, "\xff\xfe"s, "\u00e9\u4e2d"s,
                                std::string(100'000, 'x'));
  EXPECT_EQ(Unpack<std::string>(Pack(std::string_view("a\0b", 3))), "a\0b"s);
  EXPECT_EQ(Unpack<std::string>(Pack(absl::string_view("view"))), "view");
  EXPECT_EQ(Unpack<std::string>(Pack<const char*>("chars")), "chars");
  ExpectRoundTrip(std::u16string(u"wide"));
}

TEST(RoundTripTest, Sequences) {
  ExpectRoundTrips<std::vector<int>>(std::vector<int>{}, std::vector{1, -2});
  ExpectRoundTrips<std::vector<bool>>(std::vector<bool>{}, std::vector{true, false, true});
  ExpectRoundTrips<std::deque<bool>>(std::deque{true, false});
  ExpectRoundTrips<std::vector<std::byte>>(std::vector<std::byte>{},
                                           std::vector{std::byte{0}, std::byte{255}});
  ExpectRoundTrips<std::deque<int>>(std::deque<int>{}, std::deque{1, 2});
  ExpectRoundTrips<std::list<std::string>>(std::list<std::string>{}, std::list{"a"s, ""s});
  ExpectRoundTrip(std::vector<std::vector<int>>{{}, {1}, {}});
  ExpectRoundTrip(std::vector<std::monostate>(3));
  ExpectRoundTrip(absl::InlinedVector<int, 4>{1, 2, 3});
  ExpectRoundTrip(std::vector<Person>{{"Ann", 30}, {"", -1}});
}

TEST(RoundTripTest, MoreElementsThanAreReservedAtOnce) {
  ExpectRoundTrip(std::vector<std::string>(100'000, "x"));
}

TEST(RoundTripTest, Arrays) {
  ExpectRoundTrip(std::array<double, 2>{1.5, -2});
  ExpectRoundTrip(std::array<std::string, 2>{"a", "b"});
  ExpectRoundTrip(std::array<std::array<int, 2>, 2>{{{1, 2}, {3, 4}}});
  ExpectRoundTrip(std::array<bool, 3>{true, false, true});
  ExpectRoundTrip(std::array<std::byte, 2>{std::byte{1}, std::byte{2}});
  ExpectRoundTrip(std::array<int, 0>{});
  ExpectRoundTrip(std::array<std::string, 0>{});
}

// The encoding of a sender that does not know the type.
TEST(RoundTripTest, NumbersFromAListOfThem) {
  EXPECT_EQ(Unpack<std::vector<int>>(Pack(std::list{1, -2})), (std::vector{1, -2}));
  EXPECT_EQ(Unpack<std::vector<double>>(Pack(std::tuple(1, 2.5))), (std::vector{1.0, 2.5}));
  EXPECT_EQ(Unpack<std::vector<int>>(Pack(std::tuple<>())), std::vector<int>());
  EXPECT_EQ((Unpack<std::array<int, 2>>(Pack(std::list{1, -2}))), (std::array{1, -2}));
  ExpectError<std::vector<std::int8_t>>(
      std::list{1, 128}, "expected an integer from -128 to 127, got 128 in value[1]");
  ExpectError<std::vector<int>>(
      std::tuple(1, "2"s),
      "expected an integer from -2147483648 to 2147483647, got text \"2\" in value[1]");
  ExpectError<std::array<int, 3>>(std::list{1}, "expected a list of 3, got a list of 1");
}

template <typename T>
void ExpectSpanArrives(std::span<const T> span) {
  const auto got = Unpack<std::vector<T>>(Pack(span));
  EXPECT_EQ(got, std::vector<T>(span.begin(), span.end()));
}

TEST(RoundTripTest, SpansArriveAsVectors) {
  ExpectSpanArrives<int>(std::vector{1, 2});
  ExpectSpanArrives<int>({});
  ExpectSpanArrives<std::string>(std::vector{"a"s});
  ExpectSpanArrives<std::byte>(std::vector{std::byte{1}});
  ExpectSpanArrives<bool>(std::array{true, false});
}

TEST(RoundTripTest, Sets) {
  ExpectRoundTrips<std::set<int>>(std::set<int>{}, std::set{3, 1});
  ExpectRoundTrip(std::multiset<int>{1, 1, 2});
  ExpectRoundTrip(std::unordered_set<std::string>{"a", "b"});
  ExpectRoundTrip(std::unordered_multiset<int>{1, 1});
  ExpectRoundTrip(absl::flat_hash_set<int>{1, 2, 3});
  ExpectRoundTrip(absl::btree_set<std::string>{"b", "a"});
}

TEST(RoundTripTest, Maps) {
  ExpectRoundTrips<std::map<std::string, int>>(std::map<std::string, int>{},
                                               std::map<std::string, int>{{"a", 1}, {"", 2}});
  ExpectRoundTrip(std::unordered_map<int, std::string>{{1, "a"}, {2, "b"}});
  ExpectRoundTrip(std::multimap<int, int>{{1, 1}, {1, 0}, {1, 1}, {2, 5}});
  ExpectRoundTrip(std::unordered_multimap<int, int>{{1, 1}, {1, 0}, {2, 5}});
  ExpectRoundTrip(absl::flat_hash_map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  ExpectRoundTrip(absl::btree_map<int, bool>{{2, true}, {1, false}});
  ExpectRoundTrip(std::map<std::pair<int, std::string>, double>{{{1, "a"}, 0.5}});
}

TEST(RoundTripTest, Optionals) {
  ExpectRoundTrips<std::optional<int>>(std::nullopt, 0);
  using Twice = std::optional<std::optional<int>>;
  ExpectRoundTrips<Twice>(Twice(), Twice(std::optional<int>()), Twice(5));
  using Thrice = std::optional<Twice>;
  ExpectRoundTrips<Thrice>(Thrice(), Thrice(Twice()), Thrice(Twice(std::optional<int>())),
                           Thrice(5));
  using OfNothing = std::optional<std::monostate>;
  ExpectRoundTrips<OfNothing>(OfNothing(), OfNothing(std::monostate()));
  ExpectRoundTrip(std::monostate());
  ExpectRoundTrip(nullptr);
}

TEST(RoundTripTest, UniquePointers) {
  EXPECT_EQ(*Unpack<std::unique_ptr<int>>(Pack(std::make_unique<int>(5))), 5);
  EXPECT_EQ(Unpack<std::unique_ptr<int>>(Pack(std::unique_ptr<int>())), nullptr);
  using Pointer = std::unique_ptr<std::optional<int>>;
  EXPECT_EQ(Unpack<Pointer>(Pack(Pointer())), nullptr);
  EXPECT_EQ(*Unpack<Pointer>(Pack(std::make_unique<std::optional<int>>())), std::nullopt);
  std::vector<std::unique_ptr<std::string>> many;
  many.push_back(std::make_unique<std::string>("a"));
  many.push_back(nullptr);
  const auto got = Unpack<decltype(many)>(Pack(many));
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(*got[0], "a");
  EXPECT_EQ(got[1], nullptr);
  std::optional<std::unique_ptr<int>> within(std::in_place);
  EXPECT_EQ(Unpack<decltype(within)>(Pack(within)), within);
}

TEST(RoundTripTest, PairsAndTuples) {
  ExpectRoundTrip(std::pair(1, "a"s));
  ExpectRoundTrip(std::tuple<>());
  ExpectRoundTrip(std::tuple<std::tuple<int>>(std::tuple(5)));
  ExpectRoundTrip(std::tuple(1, "a"s, std::optional<bool>(), std::vector{1.5}));
  const auto moved =
      Unpack<std::pair<int, std::unique_ptr<int>>>(Pack(std::pair(1, std::make_unique<int>(2))));
  EXPECT_EQ(*moved.second, 2);
}

TEST(RoundTripTest, Variants) {
  using Variant = std::variant<std::monostate, int, std::string, int, std::vector<double>>;
  ExpectRoundTrips<Variant>(Variant(), Variant("a"s), Variant(std::in_place_index<1>, 5),
                            Variant(std::in_place_index<3>, 5), Variant(std::vector{1.0}));
  ExpectRoundTrips<std::optional<Variant>>(std::nullopt, Variant());
}

TEST(RoundTripTest, Nesting) {
  using Deep = std::map<std::string, std::vector<std::optional<std::variant<int, std::string>>>>;
  ExpectRoundTrip(Deep{{"", {}}, {"a", {std::nullopt, 5, "text"}}, {"b", {std::nullopt}}});
}

TEST(RoundTripTest, Durations) {
  const absl::Duration quarter = absl::Nanoseconds(1) / 4;
  const std::int64_t first = std::numeric_limits<std::int64_t>::min();
  const std::int64_t last = std::numeric_limits<std::int64_t>::max();
  ExpectRoundTrips<absl::Duration>(
      absl::ZeroDuration(), absl::Seconds(5), -absl::Seconds(5), absl::Milliseconds(-1500), quarter,
      -quarter, absl::Seconds(-1) + quarter, absl::Seconds(1) - quarter, absl::InfiniteDuration(),
      -absl::InfiniteDuration(), absl::Seconds(last), absl::Seconds(first),
      absl::Seconds(first) + quarter, absl::Seconds(last) + absl::Seconds(1) - quarter);
}

TEST(RoundTripTest, Times) {
  ExpectRoundTrips<absl::Time>(absl::UnixEpoch(), absl::Now(), absl::FromUnixNanos(-1),
                               absl::InfiniteFuture(), absl::InfinitePast(), absl::UniversalEpoch(),
                               absl::UnixEpoch() + absl::Nanoseconds(1) / 4);
}

TEST(RoundTripTest, Chrono) {
  using namespace std::chrono_literals;
  ExpectRoundTrip(5ns);
  ExpectRoundTrip(-3h);
  ExpectRoundTrip(std::chrono::duration<double>(0.5));
  ExpectRoundTrip(std::chrono::system_clock::now());
  ExpectRoundTrip(std::chrono::sys_days(std::chrono::days(-1)));
}

TEST(RoundTripTest, Statuses) {
  ExpectRoundTrips<absl::Status>(absl::OkStatus(), absl::NotFoundError("a\0b"),
                                 absl::UnauthenticatedError(""));
  absl::Status status = absl::InternalError("with payloads");
  status.SetPayload("type.example.com/a", absl::Cord("bytes\0\xff"));
  status.SetPayload("type.example.com/b", absl::Cord());
  ExpectRoundTrip(status);
  ExpectRoundTrips<absl::StatusOr<int>>(5, absl::NotFoundError("none"), status);
  using Values = absl::StatusOr<std::vector<std::string>>;
  ExpectRoundTrips<Values>(Values({"a", "b"}), Values(absl::AbortedError("")));
}

TEST(RoundTripTest, ARecordWithMoreFieldsThanOneWouldWriteByHand) {
  for (const std::size_t step : {1u, 199u}) {  // In the reader's order, and in reverse.
    const std::string bytes = PackValue([&](ValueWriter out) {
      RecordWriter record = out.Record("Wide", 200);
      for (std::size_t i = 0; i < 200; ++i) {
        const std::size_t name = (i * step + step) % 200;
        record.Field(i, absl::StrCat("field", name)).UInt(name);
      }
    });
    UnpackValue(bytes, [](const ValueReader& in) {
      const RecordReader record = in.AsRecord();
      for (std::size_t i = 0; i < 200; ++i) {
        EXPECT_EQ(record.Field(i, absl::StrCat("field", i)).AsUInt(200), i);
      }
    });
  }
}

TEST(RoundTripTest, BytesAtAnOddAddress) {
  const std::string shifted = "x" + Pack(std::vector{1, 2});
  EXPECT_EQ(Unpack<std::vector<int>>(std::string_view(shifted).substr(1)), (std::vector{1, 2}));
}

// Errors

TEST(ErrorTest, AnotherKind) {
  ExpectError<bool>(1, "expected a bool, got 1");
  ExpectError<std::string>(5, "expected text, got 5");
  ExpectError<std::string>(std::vector{std::byte{1}}, "expected text, got data of 1 bytes");
  ExpectError<double>("x"s, "expected a number that a double can hold, got text \"x\"");
  ExpectError<std::monostate>(0, "expected nothing, got 0");
  ExpectError<std::vector<std::byte>>("x"s, "expected data, got text \"x\"");
  ExpectError<std::vector<std::string>>(5, "expected a list, got 5");
  ExpectError<std::map<int, int>>(std::vector{"a"s}, "expected a map, got a list of 1");
  ExpectError<std::set<int>>(std::map<int, int>{{1, 2}}, "expected a list, got a map of 1");
  ExpectError<Person>(5, "expected a record, got 5");
  ExpectError<int>(Person{},
                   "expected an integer from -2147483648 to 2147483647, got a record Person");
  ExpectError<int>(std::monostate(),
                   "expected an integer from -2147483648 to 2147483647, got nothing");
}

TEST(ErrorTest, NumbersThatWouldBeRounded) {
  ExpectError<float>(0.1, "expected a number that a float can hold, got 0.1");
  ExpectError<float>(1e300, "expected a number that a float can hold, got 1e+300");
  ExpectError<float>(16777217, "expected a number that a float can hold, got 16777217");
  ExpectError<double>((std::int64_t{1} << 53) + 1,
                      "expected a number that a double can hold, got 9007199254740993");
  ExpectError<double>(std::numeric_limits<std::uint64_t>::max(),
                      "expected a number that a double can hold, got 18446744073709551615");
  ExpectError<int>(-0.0, "expected an integer from -2147483648 to 2147483647, got -0.0");
  ExpectError<int>(HUGE_VAL, "expected an integer from -2147483648 to 2147483647, got inf");
}

TEST(ErrorTest, ArraysOfAnotherType) {
  ExpectError<std::vector<int>>(std::vector<std::int64_t>{1},
                                "expected an array of int32, got an array of int64");
  ExpectError<std::vector<float>>(std::vector<double>{},
                                  "expected an array of float32, got an array of float64");
  ExpectError<std::vector<bool>>(std::vector<std::uint8_t>{1},
                                 "expected an array of bool, got an array of uint8");
  ExpectError<std::vector<std::string>>(std::vector{1}, "expected a list, got an array of int32");
  ExpectError<std::vector<int>>(5, "expected an array of int32, got 5");
}

TEST(ErrorTest, AnotherSize) {
  ExpectError<std::pair<int, int>>(std::tuple(1, 2, 3), "expected a list of 2, got a list of 3");
  ExpectError<std::tuple<>>(std::tuple(1), "expected a list of 0, got a list of 1");
  ExpectError<std::array<int, 3>>(std::vector{1}, "expected an array of 3, got an array of int32");
  ExpectError<std::array<std::string, 3>>(std::vector{""s},
                                          "expected a list of 3, got a list of 1");
  ExpectError<std::array<std::byte, 3>>(std::vector{std::byte{1}},
                                        "expected data of 3 bytes, got data of 1 bytes");
  ExpectError<std::optional<std::optional<int>>>(std::tuple(1, 2),
                                                 "expected a list of at most one, got a list of 2");
}

TEST(ErrorTest, Alternatives) {
  using Variant = std::variant<int, std::string>;
  ExpectError<Variant>(std::tuple(2, 5), "expected an integer from 0 to 1, got 2 in value[0]");
  ExpectError<Variant>(std::tuple(-1, 5), "expected an integer from 0 to 1, got -1 in value[0]");
  ExpectError<Variant>(std::tuple(1, 5), "expected text, got 5 in value[1]");
  ExpectError<Variant>(std::tuple(1),
                       "expected a list of two: which alternative, and its value, got a list of 1");
  ExpectError<Variant>(5, "expected a list, got 5");
}

TEST(ErrorTest, EqualKeysAndElements) {
  ExpectError<std::map<int, int>>(std::multimap<int, int>{{1, 1}, {1, 2}},
                                  "expected keys that differ from one another, got a map of 2");
  ExpectError<absl::flat_hash_map<int, int>>(
      std::multimap<int, int>{{1, 1}, {1, 2}},
      "expected keys that differ from one another, got a map of 2");
  ExpectError<std::set<int>>(std::multiset<int>{1, 1},
                             "expected elements that differ from one another, got a list of 2");
}

TEST(ErrorTest, Paths) {
  ExpectError<std::vector<std::string>>(std::tuple("a"s, 5), "expected text, got 5 in value[1]");
  ExpectError<std::vector<std::vector<std::string>>>(
      std::tuple(std::tuple(), std::tuple("a"s, true)), "expected text, got true in value[1][1]");
  using Names = std::map<std::string, std::vector<std::string>>;
  ExpectError<Names>(std::map<std::string, std::tuple<int>>{{"a", 1}},
                     "expected text, got 1 in value[\"a\"][0]");
  ExpectError<Names>(std::map<int, std::vector<std::string>>{{1, {}}},
                     "expected text, got 1 in value.keys()[0]");
  using Pairs = std::map<std::pair<int, std::string>, std::string>;
  ExpectError<Pairs>(std::map<std::pair<int, int>, std::string>{{{1, 5}, "x"}},
                     "expected text, got 5 in value.keys()[0][1]");
  ExpectError<Pairs>(std::map<std::pair<int, std::string>, int>{{{1, "a"}, 5}},
                     "expected text, got 5 in value[a list of 2]");
  ExpectError<std::map<int, std::string>>(std::map<int, int>{{7, 5}},
                                          "expected text, got 5 in value[7]");
}

std::string PackRecord(const std::vector<std::pair<std::string, int>>& fields,
                       const std::string& type = "Person") {
  return PackValue([&](ValueWriter out) {
    ListWriter list = out.List(1);
    RecordWriter record = list[0].Record(type, fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i)
      record.Field(i, fields[i].first).Int(fields[i].second);
  });
}

TEST(ErrorTest, Records) {
  const auto expect = [](const std::string& bytes, const std::string& message) {
    try {
      Unpack<std::vector<Person>>(bytes);
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const BadValue& e) {
      EXPECT_EQ(e.what(), message);
    }
  };
  expect(PackRecord({{"age", 3}}),
         "expected a record with a field \"name\", got a record Person in value[0]");
  expect(PackRecord({}, ""), "expected a record with a field \"name\", got a record in value[0]");
  expect(PackRecord({{"age", 3}, {"name", 5}}), "expected text, got 5 in value[0].name");
}

TEST(ErrorTest, TimesAndStatuses) {
  constexpr char kSeconds[] = "expected a list of two: seconds and quarters of a nanosecond, got ";
  ExpectError<absl::Duration>(std::tuple(1), kSeconds + "a list of 1"s);
  ExpectError<absl::Duration>(0.5, "expected a duration: only an infinite one is a float, got 0.5");
  ExpectError<absl::Time>(std::nan(""),
                          "expected a duration: only an infinite one is a float, got nan");
  ExpectError<absl::Duration>(
      std::tuple(0, 4'000'000'000),
      "expected an integer from -3999999999 to 3999999999, got 4000000000 in value[1]");
  ExpectError<absl::Status>(std::tuple(17, ""s),
                            "expected an integer from 0 to 16, got 17 in value[0]");
  ExpectError<absl::Status>(std::tuple(1),
                            "expected a list: a status's code, message and payloads if any, "
                            "got a list of 1");
  ExpectError<absl::Status>(std::tuple(1, ""s, std::map<std::string, std::string>{{"u", "x"}}),
                            "expected data, got text \"x\" in value[2][\"u\"]");
  const std::string either = "expected a list: a status, and the value if it is OK, got a list of ";
  using Or = absl::StatusOr<int>;
  ExpectError<Or>(std::tuple<>(), either + "0");
  ExpectError<Or>(std::tuple(absl::OkStatus()), either + "1");
  ExpectError<Or>(std::tuple(absl::AbortedError(""), 5), either + "2");
  ExpectError<Or>(std::tuple(absl::AbortedError(""), 5, 5), either + "3");
}

TEST(ErrorTest, WhatCannotBeSent) {
  EXPECT_THROW(Pack<const char*>(nullptr), BadValue);
  EXPECT_THROW(PackValue([](ValueWriter out) { out.List(std::size_t{1} << 28); }), BadValue);
  EXPECT_THROW(PackValue([](ValueWriter out) { out.Map(std::size_t{1} << 40); }), BadValue);
}

}  // namespace
}  // namespace remoteobj
