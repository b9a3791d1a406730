// SPDX-License-Identifier: MIT
//
// The evaluator, given requests written by hand: those that no proxy would send, too.
#include "remoteobj/proxy/internal/evaluate.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/direct_call.h"
#include "remoteobj/transport/wire/internal/access.h"
#include "remoteobj/transport/wire/internal/heap_message.h"
#include "remoteobj/transport/wire/internal/messages.h"

namespace lab {

struct Part {
  int size = 1;
  Part& Same() { return *this; }
  bool operator==(const Part&) const = default;
};
REMOTEOBJ_DESCRIBE(Part, size, Same)

// Throws while it is encoded what no std::exception is.
struct Rude {};
struct Ruder {};

struct Machine {
  int count = 5;
  const int serial = 17;
  std::string name = "machine";
  std::map<std::string, int> data{{"a", 1}};
  std::vector<Part> parts{{1}, {2}};
  std::unique_ptr<Part> spare;
  Rude rude;
  int Add(int a, int b = 10) { return a + b; }
  void Nothing() {}
  Machine& Chain() {
    ++count;
    return *this;
  }
  Part& First() { return parts[0]; }
  Part Copy() const { return parts[0]; }
  void Throw() { throw std::out_of_range("thrown"); }
  void ThrowInt() { throw 42; }
  void ThrowRude() { throw Rude(); }
  std::string Long(std::size_t n) const { return std::string(n, 'x'); }
  Machine* Pointer() { return this; }
};

}  // namespace lab

template <>
struct remoteobj::Codec<lab::Rude> {
  static void Encode(const lab::Rude&, ValueWriter) { throw lab::Ruder(); }
  static lab::Rude Decode(const ValueReader&) { throw lab::Ruder(); }
};

namespace lab {
REMOTEOBJ_DESCRIBE(Machine, count, serial, name, data, parts, spare, rude, Add, Nothing, Chain,
                   First, Copy, Throw, ThrowInt, ThrowRude, Long)
}  // namespace lab

namespace remoteobj {
namespace {

using proxy_internal::Evaluate;
using proxy_internal::kMaxChains;
using proxy_internal::kMaxOperations;
using proxy_internal::MakeOperands;
using proxy_internal::TypeOf;
using testing::AllOf;
using testing::HasSubstr;
using Kind = OperationKind;

View Get(std::string name) { return View().GetAttribute(std::move(name)); }

// "5", "itself", or "std::out_of_range: what it says".
std::string AsText(const OutcomeReader& outcome) {
  switch (outcome.kind()) {
    case OutcomeKind::kValue:
      return outcome.Value().DebugString();
    case OutcomeKind::kItself:
      return "itself";
    case OutcomeKind::kError:
      return outcome.Error().type + ": " + outcome.Error().message;
    case OutcomeKind::kMany:
      break;
  }
  return absl::StrCat(outcome.size(), " outcomes");
}

class EvaluateTest : public testing::Test {
 protected:
  // Returns the outcome of a request, as text.
  std::string Outcome(std::size_t size, absl::FunctionRef<void(const OperationsWriter&)> write) {
    std::string text;
    CallDirectly([&](RequestWriter request) { write(request.Operations(size)); },
                 [&](const RequestReader& request, OutcomeWriter& outcome) {
                   Evaluate(&machine_, TypeOf<lab::Machine>(), request, outcome);
                 },
                 [&](const OutcomeReader& outcome) { text = AsText(outcome); });
    return text;
  }

  std::string Outcome(const View& view) {
    return Outcome(view.size(), [&](const OperationsWriter& out) { view.Write(out); });
  }

  // `view` is an error of that type, which says `words`; nothing has changed, and the next request
  // is evaluated.
  void CheckRefused(const View& view, std::string_view type, std::string_view words) {
    SCOPED_TRACE(view.ToString());
    CheckError(Outcome(view), type, words);
  }
  void CheckError(const std::string& outcome, std::string_view type, std::string_view words) {
    EXPECT_THAT(outcome, AllOf(testing::StartsWith(std::string(type) + ": "),
                               HasSubstr(std::string(words))));
    EXPECT_EQ(Outcome(Get("count")), "5");
    EXPECT_EQ(machine_.name, "machine");
    EXPECT_EQ(machine_.data, (std::map<std::string, int>{{"a", 1}}));
    EXPECT_EQ(machine_.parts, (std::vector<lab::Part>{{1}, {2}}));
    EXPECT_EQ(machine_.spare, nullptr);
  }

