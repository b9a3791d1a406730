// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/view.h"

#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/direct_call.h"

namespace remoteobj {
namespace {

using testing::HasSubstr;

View Member(std::string name) { return View().GetAttribute(std::move(name)); }

// The operations of `view` as they travel, as text.
std::vector<std::string> Written(const View& view) {
  std::vector<std::string> operations;
  CallDirectly([&](RequestWriter request) { view.Write(request.Operations(view.size())); },
               [&](const RequestReader& request, OutcomeWriter&) {
                 for (std::size_t i = 0; i < request.size(); ++i) {
                   std::string text = std::to_string(static_cast<int>(request[i].kind())) + " ";
                   text += request[i].name();
                   const ListReader arguments = request[i].Arguments();
                   for (std::size_t j = 0; j < arguments.size(); ++j) {
                     text += " " + arguments[j].DebugString();
                   }
                   operations.push_back(text);
                 }
               },
               [](const OutcomeReader&) {});
  return operations;
}

TEST(ViewTest, PrintsEveryOperation) {
  const auto check = [](const View& view, std::string_view expected) {
    EXPECT_EQ(view.ToString(), expected);
    std::ostringstream out;
    out << view;
    EXPECT_EQ(out.str(), expected);
  };
  check(View(), "(?)");
  check(Member("count"), "(?.count)");
  check(View().SetAttribute("count", 5), "(?.count = 5)");
  check(View().DeleteAttribute("nickname"), "(del ?.nickname)");
  check(Member("data").GetItem("a"), "(?.data[\"a\"])");
  check(Member("another").GetItem(3), "(?.another[3])");
  check(Member("data").SetItem("b", 8), "(?.data[\"b\"] = 8)");
  check(Member("data").DeleteItem("a"), "(del ?.data[\"a\"])");
  check(Member("Toggle").Call(), "(?.Toggle())");
  check(Member("Toggle").Call(true), "(?.Toggle(true))");
  check(Member("Join").Call(1, "two", 3.5), "(?.Join(1, \"two\", 3.5))");
  check(Member("data").Contains("a"), "(\"a\" in ?.data)");
  check(Member("data").Length(), "(len(?.data))");
  check(View().Super("app::Base"), "(super<app::Base>(?))");
  check(View().Super("app::Base").GetAttribute("Override").Call(),
        "(super<app::Base>(?).Override())");
  check(Member("nickname").Exists(), "(exists(?.nickname))");
  check(View().Extend({.kind = OperationKind::kPassTo, .name = "PassTo"}), "(PassTo(?))");
  check(View().Extend({.kind = OperationKind::kPassTo,
                       .name = "PassTo",
                       .operands = proxy_internal::MakeOperands(3, std::string("x"))}),
        "(PassTo(?, 3, \"x\"))");
  check(Member("Chain").Call().GetAttribute("Chain").Call().GetAttribute("count"),
        "(?.Chain().Chain().count)");
}

TEST(ViewTest, PrintsArgumentsOfAllKinds) {
  const auto check = [](const View& view, std::string_view expected) {
    EXPECT_THAT(view.ToString(), HasSubstr(std::string(expected)));
  };
  check(Member("F").Call(nullptr), "(?.F(nothing))");
  check(Member("F").Call(-1, 18446744073709551615u), "(?.F(-1, 18446744073709551615))");
  check(Member("F").Call(std::string("with \"quotes\" and \n")), "with \\\"quotes\\\" and \\n");
  check(Member("F").Call(std::string_view("seen")), "\"seen\"");
  check(Member("F").Call(std::vector<std::string>{"a", "b"}), "(?.F(a list of 2))");
  check(Member("F").Call(std::map<std::string, int>{{"k", 1}}), "(?.F(a map of 1))");
  check(Member("F").Call(std::optional<int>()), "(?.F(nothing))");
}

TEST(ViewTest, IsImmutable) {
  const View data = Member("data");
  const View item = data.GetItem("a");
  const View other = data.GetItem("b");
  data.SetItem("a", 1);
  data.DeleteItem("a");
  data.Length();
  EXPECT_EQ(data.ToString(), "(?.data)");
  EXPECT_EQ(data.size(), 1u);
  EXPECT_EQ(item.ToString(), "(?.data[\"a\"])");
  EXPECT_EQ(other.ToString(), "(?.data[\"b\"])");
  View copy = item;
  copy = copy.GetAttribute("x");
  EXPECT_EQ(item.ToString(), "(?.data[\"a\"])") << "a copy's operations are its own";
}

TEST(ViewTest, OutlivesWhatItWasMadeOf) {
  View view;
  {
    std::string name = "a name that is too long to lie in the string itself";
    std::vector<std::string> argument{"one", "two"};
    View parent = View().GetAttribute(name);
    view = parent.Call(argument, std::string_view(argument[0]));
    name.assign(name.size(), 'x');
    argument.clear();
  }
  const std::string text = view.ToString();
  EXPECT_THAT(text, HasSubstr("(?.a name that is too long to lie in the string itself("));
  EXPECT_EQ(Written(view)[1], "6  a list of 2 text \"one\"");
  EXPECT_THAT(text, HasSubstr(", \"one\""));
}

TEST(ViewTest, EndsWhenItSetsOrDeletes) {
  for (const View& end : {View().SetAttribute("a", 1), View().DeleteAttribute("a"),
                          View().SetItem(1, 2), View().DeleteItem(1)}) {
    SCOPED_TRACE(end.ToString());
    EXPECT_THROW(end.GetAttribute("b"), std::logic_error);
    EXPECT_THROW(end.SetAttribute("b", 1), std::logic_error);
    EXPECT_THROW(end.DeleteAttribute("b"), std::logic_error);
    EXPECT_THROW(end.GetItem(1), std::logic_error);
    EXPECT_THROW(end.SetItem(1, 2), std::logic_error);
    EXPECT_THROW(end.DeleteItem(1), std::logic_error);
    EXPECT_THROW(end.Call(), std::logic_error);
    EXPECT_THROW(end.Contains(1), std::logic_error);
    EXPECT_THROW(end.Length(), std::logic_error);
    EXPECT_THROW(end.Super("B"), std::logic_error);
    EXPECT_THROW(end.Exists(), std::logic_error);
    EXPECT_THROW(end.Attributes("b.c"), std::logic_error);
    EXPECT_EQ(end.Attributes("").size(), end.size());
  }
  try {
    View().SetAttribute("a", 1).GetAttribute("b");
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("(?.a = 1)"));
  }
}

TEST(ViewTest, FollowsAPath) {
  const auto check = [](std::string_view path, std::string_view expected) {
    EXPECT_EQ(View().Attributes(path).ToString(), expected) << path;
  };
  check("", "(?)");
  check("a", "(?.a)");
  check("a.b", "(?.a.b)");
  check("a.b.c", "(?.a.b.c)");
  EXPECT_EQ(Member("x").Attributes("a.b").ToString(), "(?.x.a.b)");
  for (const char* bad : {".", "a.", ".a", "a..b"}) {
    EXPECT_THROW(View().Attributes(bad), std::invalid_argument) << bad;
  }
}

TEST(ViewTest, WritesItsOperations) {
  const View view = Member("data").GetItem("a").GetAttribute("F").Call(1, true);
  EXPECT_EQ(view.size(), 4u);
  EXPECT_THAT(Written(view), testing::ElementsAre("0 data", "3  text \"a\"", "0 F", "6  1 true"));
  EXPECT_THAT(Written(View()), testing::IsEmpty());
}

}  // namespace
}  // namespace remoteobj
