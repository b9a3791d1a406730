// SPDX-License-Identifier: MIT
#include "remoteobj/except/internal/symbols.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/internal/loader_lock.h"
#include "remoteobj/testing/forked.h"

namespace lab {

[[gnu::noinline]] static int Static(int x) {
  asm volatile("");
  return x + 1;
}

}  // namespace lab

namespace remoteobj::except_internal {
namespace {

TEST(SymbolsTest, NamesForPeople) {
  const auto check = [](const std::string& symbol, const std::string& name) {
    EXPECT_EQ(ShortName(symbol), name) << symbol;
  };
  check("main", "main()");
  check("_ZN3lab6MiddleERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", "lab::Middle()");
  check("_ZNSt6vectorIiSaIiEE2atEm", "std::vector<>::at()");
  check("_ZNKSt6vectorIiSaIiEE14_M_range_checkEm", "std::vector<>::_M_range_check()");
  check("_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()()");
  check("_ZN12_GLOBAL__N_11fEv", "(anonymous namespace)::f()");
  // A template's name comes with the type of its result.
  check("_Z1fIiET_S0_", "f<>()");
  check("_ZSt17throw_with_nestedIRKSt13runtime_errorEvOT_", "std::throw_with_nested<>()");
  check("_ZN3lab4NameB5cxx11Ev", "lab::Name()");
  check("_Znwm", "operator new()");
  check("_ZN3lab1XcviEv", "lab::X::operator int()");
  check("_ZN3labltERKNS_1XES2_", "lab::operator<()");
  check("_ZN3lablsERSoRKNS_1XE", "lab::operator<<()");
  check("_ZN3lab1XptEv", "lab::X::operator->()");
  check("_ZN3lab4LoseEv.cold", "lab::Lose()");
  check("not a symbol", "not a symbol()");
}

TEST(SymbolsTest, FindsFunctions) {
  const auto at = [](auto* function) { return reinterpret_cast<std::uintptr_t>(function) + 1; };
  const LoaderLock lock;
  EXPECT_EQ(ShortName(SymbolAt(at(&lab::Static))), "lab::Static()");
  EXPECT_EQ(ShortName(SymbolAt(at(&SymbolAt))), "remoteobj::except_internal::SymbolAt()");
  EXPECT_EQ(SymbolAt(0), "");
  EXPECT_EQ(SymbolAt(~std::uintptr_t{0}), "");
  int local = 0;
  EXPECT_EQ(SymbolAt(reinterpret_cast<std::uintptr_t>(&local)), "");
}

// absl::Symbolize aborted, or gave names of other functions.
TEST(SymbolsTest, ProcessesDoNotDisturbEachOther) {
  const auto address = reinterpret_cast<std::uintptr_t>(&lab::Static);
  const auto name = [&] {
    const LoaderLock lock;
    return SymbolAt(address);
  };
  ASSERT_NE(name(), "");
  std::vector<std::unique_ptr<remoteobj_testing::Forked>> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(std::make_unique<remoteobj_testing::Forked>([&] {
      for (int n = 0; n < 100; ++n) {
        if (ShortName(name()) != "lab::Static()") std::abort();
      }
    }));
  }
  for (auto& child : children) EXPECT_EQ(child->Wait(), 0);
}

}  // namespace
}  // namespace remoteobj::except_internal
