// SPDX-License-Identifier: MIT
#include "remoteobj/manager/namespace.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "remoteobj/manager/list.h"
#include "remoteobj/manager/server/types/data_types.h"
#include "remoteobj/manager/tests/in_process_manager.h"
#include "remoteobj/manager/tests/test_helpers.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/wire/any_value.h"
#include "remoteobj/transport/wire/references.h"

namespace remoteobj {
namespace {

using manager_internal::AddDataTypes;
using manager_internal::ExpectThrows;
using manager_internal::InProcessManager;

class NamespaceTest : public testing::Test {
 protected:
  InProcessManager manager_{AddDataTypes};
};

TEST_F(NamespaceTest, HasAttributesOfAnyTypes) {
  const auto ns = manager_.Make<Namespace>();
  EXPECT_EQ(ns->to_string(), "Namespace()");
  ns.Set("x", 10);
  ns.Set("name", "left");
  ns.Set("v", std::vector<int>{1, 2});
  EXPECT_EQ(ns.Get<int>("x"), 10);
  EXPECT_EQ(ns.Get<std::int64_t>("x"), 10);
  EXPECT_EQ(ns.Get<std::string>("name"), "left");
  EXPECT_EQ(ns.Get<std::vector<int>>("v").size(), 2u);
  EXPECT_EQ(ns.Names(), (std::vector<std::string>{"name", "v", "x"}));
  EXPECT_EQ(ns->to_string(), R"(Namespace(name="left", v=[1, 2], x=10))");
  ns.Set("x", 0.5);  // Of another type than before.
  EXPECT_EQ(ns.Get<double>("x"), 0.5);
  ns.Delete("x");
  EXPECT_FALSE(ns.Has("x"));
  EXPECT_TRUE(ns.Has("v"));
}

TEST_F(NamespaceTest, ErrorsNameTheAttribute) {
  const auto ns = manager_.Make<Namespace>({{"x", AnyValue::Of(10)}, {"y", AnyValue::Of("a")}});
  ExpectThrows<std::out_of_range>([&] { ns.Get<int>("z"); }, "no attribute \"z\"");
  ExpectThrows<std::out_of_range>([&] { ns.Delete("z"); }, "no attribute \"z\"");
  ExpectThrows<BadValue>([&] { ns.Get<int>("y"); },
                         "attribute \"y\": (Namespace.at(\"y\")): expected an integer");
  ExpectThrows<BadValue>([&] { ns.Get<std::string>("x"); },
                         "attribute \"x\": (Namespace.at(\"x\")): expected text");
  for (const char* name : {"", "_x", "__class__"}) {
    ExpectThrows<std::invalid_argument>([&] { ns.Set(name, 1); },
                                        "can't be called \"" + std::string(name) + "\"");
  }
  EXPECT_EQ(ns.Names().size(), 2u);
}

TEST_F(NamespaceTest, HasOtherObjects) {
  {
    const auto ns = manager_.Make<Namespace>();
    ns.Set("list", manager_.Make<List<int>>({1}));
    ns.Set("self", ns);
    ns.Get<List<int>>("list")->push_back(2);
    EXPECT_EQ(ns.Get<List<int>>("list")->size(), 2u);
    EXPECT_EQ(ns.Get<Namespace>("self"), ns);
    ExpectThrows<BadValue>([&] { ns.Get<List<double>>("list"); }, "got one of List<int>");
    EXPECT_EQ(manager_.object_count(), 2u);
    ns.Delete("self");  // It would keep itself.
  }
  EXPECT_EQ(manager_.object_count(), 0u);
}

TEST_F(NamespaceTest, TellsTypesApart) {
  const auto ns = manager_.Make<Namespace>();
  ExpectThrows<BadValue>([&] { List<int>(Reference{ns.referent()}); },
                         "expected a proxy of List<int>, got one of Namespace");
  EXPECT_EQ(ns, Namespace(Reference{ns.referent()}));
  EXPECT_NE(ns, manager_.Make<Namespace>());
}

}  // namespace
}  // namespace remoteobj
