// SPDX-License-Identifier: MIT
//
// The description of a class: at compile time as Attributes, at run time as a TypeInfo.
#include "remoteobj/proxy/describe.h"

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/proxy/here_testing.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/transport/wire/packed.h"

namespace lab {

struct Root {
  int root = 1;
  int Same() { return 1; }
};
REMOTEOBJ_DESCRIBE(Root, root, Same)

struct Left : Root {
  int left = 2;
  std::string name = "left";
};
REMOTEOBJ_DESCRIBE_DERIVED(Left, (Root), left, name)

struct Right {
  int right = 3;
  double weight = 1.5;
  Right& Touch() {
    ++right;
    return *this;
  }
};
REMOTEOBJ_DESCRIBE(Right, right, weight, Touch)

struct Both : Left, Right {
  int both = 4;
  int Same() { return 2; }
  Both& Self() { return *this; }
};
REMOTEOBJ_DESCRIBE_DERIVED(Both, (Left, Right), both, Same, Self)

// A method that is described in a base only, and overridden in between.
struct Voice {
  virtual ~Voice() = default;
  virtual std::string Say() { return "?"; }
  virtual Voice& Louder() {
    ++volume;
    return *this;
  }
  std::string Name() { return "voice"; }
  int volume = 0;
};
REMOTEOBJ_DESCRIBE(Voice, Say, Louder, Name, volume)

struct Animal : virtual Voice {
  std::string Say() override { return "animal"; }
  std::string Name(int) { return "hides the base's"; }
  int legs = 4;
};
REMOTEOBJ_DESCRIBE_DERIVED(Animal, (Voice), legs)

struct Dog : Animal {
  std::string Say() override { return "dog"; }
  int tails = 1;
};
REMOTEOBJ_DESCRIBE_DERIVED(Dog, (Animal), tails)

struct Frozen {
  const int id = 0;
  const std::string name = "unnamed";
  int open = 0;
  const std::vector<std::string> parts = {};
};
REMOTEOBJ_DESCRIBE(Frozen, id, name, open, parts)

// The base that both sides have is described on one of them only.
struct VirtualLeft : virtual Root {
  int left = 5;
};
REMOTEOBJ_DESCRIBE_DERIVED(VirtualLeft, (Root), left)
struct VirtualRight : virtual Root {
  int right = 6;
};
REMOTEOBJ_DESCRIBE(VirtualRight, right)
struct Diamond : VirtualLeft, VirtualRight {};
REMOTEOBJ_DESCRIBE_DERIVED(Diamond, (VirtualLeft, VirtualRight))

struct Shape {
  virtual ~Shape() = default;
  virtual double Area() const = 0;
  virtual std::string Name() const { return "shape"; }
  int sides = 0;
};
REMOTEOBJ_DESCRIBE(Shape, Area, Name, sides)

struct Square : Shape {
  double Area() const override { return side * side; }
  std::string Name() const override { return "square"; }
  double side = 2;
};
REMOTEOBJ_DESCRIBE_DERIVED(Square, (Shape), Area, Name, side)

class Kinds {
 public:
  static int Twice(int x) { return 2 * x; }
  int Quiet() noexcept { return 1; }
  int Const() const { return 2; }
  int ConstQuiet() const noexcept { return 3; }
  int OnLvalue() & { return 4; }
  int OnConstLvalue() const& noexcept { return 5; }
  int Add(int a, int b) { return a + b; }
  std::string Add(const std::string& a, const std::string& b) { return a + b; }
  int Add(int a) const { return a; }
  int Defaults(int a, int b = 10, std::string c = "c") {
    return a + b + static_cast<int>(c.size());
  }
  std::unique_ptr<int> Sink(std::unique_ptr<int> p) { return p; }
  const std::string& Name() const { return name_; }
  std::string& MutableName() { return name_; }
  std::vector<int>&& Moved() { return std::move(moved_); }
  void Pointer(int* p) { *p = 1; }
  void Nothing() {}

  const int constant = 9;
  std::atomic<int> ticks{3};

