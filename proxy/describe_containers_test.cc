// SPDX-License-Identifier: MIT
//
// Members that are containers and pointers, of what can travel and of what can't.
#include <array>
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
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/here_testing.h"

namespace lab {

// Can be neither copied nor moved, nor made without a name: it can only be walked into.
class Camera {
 public:
  explicit Camera(std::string name) : name(std::move(name)) {}
  Camera(const Camera&) = delete;
  Camera& operator=(const Camera&) = delete;
  int Snap() { return ++pictures; }
  std::string name;
  int pictures = 0;
};
REMOTEOBJ_DESCRIBE(Camera, Snap, name, pictures)

struct NoDefault {
  explicit NoDefault(int n) : number(n) {}
  int number;
};
REMOTEOBJ_DESCRIBE(NoDefault, number)

struct Studio {
  Camera main{"main"};
  std::unique_ptr<Camera> owned = std::make_unique<Camera>("owned");
  std::shared_ptr<Camera> shared = std::make_shared<Camera>("shared");
  std::shared_ptr<const Camera> seen = std::make_shared<const Camera>("seen");
  std::optional<Camera> maybe;
  std::vector<std::unique_ptr<Camera>> list;
  std::map<std::string, std::unique_ptr<Camera>> by_name;
  std::map<std::string, Camera> in_place;
  std::deque<Camera> queue;
  std::vector<NoDefault> numbers{NoDefault(1)};
  NoDefault number{2};
};
REMOTEOBJ_DESCRIBE(Studio, main, owned, shared, seen, maybe, list, by_name, in_place, queue,
                   numbers, number)

struct Right {
  int right = 3;
  Right& Touch() {
    ++right;
    return *this;
  }
};
REMOTEOBJ_DESCRIBE(Right, right, Touch)

struct Frozen {
  const std::vector<int> numbers{1, 2};
  const std::map<std::string, int> table{{"a", 1}};
  const std::optional<Right> maybe = Right();
  const Right inner{};
  const Right& Inner() const { return inner; }
  Right free;
  const Right& Free() const { return free; }
};
REMOTEOBJ_DESCRIBE(Frozen, numbers, table, maybe, inner, Inner, free, Free)

struct Containers {
  std::vector<int> vector{1, 2};
  std::vector<std::unique_ptr<int>> pointers;
  std::deque<std::string> deque{"a", "b"};
  std::map<int, std::string> map{{1, "one"}};
  std::unordered_map<std::string, int> unordered_map{{"a", 1}};
  absl::flat_hash_map<std::string, std::vector<int>> flat{{"a", {1, 2}}};
  std::set<int> set{1, 2};
  std::unordered_set<std::string> unordered_set{"a"};
  std::array<int, 3> array{1, 2, 3};
  std::string string = "text";
  std::pair<int, std::string> pair{1, "x"};
};
REMOTEOBJ_DESCRIBE(Containers, vector, pointers, deque, map, unordered_map, flat, set,
                   unordered_set, array, string, pair)

}  // namespace lab

