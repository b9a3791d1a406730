// SPDX-License-Identifier: MIT
#include "remoteobj/except/traceback.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/internal/source_lines.h"
#include "remoteobj/testing/forked.h"

namespace lab {

[[gnu::noinline]] static void Thrower(const std::string& what) {
  if (!what.empty()) throw std::runtime_error(what);  // the line of Thrower
}
constexpr int kLineOfThrower = __LINE__ - 2;

[[gnu::noinline]] static void Middle(const std::string& what) {
  Thrower(what);
  asm volatile("");  // Not a tail call.
}

struct Left {
  ~Left() {
    for (int i = 0; i < 7; ++i) {
      try {
        throw i;
      } catch (int) {
      }
    }
  }
};

[[gnu::noinline]] static void ThrowPastOthers() {
  const Left left;
  Middle("past others");
}

[[gnu::noinline]] static void Recurse(int depth) {
  if (depth == 0) {
    Thrower("deep");
  } else {
    Recurse(depth - 1);
  }
  asm volatile("");
}

}  // namespace lab

namespace remoteobj {
namespace {

using Frames = std::vector<std::string>;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

// The traceback of the exception that `throws` throws, after it is caught.
template <typename F>
[[gnu::noinline]] Frames Caught(F throws) {
  try {
    throws();
  } catch (...) {
    return CurrentTraceback();
  }
  return {"nothing was thrown"};
}

// The frames inside of the test's own code.
Frames Inner(Frames frames, std::size_t count) {
  if (frames.size() > count) frames.erase(frames.begin(), frames.end() - count);
  return frames;
}

TEST(TracebackTest, NamesTheFunctionsInnermostLast) {
  const TracebackScope scope;
  EXPECT_THAT(Inner(Caught([] { lab::Middle("x"); }), 2),
              ElementsAre(StartsWith("lab::Middle()"), StartsWith("lab::Thrower()")));
}

TEST(TracebackTest, EndsAtTheOutermostScope) {
  const auto outer = [] {
    const TracebackScope scope;
    const Frames inner = Caught([] {
      const TracebackScope nested;
      lab::Middle("x");
    });
    EXPECT_THAT(inner, Contains(testing::HasSubstr("Caught")));
    return inner;
  };
  const Frames frames = outer();
  EXPECT_THAT(frames, Not(Contains(StartsWith("testing::"))));
  EXPECT_THAT(frames, Not(Contains(StartsWith("main"))));
  EXPECT_THAT(Caught([] { lab::Middle("x"); }), IsEmpty()) << "after the scope";
}

TEST(TracebackTest, WithoutAScopeNothingIsKnown) {
  EXPECT_THAT(Caught([] { lab::Middle("x"); }), IsEmpty());
}

TEST(TracebackTest, ThrowsOfTheStandardLibraryAreSeen) {
  const TracebackScope scope;
  const Frames frames = Caught([] { std::vector<int>().at(3); });
  ASSERT_THAT(frames, Not(IsEmpty()));
  // By its name, or as a place in the library, which has no names for all of its functions.
  EXPECT_THAT(frames.back(), testing::AnyOf(StartsWith("std::"), StartsWith("libstdc++.so")));
}

TEST(TracebackTest, ARethrowKeepsTheFirst) {
  const TracebackScope scope;
  const auto rethrow = [] {
    try {
      lab::Middle("x");
    } catch (...) {
      throw;
    }
  };
  const auto rethrow_pointer = [] {
    std::exception_ptr pointer;
    try {
      lab::Middle("x");
    } catch (...) {
      pointer = std::current_exception();
    }
    std::rethrow_exception(pointer);
  };
  EXPECT_THAT(Caught(rethrow), Contains(StartsWith("lab::Thrower()")));
  EXPECT_THAT(Caught(rethrow_pointer), Contains(StartsWith("lab::Thrower()")));
}

TEST(TracebackTest, NestedOnesKeepTheirs) {
  const TracebackScope scope;
  try {
    try {
      lab::Middle("inner");
    } catch (...) {
      std::throw_with_nested(std::logic_error("outer"));
    }
  } catch (const std::logic_error& e) {
    EXPECT_THAT(CurrentTraceback(), Not(Contains(StartsWith("lab::Middle()"))));
    const auto& nested = dynamic_cast<const std::nested_exception&>(e);
    EXPECT_THAT(TracebackOf(nested.nested_ptr()), Contains(StartsWith("lab::Middle()")));
  }
}

TEST(TracebackTest, WhatIsThrownWhileUnwindingDisturbsNothing) {
  const TracebackScope scope;
  EXPECT_THAT(Caught([] { lab::ThrowPastOthers(); }),
              AllOf(Contains(StartsWith("lab::ThrowPastOthers()")),
                    Contains(StartsWith("lab::Thrower()"))));
}

TEST(TracebackTest, ADeepStackKeepsTheInnermostFrames) {
  const TracebackScope scope;
  const Frames frames = Caught([] { lab::Recurse(500); });
  EXPECT_THAT(frames, SizeIs(64));
  EXPECT_THAT(frames.back(), StartsWith("lab::Thrower()"));
  EXPECT_THAT(frames.front(), StartsWith("lab::Recurse()"));
}

TEST(TracebackTest, WhatWasNeverThrownHasNone) {
  const TracebackScope scope;
  EXPECT_THAT(TracebackOf(nullptr), IsEmpty());
  EXPECT_THAT(TracebackOf(std::make_exception_ptr(1.5f)), IsEmpty());
  EXPECT_THAT(CurrentTraceback(), IsEmpty());
}

TEST(TracebackTest, AllTypesCanBeThrown) {
  const TracebackScope scope;
  EXPECT_THAT(Caught([] { throw 42; }), Not(IsEmpty()));
  EXPECT_THAT(Caught([] { throw "text"; }), Not(IsEmpty()));
  EXPECT_THAT(Caught([] { throw std::bad_alloc(); }), Not(IsEmpty()));
}

TEST(TracebackTest, EachThreadHasItsOwn) {
  const TracebackScope scope;
  Frames other;
  std::thread([&] { other = Caught([] { lab::Middle("x"); }); }).join();
  EXPECT_THAT(other, IsEmpty()) << "that thread has no scope";
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      const TracebackScope scope;
      for (int n = 0; n < 200; ++n) {
        EXPECT_THAT(Caught([] { lab::Middle("x"); }), Contains(StartsWith("lab::Thrower()")));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(TracebackTest, AForkedChildLooksUpNamesWhileItsParentDid) {
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    const TracebackScope scope;
    while (!stop) Caught([] { lab::Middle("x"); });
  });
  for (int i = 0; i < 50; ++i) {
    remoteobj_testing::Forked child([] {
      const TracebackScope scope;
      if (Caught([] { lab::Recurse(1); }).empty()) _exit(3);
    });
    EXPECT_EQ(child.Wait(), 0);
  }
  stop = true;
  busy.join();
}

TEST(TracebackTest, SaysFileAndLineWithDebugInformation) {
  if (!except_internal::HasSourceLines()) {
    GTEST_SKIP() << "libdw.so.1 (Debian's libdw1) is not there: function names alone";
  }
  const TracebackScope scope;
  const Frames frames = Caught([] { lab::Middle("x"); });
  ASSERT_THAT(frames, Not(IsEmpty()));
  if (frames.back() == "lab::Thrower()") {
    GTEST_SKIP() << "this program was linked without debug information: function names alone";
  }
  EXPECT_THAT(frames.back(), AllOf(StartsWith("lab::Thrower() at "),
                                   testing::EndsWith("except/traceback_test.cc:" +
                                                     std::to_string(lab::kLineOfThrower))));
}

}  // namespace
}  // namespace remoteobj