 private:
  REMOTEOBJ_FRIEND(Kinds)
  int Private() { return 6; }
  std::string name_ = "private";
  std::vector<int> moved_{1, 2};
};
REMOTEOBJ_DESCRIBE(Kinds, Twice, Quiet, Const, ConstQuiet, OnLvalue, OnConstLvalue,
                   (Add, int(int, int), std::string(const std::string&, const std::string&),
                    int(int) const),
                   Defaults, Sink, Name, MutableName, Moved, Pointer, Nothing, constant, ticks,
                   Private, name_)

template <typename T>
struct Box {
  T content{};
  T Take() { return std::exchange(content, T{}); }
  bool operator==(const Box&) const = default;
};
REMOTEOBJ_DESCRIBE_TEMPLATE((typename T), (Box<T>), content, Take)

struct Node {
  int value = 0;
  std::vector<Node> children;
  std::map<std::string, Node> named;
  Node& AddChild(int v) {
    children.push_back({v, {}, {}});
    return *this;
  }
  Node First() const { return children.at(0); }
  bool operator==(const Node& other) const {
    return value == other.value && children == other.children && named == other.named;
  }
};
REMOTEOBJ_DESCRIBE(Node, value, children, named, AddChild, First)

struct Tree {
  int value = 0;
  std::unique_ptr<Tree> left, right;
};
REMOTEOBJ_DESCRIBE(Tree, value, left, right)

}  // namespace lab

// In no namespace, with names that ours could collide with.
struct Collides {
  int Get = 1, view = 2, session = 3, node = 4, prefix = 5, last = 6, Index = 7, remoteobj = 8;
  int timeout = 9, name = 10, member = 11, head = 12, type = 13;
};
REMOTEOBJ_DESCRIBE(Collides, Get, view, session, node, prefix, last, Index, remoteobj, timeout,
                   name, member, head, type)

