// SPDX-License-Identifier: MIT
#include "remoteobj/except/generator.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace remoteobj {
namespace {

struct Noted {
  explicit Noted(std::vector<std::string>& notes) : notes(notes) { notes.push_back("begin"); }
  ~Noted() { notes.push_back("end"); }
  std::vector<std::string>& notes;
};

Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

Generator<int> Fails(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
  throw std::out_of_range("woah!!");
}

Generator<std::unique_ptr<int>> MoveOnly() {
  for (int i = 0; i < 3; ++i) co_yield std::make_unique<int>(i);
}

Generator<std::string> Strings() {
  const std::string constant = "constant";
  co_yield constant;
  std::string own = "own";
  co_yield own;
  co_yield std::string("temporary");
  co_yield own;  // The consumer may have changed it: it is the function's.
}

Generator<int> Notes(std::vector<std::string>& notes) {
  const Noted noted(notes);
  for (int i = 0;; ++i) {
    try {
      co_yield i;
    } catch (const std::runtime_error& e) {
      notes.push_back(e.what());
    }
  }
}

TEST(GeneratorTest, YieldsInOrder) {
  std::vector<int> all;
  for (const int i : Range(4)) all.push_back(i);
  EXPECT_EQ(all, (std::vector<int>{0, 1, 2, 3}));
  for (const int i : Range(0)) FAIL() << i;
}

TEST(GeneratorTest, WhatItThrowsComesAfterWhatItYielded) {
  std::vector<int> all;
  try {
    for (const int i : Fails(2)) all.push_back(i);
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_STREQ(e.what(), "woah!!");
  }
  EXPECT_EQ(all, (std::vector<int>{0, 1}));
}

TEST(GeneratorTest, ValuesCanBeMovedOut) {
  int sum = 0;
  for (auto& value : MoveOnly()) sum += *std::exchange(value, nullptr);
  EXPECT_EQ(sum, 3);
  std::vector<std::string> all;
  for (std::string& text : Strings()) all.push_back(std::move(text) + "!");
  EXPECT_EQ(all, (std::vector<std::string>{"constant!", "own!", "temporary!", "!"}));
}

TEST(GeneratorTest, AnEarlyEndDestroysWhatTheFunctionHas) {
  std::vector<std::string> notes;
  for (const int i : Notes(notes)) {
    if (i == 2) break;
  }
  EXPECT_EQ(notes, (std::vector<std::string>{"begin", "end"}));
  {
    auto never = Notes(notes);
  }
  EXPECT_EQ(notes.size(), 2u) << "one that was never asked has not begun";
}

TEST(GeneratorTest, CanBeMadeToThrowWhereItWaits) {
  std::vector<std::string> notes;
  {
    auto generator = Notes(notes);
    auto it = generator.begin();
    generator.Throw(std::make_exception_ptr(std::runtime_error("thrown in")));
    ++it;
    EXPECT_EQ(*it, 1);
    generator.Throw(std::make_exception_ptr(std::logic_error("not caught")));
    EXPECT_THROW(++it, std::logic_error);
    EXPECT_TRUE(it == generator.end());
  }
  EXPECT_EQ(notes, (std::vector<std::string>{"begin", "thrown in", "end"}));
}

}  // namespace
}  // namespace remoteobj