namespace remoteobj {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// An object that can't travel can be walked into.
TEST(DescribeContainersTest, WalksIntoWhatCannotBeCopied) {
  Here<lab::Studio> studio;
  lab::Studio& object = studio.object;
  const auto& remote = studio.remote;
  object.maybe.emplace("maybe");
  object.list.push_back(std::make_unique<lab::Camera>("listed"));
  object.by_name["x"] = std::make_unique<lab::Camera>("named");
  object.in_place.emplace("y", "placed");
  object.queue.emplace_back("queued");

  EXPECT_EQ(remote->main->Snap(), 1);
  EXPECT_EQ(*remote->main->name, "main");
  EXPECT_EQ(remote->owned->Snap(), 1);
  EXPECT_EQ(*remote->owned->name, "owned");
  EXPECT_EQ(remote->shared->Snap(), 1);
  EXPECT_EQ(object.shared->pictures, 1);
  EXPECT_EQ(*remote->seen->name, "seen");
  EXPECT_EQ(remote->maybe->Snap(), 1);
  EXPECT_EQ(remote->list[0]->Snap(), 1);
  EXPECT_EQ(*remote->list[0]->name, "listed");
  EXPECT_EQ(remote->by_name["x"]->Snap(), 1);
  EXPECT_EQ(remote->in_place["y"]->Snap(), 1);
  EXPECT_EQ(remote->queue[0]->Snap(), 1);
  EXPECT_EQ(remote->list->size(), 1u);
  EXPECT_TRUE(remote->by_name->contains("x"));
  EXPECT_EQ(*remote->numbers[0]->number, 1);
  EXPECT_EQ(*remote->number->number, 2);
  remote->number->number = 3;
  EXPECT_EQ(object.number.number, 3);

  remote->owned->name = "renamed";
  EXPECT_EQ(object.owned->name, "renamed") << "a member is set through a pointer";
  remote->maybe->name = "perhaps";
  EXPECT_EQ(object.maybe->name, "perhaps") << "and through an optional";

  remote->by_name["x"].Delete();
  EXPECT_FALSE(remote->by_name->contains("x"));
  EXPECT_TRUE(remote->shared.Exists());
  remote->shared.Delete();
  EXPECT_FALSE(remote->shared.Exists());
  EXPECT_EQ(object.shared, nullptr);
  EXPECT_THROW(remote->shared->Snap(), BadValue);
  remote->maybe.Delete();
  EXPECT_THROW(remote->maybe->Snap(), BadValue);
}

// A const object is not changed, whatever a caller asks for.
TEST(DescribeContainersTest, DoesNotChangeWhatIsConst) {
  Here<lab::Frozen> frozen;
  const auto& remote = frozen.remote;
  EXPECT_THROW(remote->numbers[0] = 5, NotDescribed);
  EXPECT_THROW(remote->numbers[0].Delete(), NotDescribed);
  EXPECT_THROW(remote->numbers->push_back(3), NotDescribed);
  EXPECT_THROW(remote->numbers->clear(), NotDescribed);
  EXPECT_THROW(remote->table["a"] = 2, NotDescribed);
  EXPECT_THROW(remote->table->erase("a"), NotDescribed);
  EXPECT_THROW(remote.Attrs("maybe").Delete(), NotDescribed);
  EXPECT_THROW(remote->maybe->right = 1, NotDescribed);
  EXPECT_THROW(remote->inner->right = 1, NotDescribed);
  EXPECT_THROW(remote->inner->Touch(), NotDescribed);
  EXPECT_THROW(remote.Attrs("inner").Set(lab::Right()), NotDescribed);
  EXPECT_THROW(remote->inner.PassTo([](lab::Right& r) { r.right = 1; }), NotDescribed);
  const View inner = View().GetAttribute("Inner").Call();
  EXPECT_THROW(remote.Of(inner.SetAttribute("right", 1)).Get<int>(), NotDescribed);
  const View free = View().GetAttribute("Free").Call();
  EXPECT_THROW(remote.Of(free.SetAttribute("right", 1)).Get<int>(), NotDescribed);
  EXPECT_EQ(remote.Of(free.GetAttribute("right")).Get<int>(), 3);
  EXPECT_EQ(remote->numbers->at(1), 2);
  EXPECT_EQ(remote->table->size(), 1u);
  EXPECT_EQ(*remote->inner->right, 3);
  EXPECT_THAT(frozen.object.numbers, ElementsAre(1, 2));
  EXPECT_EQ(frozen.object.inner.right, 3);
}

TEST(DescribeContainersTest, ReachesContainersOfAllKinds) {
  Here<lab::Containers> here;
  lab::Containers& object = here.object;
  const auto& remote = here.remote;

  remote->vector->push_back(3);
  EXPECT_EQ(remote->vector->front(), 1);
  EXPECT_EQ(remote->vector->back(), 3);
  remote->vector->pop_back();
  remote->vector->resize(5);
  EXPECT_EQ(remote->vector->size(), 5u);
  EXPECT_EQ(*remote->vector[4], 0);
  EXPECT_TRUE(remote.Attrs("vector").Contains(2));
  EXPECT_FALSE(remote.Attrs("vector").Contains(77));
  remote->vector->clear();
  EXPECT_TRUE(remote->vector->empty());
  remote->vector = {4, 5};
  EXPECT_THAT(object.vector, ElementsAre(4, 5));
  remote->vector = {};
  EXPECT_THAT(object.vector, ElementsAre());

  remote->pointers->push_back(std::make_unique<int>(6));
  remote->pointers->push_back(nullptr);
  EXPECT_EQ(*object.pointers[0], 6);
  EXPECT_EQ(**remote->pointers[0], 6);
  EXPECT_EQ(*remote->pointers->at(0), 6);
  EXPECT_EQ(remote->pointers.Get().size(), 2u);
  EXPECT_EQ(remote->pointers.TryGet()->size(), 2u) << "is moved, not copied";

  remote->deque->push_front("first");
  EXPECT_EQ(remote->deque->front(), "first");
  remote->deque->pop_front();
  remote->deque[1] = "B";
  EXPECT_THAT(*remote->deque, ElementsAre("a", "B"));
  remote->deque[0].Delete();
  EXPECT_THAT(*remote->deque, ElementsAre("B"));

  remote->map[2] = "two";
  EXPECT_EQ(remote->map->at(2), "two");
  EXPECT_EQ(remote->map->count(3), 0u);
  EXPECT_TRUE(remote->map->insert_or_assign(3, "three"));
  EXPECT_FALSE(remote->map->insert_or_assign(3, "drei"));
  EXPECT_EQ(*remote->map[3], "drei");
  EXPECT_THROW(remote->map->at(9), std::out_of_range);
  EXPECT_THROW(remote->map[9].Delete(), std::out_of_range);

  remote->unordered_map["b"] = 2;
  EXPECT_EQ(*remote->unordered_map["b"], 2);
  EXPECT_EQ(remote->unordered_map->erase("b"), 1u);
  EXPECT_EQ(remote->unordered_map->erase("b"), 0u);

  remote->flat["b"] = std::vector<int>{3};
  EXPECT_TRUE(remote->flat->contains("b"));
  remote->flat["b"]->push_back(4);
  EXPECT_THAT(*remote->flat["b"], ElementsAre(3, 4));
  EXPECT_EQ(*remote->flat["a"][1], 2);

  EXPECT_TRUE(remote->set->insert(3));
  EXPECT_FALSE(remote->set->insert(3));
  EXPECT_TRUE(remote->set->contains(3));
  EXPECT_EQ(remote->set->erase(3), 1u);
  EXPECT_THAT(*remote->set, ElementsAre(1, 2));
  EXPECT_TRUE(remote->unordered_set->contains("a"));

  remote->array[1] = 20;
  EXPECT_THAT(*remote->array, ElementsAre(1, 20, 3));
  EXPECT_THROW(remote->array[3].Get(), std::out_of_range);
  EXPECT_THROW(remote.Of(View().GetAttribute("array").DeleteItem(0)).Get<int>(), NotDescribed);

  EXPECT_EQ(remote->string->size(), 4u);
  remote->string->append("!");
  EXPECT_EQ(remote->string->substr(1, 2), "ex");
  EXPECT_EQ(remote->string->find("t!"), 3u);
  EXPECT_EQ(object.string, "text!");
  EXPECT_EQ(remote->pair.Get(), std::pair(1, std::string("x")));
}

// pop_back() of an empty vector made its size 2^64 - 1, and its items all of the process's memory.
TEST(DescribeContainersTest, WhatAnEmptyContainerDoesNotHaveIsRefused) {
  Here<lab::Containers> containers;
  auto& object = containers.object;
  const auto& remote = containers.remote;
  object.vector.clear();
  object.deque.clear();
  object.string.clear();
  EXPECT_THROW(remote->vector->front(), std::out_of_range);
  EXPECT_THROW(remote->vector->back(), std::out_of_range);
  EXPECT_THROW(remote->vector->pop_back(), std::out_of_range);
  EXPECT_THROW(remote->deque->front(), std::out_of_range);
  EXPECT_THROW(remote->deque->back(), std::out_of_range);
  EXPECT_THROW(remote->deque->pop_front(), std::out_of_range);
  EXPECT_THROW(remote->deque->pop_back(), std::out_of_range);
  EXPECT_THROW(remote->string->pop_back(), std::out_of_range);
  EXPECT_THROW(remote->string->substr(1, 1), std::out_of_range);
  EXPECT_TRUE(object.vector.empty());
  EXPECT_TRUE(object.deque.empty());
  EXPECT_TRUE(object.string.empty());
  remote->vector->push_back(1);
  EXPECT_EQ(remote->vector->back(), 1);
  remote->vector->pop_back();
  EXPECT_TRUE(object.vector.empty());
  // By name, as another program would, and without the checks of a type's proxy.
  EXPECT_THROW(remote.Of(View().GetAttribute("vector").GetAttribute("pop_back").Call()).Get<int>(),
               std::out_of_range);
}

// One call made the process allocate as much as it said.
TEST(DescribeContainersTest, AContainerGrowsByOneCallToOneGibibyteAtMost) {
  Here<lab::Containers> containers;
  const auto& remote = containers.remote;
  for (const std::size_t size : {std::size_t{1} << 29, std::size_t{1} << 60, ~std::size_t{0}}) {
    EXPECT_THROW(remote->vector->resize(size), std::length_error);
    EXPECT_THROW(remote->vector->reserve(size), std::length_error);
  }
  EXPECT_EQ(containers.object.vector.size(), 2u);
  EXPECT_LT(containers.object.vector.capacity(), 1000u);
  remote->vector->resize(1000);
  EXPECT_EQ(containers.object.vector.size(), 1000u);
}

}  // namespace
}  // namespace remoteobj