namespace remoteobj {
namespace {

using proxy_internal::Arrow;
using proxy_internal::FindMember;
using proxy_internal::MemberInfo;
using proxy_internal::Node;
using proxy_internal::TypeInfo;
using proxy_internal::TypeOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Names(const TypeInfo& type) {
  std::vector<std::string> names;
  for (const MemberInfo& member : type.members()) names.emplace_back(member.name);
  return names;
}

TEST(DescribeTest, NamesTheMembersInTheirOrder) {
  EXPECT_THAT(Names(TypeOf<lab::Both>()), ElementsAre("both", "Same", "Self"));
  EXPECT_EQ(TypeOf<lab::Both>().name(), "lab::Both");
  EXPECT_EQ(TypeOf<lab::Box<int>>().name(), "lab::Box<int>");
  EXPECT_EQ(TypeOf<std::string>().name(), "std::string");
}

TEST(DescribeTest, TellsDataFromMethods) {
  for (const MemberInfo& member : TypeOf<lab::Kinds>().members()) {
    const bool data = member.name == "constant" || member.name == "ticks" || member.name == "name_";
    EXPECT_EQ(member.type != nullptr, data) << member.name;
    EXPECT_EQ(member.address != nullptr, data) << member.name;
    EXPECT_EQ(member.invoke != nullptr, !data) << member.name;
    EXPECT_EQ(member.read_only, member.name == "constant") << member.name;
  }
}

TEST(DescribeTest, FindsTheMembersOfBases) {
  lab::Both both;
  const auto check = [&](std::string_view name, const void* part, const TypeInfo& part_type) {
    void* object = &both;
    const TypeInfo* type = &TypeOf<lab::Both>();
    const MemberInfo* member = FindMember(type, name, 0, object);
    ASSERT_NE(member, nullptr) << name;
    EXPECT_EQ(object, part) << name;
    EXPECT_EQ(type, &part_type) << name;
  };
  check("both", &both, TypeOf<lab::Both>());
  check("left", static_cast<lab::Left*>(&both), TypeOf<lab::Left>());
  check("root", static_cast<lab::Root*>(&both), TypeOf<lab::Root>());
  check("right", static_cast<lab::Right*>(&both), TypeOf<lab::Right>());
  check("Same", &both, TypeOf<lab::Both>());
  void* object = &both;
  const TypeInfo* type = &TypeOf<lab::Both>();
  EXPECT_EQ(FindMember(type, "missing", 0, object), nullptr);
  EXPECT_EQ(object, &both);
}

TEST(DescribeTest, EveryAttributeLiesAtItsArrow) {
  struct Open : Arrow<lab::Both> {
    using Arrow::Arrow;
    const Node* node() const { return this; }
  };
  const Open both(Node{nullptr, View()});
  EXPECT_EQ(static_cast<const void*>(both.node()), &both);
  EXPECT_AT_ARROW(both, both);
  EXPECT_AT_ARROW(both, Same);
  EXPECT_AT_ARROW(both, Self);
  EXPECT_AT_ARROW(both, left);
  EXPECT_AT_ARROW(both, name);
  EXPECT_AT_ARROW(both, root);
  EXPECT_AT_ARROW(both, right);
  EXPECT_AT_ARROW(both, weight);
  EXPECT_AT_ARROW(both, Touch);
  const Arrow<lab::Diamond> diamond(Node{nullptr, View()});
  EXPECT_AT_ARROW(diamond, left);
  EXPECT_AT_ARROW(diamond, root);
  EXPECT_AT_ARROW(diamond, right);
  const Arrow<lab::Node> node(Node{nullptr, View()});
  EXPECT_AT_ARROW(node, children);
  EXPECT_AT_ARROW(node, First);
  const Arrow<std::map<std::string, int>> map(Node{nullptr, View()});
  EXPECT_AT_ARROW(map, size);
  EXPECT_AT_ARROW(map, insert_or_assign);
  const Arrow<Collides> collides(Node{nullptr, View()});
  EXPECT_AT_ARROW(collides, node);
  EXPECT_AT_ARROW(collides, view);
}

TEST(DescribeTest, ReachesMembersThroughTwoBases) {
  Here<lab::Both> both;
  const auto& remote = both.remote;
  EXPECT_EQ(*remote->both, 4);
  EXPECT_EQ(*remote->left, 2);
  EXPECT_EQ(*remote->root, 1);
  EXPECT_EQ(*remote->right, 3);
  EXPECT_EQ(*remote->weight, 1.5);
  remote->right = 30;
  EXPECT_EQ(both.object.right, 30);
  EXPECT_EQ(remote->Same(), 2);
  EXPECT_EQ(remote.Super<lab::Left>()->Same(), 1);
  EXPECT_EQ(remote.Super<lab::Root>()->Same(), 1) << "a base's base";
  EXPECT_EQ(*remote.Super<lab::Right>()->right, 30);
}

TEST(DescribeTest, SuperCallsTheOverrideInBetween) {
  Here<lab::Dog> dog;
  const auto& remote = dog.remote;
  EXPECT_EQ(remote->Say(), "dog");
  EXPECT_EQ(remote.Super<lab::Animal>()->Say(), "animal");
  EXPECT_EQ(remote.Super<lab::Voice>()->Say(), "?");
  EXPECT_EQ(remote.Super<lab::Animal>()->Name(), "voice") << "which Animal hides";
  EXPECT_EQ(remote.Super<lab::Animal>()->Louder()->Say(), "animal");
  EXPECT_EQ(remote.Super<lab::Animal>()->Louder.Lazy()->Say(), "animal") << "in one request";
  EXPECT_EQ(dog.object.volume, 2);
}

TEST(DescribeTest, AMethodOfABaseGivesTheObjectBack) {
  Here<lab::Both> both;
  EXPECT_EQ(*both.remote->Touch()->right, 4);
  EXPECT_EQ(*both.remote->Touch()->Touch()->right, 6);
  EXPECT_EQ(*both.remote->Self()->both, 4);
}

TEST(DescribeTest, ReachesAVirtualBase) {
  Here<lab::Diamond> diamond;
  diamond.remote->root = 7;
  diamond.remote->right = 8;
  EXPECT_EQ(diamond.object.root, 7);
  EXPECT_EQ(diamond.object.right, 8);
}

TEST(DescribeTest, ReachesAnAbstractBase) {
  Here<lab::Square> square;
  EXPECT_EQ(square.remote->Area(), 4);
  EXPECT_EQ(*square.remote->sides, 0);
  lab::Shape& shape = square.object;
  Proxy<lab::Shape> remote(shape);
  auto listening = remote.Listen();
  EXPECT_EQ(remote->Area(), 4);
  EXPECT_EQ(remote->Name(), "square");
}

TEST(DescribeTest, CallsMethodsOfAllKinds) {
  Here<lab::Kinds> kinds;
  const auto& remote = kinds.remote;
  EXPECT_EQ(remote->Twice(4), 8);
  EXPECT_EQ(remote->Quiet(), 1);
  EXPECT_EQ(remote->Const(), 2);
  EXPECT_EQ(remote->ConstQuiet(), 3);
  EXPECT_EQ(remote->OnLvalue(), 4);
  EXPECT_EQ(remote->OnConstLvalue(), 5);
  EXPECT_EQ(remote->Private(), 6);
  EXPECT_EQ(remote->Add(1, 2), 3);
  EXPECT_EQ(remote->Add("1", "2"), "12");
  EXPECT_EQ(remote->Add(7), 7);
  EXPECT_EQ(remote->Defaults(1), 12);
  EXPECT_EQ(remote->Defaults(1, 2), 4);
  EXPECT_EQ(remote->Defaults(1, 2, "four"), 7);
  EXPECT_EQ(*remote->Sink(std::make_unique<int>(5)), 5);
  EXPECT_EQ(remote->Sink(nullptr), nullptr);
  EXPECT_EQ(remote->Name(), "private");
  EXPECT_EQ(remote->MutableName(), "private");
  EXPECT_THAT(remote->Moved(), ElementsAre(1, 2));
  EXPECT_THROW(remote.Attrs("Pointer").Call<int>(1), BadValue);
  EXPECT_THROW(remote.Attrs("Pointer").Call<int>(), BadValue);
  remote->Nothing();
  EXPECT_EQ(*remote->ticks, 3);
  EXPECT_EQ(*remote->constant, 9);
  EXPECT_EQ(*remote->name_, "private");
}

TEST(DescribeTest, DescribesTemplates) {
  Here<lab::Box<std::vector<std::string>>> box;
  box.remote->content->push_back("x");
  EXPECT_THAT(box.remote->Take(), ElementsAre("x"));
  Here<lab::Box<lab::Box<int>>> nested;
  nested.remote->content->content = 4;
  EXPECT_EQ(nested.object.content.content, 4);
}

TEST(DescribeTest, NamesOfOursDoNotCollideWithAUsers) {
  Here<Collides> collides;
  const auto& remote = collides.remote;
  EXPECT_EQ(*remote->Get, 1);
  EXPECT_EQ(*remote->view, 2);
  EXPECT_EQ(*remote->session, 3);
  EXPECT_EQ(*remote->node, 4);
  EXPECT_EQ(*remote->prefix, 5);
  EXPECT_EQ(*remote->last, 6);
  EXPECT_EQ(*remote->Index, 7);
  EXPECT_EQ(*remote->remoteobj, 8);
  EXPECT_EQ(*remote->timeout, 9);
  EXPECT_EQ(*remote->type, 13);
}

// By value.

template <typename T>
void CheckByValue(const T& value) {
  EXPECT_EQ(Unpack<T>(Pack(value)), value);
}

TEST(DescribeTest, TravelsByValue) {
  lab::Both both;
  both.root = 10;
  both.left = 20;
  both.right = 30;
  both.both = 40;
  both.name = "name";
  const auto copy = Unpack<lab::Both>(Pack(both));
  EXPECT_EQ(copy.root, 10);
  EXPECT_EQ(copy.left, 20);
  EXPECT_EQ(copy.right, 30);
  EXPECT_EQ(copy.both, 40);
  EXPECT_EQ(copy.name, "name");
  CheckByValue(lab::Box<lab::Box<int>>{{4}});
  CheckByValue(lab::Box<std::map<int, lab::Box<std::string>>>{{{1, {"one"}}}});
}

TEST(DescribeTest, ConstMembersTravelByValue) {
  const lab::Frozen sent{77, std::string(100, 'x'), 3, {"a", "b"}};
  const auto received = Unpack<lab::Frozen>(Pack(sent));
  EXPECT_EQ(received.id, 77);
  EXPECT_EQ(received.name, sent.name);
  EXPECT_EQ(received.open, 3);
  EXPECT_EQ(received.parts, sent.parts);
}

TEST(DescribeTest, RecursiveTypesTravelByValue) {
  lab::Node node{1, {{2, {{3, {}, {}}}, {}}, {4, {}, {}}}, {{"five", {5, {}, {}}}}};
  CheckByValue(node);
  lab::Tree tree{1, std::make_unique<lab::Tree>(), nullptr};
  tree.left->value = 2;
  const auto copy = Unpack<lab::Tree>(Pack(tree));
  EXPECT_EQ(copy.left->value, 2);
  EXPECT_EQ(copy.right, nullptr);

  Here<lab::Node> here;
  here.remote->AddChild(2)->AddChild(3);
  here.remote->children[0]->children->push_back(lab::Node{9, {}, {}});
  EXPECT_EQ(*here.remote->children[0]->children[0]->value, 9);
  EXPECT_EQ(here.remote->First(), here.object.children[0]);
  EXPECT_EQ(*here.remote->children, here.object.children);
  here.remote->named["x"] = lab::Node{7, {}, {}};
  EXPECT_EQ(*here.remote->named["x"]->value, 7);
}

TEST(DescribeTest, NewerAndOlderSendersAreUnderstood) {
  const std::string bytes = PackValue([](ValueWriter out) {
    const RecordWriter record = out.Record("lab::Right", 3);
    record.Field(0, "added_later").Text("ignored");
    record.Field(1, "weight").Float(2.5);
    record.Field(2, "right").Int(7);
  });
  const auto right = Unpack<lab::Right>(bytes);
  EXPECT_EQ(right.right, 7);
  EXPECT_EQ(right.weight, 2.5);
  const std::string lacking =
      PackValue([](ValueWriter out) { out.Record("lab::Right", 1).Field(0, "weight").Float(2.5); });
  try {
    Unpack<lab::Right>(lacking);
    FAIL();
  } catch (const BadValue& e) {
    EXPECT_THAT(e.what(), HasSubstr("right"));
  }
}

}  // namespace
}  // namespace remoteobj