  lab::Machine machine_;
};

constexpr std::string_view kBadValue = "remoteobj::BadValue";
constexpr std::string_view kNotDescribed = "remoteobj::NotDescribed";

TEST_F(EvaluateTest, DoesEveryOperation) {
  const auto check = [&](const View& view, std::string_view expected) {
    EXPECT_EQ(Outcome(view), expected) << view;
  };
  check(View(), "itself");
  check(Get("count"), "5");
  check(View().SetAttribute("count", 6), "nothing");
  EXPECT_EQ(machine_.count, 6);
  check(Get("data").GetItem("a"), "1");
  check(Get("data").SetItem("b", 2), "nothing");
  check(Get("data").DeleteItem("a"), "nothing");
  check(Get("data").Contains("b"), "true");
  check(Get("data").Contains("a"), "false");
  check(Get("data").Length(), "1");
  check(Get("parts").GetItem(1).GetAttribute("size"), "2");
  check(Get("parts").Contains(lab::Part{2}), "true");
  check(Get("Add").Call(1), "11");
  check(Get("Add").Call(1, 2), "3");
  check(Get("Nothing").Call(), "nothing");
  check(Get("Chain").Call(), "itself");
  check(Get("Chain").Call().GetAttribute("Chain").Call().GetAttribute("count"), "9");
  check(Get("First").Call().GetAttribute("size"), "1");
  check(Get("First").Call().GetAttribute("Same").Call(), "itself");
  check(Get("Copy").Call().GetAttribute("size"), "1");
  check(Get("spare").Exists(), "false");
  check(Get("count").Exists(), "true");
  check(Get("Add").Exists(), "true");
  check(View().SetAttribute("spare", lab::Part{7}), "nothing");
  check(Get("spare").GetAttribute("size"), "7");
  check(Get("spare").SetAttribute("size", 8), "nothing");
  EXPECT_EQ(machine_.spare->size, 8);
  check(View().DeleteAttribute("spare"), "nothing");
  EXPECT_EQ(machine_.spare, nullptr);
}

TEST_F(EvaluateTest, RefusesWhatIsNotDescribed) {
  CheckRefused(Get("missing"), kNotDescribed, "lab::Machine has no described member missing");
  CheckRefused(Get("Pointer").Call(), kNotDescribed, "Pointer");
  CheckRefused(View().SetAttribute("missing", 1), kNotDescribed, "missing");
  CheckRefused(View().DeleteAttribute("missing"), kNotDescribed, "missing");
  CheckRefused(Get("count").GetAttribute("x"), kNotDescribed, "int has no described member x");
  CheckRefused(View().SetAttribute("serial", 1), kNotDescribed, "const");
  CheckRefused(View().SetAttribute("Add", 1), kNotDescribed, "method");
  CheckRefused(View().DeleteAttribute("Add"), kNotDescribed, "method");
  CheckRefused(View().DeleteAttribute("count"), kNotDescribed, "absent");
  CheckRefused(Get("count").Call(), kNotDescribed, "not a method");
  CheckRefused(View().Call(), kNotDescribed, "not a method");
  CheckRefused(Get("Add"), kNotDescribed, "can only be called");
  CheckRefused(Get("Add").GetAttribute("x"), kNotDescribed, "can only be called");
  CheckRefused(Get("Add").GetItem(1), kNotDescribed, "can only be called");
  CheckRefused(Get("Add").Length(), kNotDescribed, "can only be called");
  CheckRefused(Get("count").GetItem(1), kNotDescribed, "no items");
  CheckRefused(Get("count").SetItem(1, 1), kNotDescribed, "no items");
  CheckRefused(Get("count").DeleteItem(1), kNotDescribed, "no items");
  CheckRefused(Get("count").Contains(1), kNotDescribed, "no items");
  CheckRefused(Get("count").Length(), kNotDescribed, "no length");
  CheckRefused(View().GetItem(1), kNotDescribed, "no items");
  CheckRefused(View().Super("lab::Part"), kNotDescribed, "no described base lab::Part");
  CheckRefused(Get("count").Super("x"), kNotDescribed, "no described base");
}

TEST_F(EvaluateTest, RefusesWrongArguments) {
  CheckRefused(View().SetAttribute("count", "five"), kBadValue, "\"five\"");
  CheckRefused(View().SetAttribute("count", std::int64_t{1} << 40), kBadValue, "expected");
  CheckRefused(View().SetAttribute("count", 1.5), kBadValue, "1.5");
  CheckRefused(View().SetAttribute("name", 5), kBadValue, "5");
  CheckRefused(View().SetAttribute("data", std::vector<int>{1}), kBadValue, "expected");
  CheckRefused(View().SetAttribute("parts", 1), kBadValue, "expected");
  CheckRefused(Get("data").GetItem(1), kBadValue, "expected");
  CheckRefused(Get("data").SetItem("a", "one"), kBadValue, "\"one\"");
  CheckRefused(Get("data").SetItem(1, 2), kBadValue, "expected");
  CheckRefused(Get("data").DeleteItem(1), kBadValue, "expected");
  CheckRefused(Get("data").Contains(1), kBadValue, "expected");
  CheckRefused(Get("parts").GetItem("a"), kBadValue, "expected");
  CheckRefused(Get("parts").SetItem(0, 5), kBadValue, "expected");
  CheckRefused(Get("Add").Call(), kBadValue, "Add can't be called with 0 arguments");
  CheckRefused(Get("Add").Call(1, 2, 3), kBadValue, "at most 2");
  CheckRefused(Get("Add").Call("x", 1), kBadValue, "\"x\"");
  CheckRefused(Get("Add").Call(1, nullptr), kBadValue, "nothing");
  CheckRefused(Get("Nothing").Call(1), kBadValue, "at most 0");
  CheckRefused(Get("Long").Call(-1), kBadValue, "-1");
  CheckRefused(Get("spare").GetAttribute("size"), kBadValue, "empty");
  CheckRefused(Get("spare").SetAttribute("size", 1), kBadValue, "empty");
}

TEST_F(EvaluateTest, TellsOfItemsThatAreNotThere) {
  CheckRefused(Get("data").GetItem("x"), "std::out_of_range", "no item");
  CheckRefused(Get("data").DeleteItem("x"), "std::out_of_range", "no item");
  CheckRefused(Get("parts").GetItem(2), "std::out_of_range", "no item 2 in a sequence of 2");
  CheckRefused(Get("parts").GetItem(-1), "std::out_of_range", "no item -1");
  CheckRefused(Get("parts").GetItem(INT64_MAX), "std::out_of_range", "no item");
  CheckRefused(Get("parts").SetItem(2, lab::Part()), "std::out_of_range", "no item 2");
  CheckRefused(Get("parts").DeleteItem(2), "std::out_of_range", "no item 2");
}

TEST_F(EvaluateTest, TellsWhatTheObjectThrew) {
  CheckRefused(Get("Throw").Call(), "std::out_of_range", "thrown");
  CheckRefused(Get("ThrowInt").Call(), "int", "42");
  CheckRefused(Get("ThrowRude").Call(), "lab::Rude", "");
  CheckRefused(Get("rude"), "lab::Ruder", "");
  CheckRefused(View().SetAttribute("rude", 1), "lab::Ruder", "");
}

// Requests that no View would write.

struct Raw {
  Kind kind;
  std::string name = {};
  std::vector<std::function<void(ValueWriter)>> arguments = {};
  std::uint16_t hint = 0;
};

void Write(const std::vector<Raw>& operations, const OperationsWriter& out) {
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Raw& raw = operations[i];
    out.Set(i, raw.kind, raw.name, raw.hint);
    if (raw.arguments.empty()) continue;
    const ListWriter list = out.Arguments(i, raw.arguments.size());
    for (std::size_t j = 0; j < raw.arguments.size(); ++j) raw.arguments[j](list[j]);
  }
}

std::function<void(ValueWriter)> Int(std::int64_t value) {
  return [=](ValueWriter out) { out.Int(value); };
}

class RawTest : public EvaluateTest {
 protected:
  std::string Outcome(const std::vector<Raw>& operations) {
    return EvaluateTest::Outcome(operations.size(),
                                 [&](const OperationsWriter& out) { Write(operations, out); });
  }
  void CheckRefused(const std::vector<Raw>& operations, std::string_view type,
                    std::string_view words) {
    SCOPED_TRACE(testing::PrintToString(static_cast<int>(operations.back().kind)));
    CheckError(Outcome(operations), type, words);
  }
};

TEST_F(RawTest, RefusesUnknownOperations) {
  for (const int kind : {13, 14, 1000, 65535}) {
    CheckRefused({{static_cast<Kind>(kind)}}, kBadValue, "");
    CheckRefused({{Kind::kGetAttribute, "count"}, {static_cast<Kind>(kind)}}, kBadValue, "");
  }
}

TEST_F(RawTest, RefusesWrongNumbersOfArguments) {
  const Raw data{Kind::kGetAttribute, "data"};
  for (const Kind kind : {Kind::kGetItem, Kind::kDeleteItem, Kind::kContains}) {
    CheckRefused({data, {kind}}, kBadValue, "0 arguments, not 1");
    CheckRefused({data, {kind, "", {Int(1), Int(2)}}}, kBadValue, "2 arguments, not 1");
  }
  CheckRefused({data, {Kind::kSetItem}}, kBadValue, "0 arguments, not 2");
  CheckRefused({data, {Kind::kSetItem, "", {Int(1)}}}, kBadValue, "1 arguments, not 2");
  CheckRefused({{Kind::kSetAttribute, "count"}}, kBadValue, "0 arguments, not 1");
  CheckRefused({{Kind::kSetAttribute, "count", {Int(1), Int(2)}}}, kBadValue, "2 arguments, not 1");
}

TEST_F(RawTest, RefusesOperationsAfterTheEnd) {
  const Raw count{Kind::kGetAttribute, "count"};
  // Refused before anything has happened.
  CheckRefused({{Kind::kSetAttribute, "count", {Int(6)}}, count}, kBadValue, "after");
  CheckRefused({{Kind::kDeleteAttribute, "spare"}, count}, kBadValue, "after");
  const auto text = [](std::string value) { return [=](ValueWriter out) { out.Text(value); }; };
  const Raw data{Kind::kGetAttribute, "data"};
  CheckRefused({data, {Kind::kSetItem, "", {text("b"), Int(6)}}, count}, kBadValue, "after");
  CheckRefused({data, {Kind::kDeleteItem, "", {text("a")}}, count}, kBadValue, "after");
  CheckRefused({{Kind::kGetAttribute, "Nothing"}, {Kind::kCall}, count}, kBadValue, "after");
}

TEST_F(RawTest, RefusesFunctionsThatItDoesNotHave) {
  const auto uint = [](std::uint64_t value) { return [=](ValueWriter out) { out.UInt(value); }; };
  const auto data = [](std::size_t size) {
    return [=](ValueWriter out) { out.Data(std::vector<std::byte>(size)); };
  };
  using Function = int (*)(lab::Machine&);
  using Code = proxy_internal::Passed<Function, lab::Machine>;
  using OfPart = proxy_internal::Passed<int (*)(lab::Part&), lab::Part>;

  CheckRefused({{Kind::kPassTo}}, kBadValue, "without a function");
  CheckRefused({{Kind::kPassTo, "", {uint(1)}}}, kBadValue, "without a function");
  CheckRefused({{Kind::kPassTo, "", {uint(0), data(8)}}}, kBadValue, "does not have");
  CheckRefused({{Kind::kPassTo, "", {uint(12345), data(8)}}}, kBadValue, "does not have");
  CheckRefused({{Kind::kPassTo, "", {uint(UINT64_MAX), data(8)}}}, kBadValue, "does not have");
  CheckRefused({{Kind::kPassTo, "", {uint(Code::code + 1), data(8)}}}, kBadValue, "does not have");
  CheckRefused({{Kind::kPassTo, "", {data(8), data(8)}}}, kBadValue, "expected");
  CheckRefused({{Kind::kPassTo, "", {uint(Code::code), data(7)}}}, kBadValue, "captures");
  CheckRefused({{Kind::kPassTo, "", {uint(Code::code), data(9)}}}, kBadValue, "captures");
  CheckRefused({{Kind::kPassTo, "", {uint(Code::code), uint(8)}}}, kBadValue, "expected");
  CheckRefused({{Kind::kPassTo, "", {uint(Code::code), data(8), uint(8)}}}, kBadValue, "arguments");
  CheckRefused({{Kind::kPassTo, "", {uint(OfPart::code), data(8)}}}, kNotDescribed,
               "a function that takes lab::Part was passed lab::Machine");
  CheckRefused({{Kind::kGetAttribute, "Add"}, {Kind::kPassTo, "", {uint(Code::code), data(8)}}},
               kNotDescribed, "can only be called");
}

TEST_F(RawTest, HintsOnlySaveASearch) {
  for (const std::uint16_t hint : {0, 1, 2, 3, 16, 17, 18, 65535}) {
    EXPECT_EQ(Outcome({{Kind::kGetAttribute, "name", {}, hint}}), "text \"machine\"") << hint;
    CheckRefused({{Kind::kGetAttribute, "missing", {}, hint}}, kNotDescribed, "missing");
  }
  const Raw add{Kind::kGetAttribute, "Add"};
  EXPECT_EQ(Outcome({add, {Kind::kCall, "", {Int(1)}, 1}}), "11");
  CheckRefused({add, {Kind::kCall, "", {Int(1)}, 2}}, kBadValue, "");
  CheckRefused({add, {Kind::kCall, "", {Int(1)}, 65535}}, kBadValue, "");
}

TEST_F(RawTest, RefusesNamesThatAreNone) {
  CheckRefused({{Kind::kGetAttribute, ""}}, kNotDescribed, "no described member");
  CheckRefused({{Kind::kGetAttribute, std::string(1 << 20, 'x')}}, kNotDescribed, "xxx");
  CheckRefused({{Kind::kGetAttribute, std::string("count\0x", 7)}}, kNotDescribed, "count");
}

TEST_F(RawTest, RefusesAChainThatIsTooLong) {
  const auto chain = [](std::size_t calls) {
    std::vector<Raw> operations;
    for (std::size_t i = 0; i < calls; ++i) {
      operations.push_back({Kind::kGetAttribute, "First"});
      operations.push_back({Kind::kCall});
      if (i + 1 < calls) {  // First is of the machine: go on with what is of the part.
        operations[operations.size() - 2].name = i == 0 ? "First" : "Same";
      } else {
        operations[operations.size() - 2].name = "Same";
      }
    }
    return operations;
  };
  EXPECT_EQ(Outcome(chain(kMaxOperations / 2)), "itself");
  CheckRefused(chain(kMaxOperations / 2 + 1), kBadValue, "a chain of 1002 operations");
  CheckRefused(chain(5000), kBadValue, "a chain of 10000 operations");
}

// Each chain as text; what a chain of no operations gives is the object.
TEST_F(RawTest, EvaluatesEachChainOfABatch) {
  const auto outcomes = [&](const std::vector<Raw>& operations) {
    std::vector<std::string> all;
    CallDirectly(
        [&](RequestWriter request) { Write(operations, request.Operations(operations.size())); },
        [&](const RequestReader& request, OutcomeWriter& outcome) {
          Evaluate(&machine_, TypeOf<lab::Machine>(), request, outcome);
        },
        [&](const OutcomeReader& outcome) {
          if (outcome.kind() == OutcomeKind::kError) return all.push_back(outcome.Error().message);
          ASSERT_EQ(outcome.kind(), OutcomeKind::kMany);
          outcome.Each(outcome.size(), [&](std::size_t i, const OutcomeReader& one) {
            EXPECT_EQ(i, all.size());
            all.push_back(AsText(one));
          });
          EXPECT_THROW(outcome.Each(outcome.size() + 1, [](std::size_t, const OutcomeReader&) {}),
                       BadValue);
        });
    return all;
  };
  const std::string missing = "remoteobj::NotDescribed: lab::Machine has no described member cuont";
  EXPECT_THAT(outcomes({{Kind::kGetAttribute, "count"},
                        {Kind::kNext},
                        {Kind::kGetAttribute, "cuont"},
                        {Kind::kNext},
                        {Kind::kSetAttribute, "count", {Int(7)}},
                        {Kind::kNext},
                        {Kind::kNext},
                        {Kind::kGetAttribute, "count"},
                        {Kind::kNext}}),
              testing::ElementsAre("5", missing, "nothing", "itself", "7", "itself"));
  // A chain ends where the next begins: what sets is its last, and long ones are refused alone.
  std::vector<Raw> long_chain = {{Kind::kGetAttribute, "count"}, {Kind::kNext}};
  for (std::size_t i = 0; i <= kMaxOperations; ++i) long_chain.push_back({Kind::kExists});
  long_chain.push_back({Kind::kNext});
  long_chain.push_back({Kind::kGetAttribute, "count"});
  EXPECT_THAT(outcomes(long_chain),
              testing::ElementsAre("7", testing::HasSubstr("a chain of 1001 operations"), "7"));
  EXPECT_THAT(outcomes({{Kind::kNext}, {static_cast<Kind>(99)}}),
              testing::ElementsAre("itself", testing::HasSubstr("unknown kind 99")));
}

TEST_F(RawTest, RefusesABatchThatIsTooLarge) {
  EXPECT_EQ(Outcome(std::vector<Raw>(kMaxChains - 1, {Kind::kNext})), "1048576 outcomes");
  CheckRefused(std::vector<Raw>(kMaxChains, {Kind::kNext}), kBadValue, "at most 1048576");
}

// An error takes the place of a value that could not be written to its end, and of no other.
TEST_F(RawTest, AnOutcomeOfABatchIsReplacedAlone) {
  transport_internal::HeapMessage message;
  OutcomeWriter outcome = transport_internal::Access::Outcome(message);
  const OutcomesWriter outcomes = outcome.Many(3);
  outcomes[0].Value().Text("first");
  OutcomeWriter second = outcomes[1];
  second.Value().Text(std::string(1000, 'x'));
  second.Error({.type = "E", .message = "not to its end"});
  OutcomeWriter third = outcomes[2];
  third.Value().Text("third");
  third.Itself();
  EXPECT_LT(message.used(), 100u);
  transport_internal::In in = message.Read();
  std::vector<std::string> all;
  transport_internal::OutcomeIn(in).Each(
      3, [&](std::size_t, const OutcomeReader& one) { all.push_back(AsText(one)); });
  EXPECT_THAT(all, testing::ElementsAre("text \"first\"", "E: not to its end", "itself"));
}

TEST_F(RawTest, RefusesValuesThatAreTooDeep) {
  const auto deep = [](int depth) {
    return [=](ValueWriter out) {
      std::vector<ListWriter> lists;  // Each writer refers to the one before.
      const std::function<void(ValueWriter, int)> nest = [&](ValueWriter at, int left) {
        if (left == 0) return at.Int(1);
        nest(at.List(1)[0], left - 1);
      };
      nest(out, depth);
    };
  };
  CheckRefused({{Kind::kSetAttribute, "count", {deep(50)}}}, kBadValue, "expected");
  EXPECT_THROW(Outcome({{Kind::kSetAttribute, "count", {deep(10000)}}}), BadValue)
      << "it can't even be written";
  EXPECT_EQ(machine_.count, 5);
}

TEST_F(EvaluateTest, GoesOnAfterALargeError) {
  EXPECT_EQ(Outcome(Get("Long").Call(3)), "text \"xxx\"");
  CheckRefused(Get(std::string(10 << 20, 'n')), kNotDescribed, "nnn");
}

}  // namespace
}  // namespace remoteobj
