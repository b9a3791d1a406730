// SPDX-License-Identifier: MIT
#include "remoteobj/except/except.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <functional>
#include <locale>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/transport/errors.h"

namespace lab {

struct Lost : std::runtime_error {
  using runtime_error::runtime_error;
};
REMOTEOBJ_REGISTER_ERROR(Lost)

[[gnu::noinline]] static void Lose(const std::string& what) { throw Lost(what); }

}  // namespace lab

namespace remoteobj {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

using Strings = std::vector<std::string>;

int Add(int x, int y) { return x + y; }
Generator<int> Range(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

std::function<void()> Throwing(const std::string& what) {
  return [what] { throw std::runtime_error(what); };
}

Strings Messages(const std::vector<RemoteError>& errors) {
  Strings messages;
  for (const RemoteError& error : errors) messages.push_back(error.message());
  return messages;
}

// Tests of LocalExcept and Except.
template <typename T>
class ExceptTest : public testing::Test {};
using Kinds = testing::Types<LocalExcept, Except>;
TYPED_TEST_SUITE(ExceptTest, Kinds);

TYPED_TEST(ExceptTest, GivesWhatTheFunctionGives) {
  const TypeParam exc({.raises = false});
  static_assert(std::is_void_v<decltype(exc([] {}))>);
  EXPECT_EQ(exc([] { return 3; }), std::optional(3));
  EXPECT_EQ(exc("work", [] { return std::string("s"); }), std::optional<std::string>("s"));
  EXPECT_EQ(exc([]() -> int { throw std::out_of_range("x"); }), std::nullopt);
  const auto of_optional = exc({.raises = true}, [] { return std::optional<int>(); });
  EXPECT_TRUE(of_optional.has_value());
  EXPECT_EQ(of_optional.value(), std::nullopt);
  const int kept = 7;
  EXPECT_EQ(exc([&]() -> const int& { return kept; }), std::optional(7));
  EXPECT_EQ(*exc([] { return std::make_unique<int>(5); }).value(), 5);
  EXPECT_EQ(exc("a", {.log = false}, [n = std::make_unique<int>(2)] { return *n; }),
            std::optional(2));
}

TYPED_TEST(ExceptTest, RecordsByGroupInTheOrderOfOccurrence) {
  const TypeParam exc({.raises = false});
  exc(Throwing("a"));
  exc("init", Throwing("b"));
  for (int i = 0; i < 3; ++i) exc("work", Throwing("c" + std::to_string(i)));
  exc(kDefaultGroup, Throwing("d"));
  exc("init", Throwing("e"));
  EXPECT_THAT(Messages(exc.All()), ElementsAre("a", "b", "c0", "c1", "c2", "d", "e"));
  EXPECT_THAT(Messages(exc.Group("work")), ElementsAre("c0", "c1", "c2"));
  EXPECT_THAT(Messages(exc.Group("init")), ElementsAre("b", "e"));
  EXPECT_THAT(Messages(exc.Group(kDefaultGroup)), ElementsAre("a", "d"));
  EXPECT_THAT(exc.Group("nothing"), IsEmpty());
  EXPECT_EQ(exc.First()->message(), "a");
  EXPECT_EQ(exc.First("work")->message(), "c0");
  EXPECT_EQ(exc.Last()->message(), "e");
  EXPECT_EQ(exc.Last("work")->message(), "c2");
  EXPECT_EQ(exc.Last("nothing"), std::nullopt);
  EXPECT_EQ(exc.size(), 7u);
  Strings iterated;
  std::uint64_t before = 0;
  for (const RemoteError& error : exc) {
    iterated.push_back(error.message());
    EXPECT_GE(error.sequence(), before);
    before = error.sequence();
  }
  EXPECT_EQ(iterated, Messages(exc.All()));
  EXPECT_EQ(std::ranges::count(exc, std::string("work"), &RemoteError::group), 3);
}

TYPED_TEST(ExceptTest, ByDefaultRecordsAndPropagates) {
  const TypeParam exc;
  EXPECT_THROW(exc("init", [] { throw lab::Lost("x"); }), lab::Lost);
  EXPECT_EQ(exc.Last("init")->type(), "lab::Lost");
  EXPECT_EQ(exc.Last()->pid(), getpid());
  EXPECT_EQ(exc.Last()->group(), "init");
}

TYPED_TEST(ExceptTest, RaiseAnyThrowsTheLastAsItsOwnType) {
  const TypeParam exc({.raises = false});
  exc.RaiseAny();
  exc.RaiseAny("init");
  exc.RaiseAny(kDefaultGroup);
  exc("init", [] { throw std::out_of_range("first"); });
  exc("init", [] { throw std::out_of_range("last of init"); });
  exc("work", [] { throw lab::Lost("last of all"); });
  exc("other", [] { throw 42; });
  const auto what = [](const auto& throws) {
    try {
      throws();
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  EXPECT_THROW(exc.RaiseAny("init"), std::out_of_range);
  EXPECT_EQ(what([&] { exc.RaiseAny("init"); }), "last of init");
  EXPECT_THROW(exc.RaiseAny("work"), lab::Lost);
  EXPECT_NO_THROW(exc.RaiseAny(kDefaultGroup));
  EXPECT_NO_THROW(exc.RaiseAny("nothing"));
  if constexpr (std::is_same_v<TypeParam, LocalExcept>) {
    EXPECT_THROW(exc.RaiseAny(), int) << "the original";
  } else {
    EXPECT_THROW(exc.RaiseAny(), RemoteError);
  }
  exc.Clear();
  exc.RaiseAny();
  EXPECT_TRUE(exc.empty());
}

TYPED_TEST(ExceptTest, ClearForgets) {
  const TypeParam exc({.raises = false});
  exc("a", Throwing("before"));
  const auto wrapped = exc.Wrap(Add);
  wrapped(1, 2);
  exc.Clear();
  EXPECT_TRUE(exc.empty());
  EXPECT_EQ(exc.First(), std::nullopt);
  EXPECT_EQ(wrapped.result(), std::nullopt);
  exc("a", Throwing("after"));
  EXPECT_THAT(Messages(exc.All()), ElementsAre("after"));
  wrapped(2, 2);
  EXPECT_EQ(wrapped.result(), 4);
}

TYPED_TEST(ExceptTest, CopiesAreTheSame) {
  TypeParam exc({.raises = false});
  const TypeParam copy = exc;
  copy("a", Throwing("x"));
  EXPECT_EQ(exc.size(), 1u);
  exc = TypeParam();
  EXPECT_TRUE(exc.empty());
  EXPECT_EQ(copy.size(), 1u);
}

// Nesting.

struct Level {
  bool raises;
  bool catch_once;
  bool matches;

  ExceptOptions options() const {
    return {.raises = raises,
            .catch_once = catch_once,
            .types = matches ? Types<std::runtime_error>() : Types<std::bad_alloc, int>()};
  }
  bool swallows() const { return matches && catch_once && !raises; }
};

std::vector<Level> Levels() {
  std::vector<Level> levels;
  for (int bits = 0; bits < 8; ++bits) {
    levels.push_back({(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0});
  }
  return levels;
}

struct Nested {
  Level inner, outer;
  std::string inner_group, outer_group;

  // By the contract, in few words.
  bool reaches_outer() const { return !inner.swallows(); }
  bool propagates() const { return reaches_outer() && !outer.swallows(); }
  Strings recorded() const {
    Strings groups;
    if (inner.matches) groups.push_back(inner_group);
    const bool taken = inner.matches && inner.catch_once && outer.catch_once;
    if (reaches_outer() && outer.matches && !taken) groups.push_back(outer_group);
    return groups;
  }
};

template <typename E>
void CheckNested(const Nested& nested, const E& inner, const E& outer, bool rethrown_between) {
  SCOPED_TRACE(testing::Message() << "inner: raises " << nested.inner.raises << " catch_once "
                                  << nested.inner.catch_once << " matches " << nested.inner.matches
                                  << "; outer: raises " << nested.outer.raises << " catch_once "
                                  << nested.outer.catch_once << " matches " << nested.outer.matches
                                  << "; groups '" << nested.inner_group << "', '"
                                  << nested.outer_group << "', rethrown " << rethrown_between);
  bool reached_outer = false, propagated = false;
  try {
    outer(nested.outer_group, nested.outer.options(), [&] {
      try {
        inner(nested.inner_group, nested.inner.options(), Throwing("x"));
      } catch (const std::runtime_error&) {
        reached_outer = true;
        if (!rethrown_between) throw;
        const std::exception_ptr kept = std::current_exception();
        try {
          throw std::logic_error("something else meanwhile");
        } catch (const std::logic_error&) {
        }
        std::rethrow_exception(kept);
      }
    });
  } catch (const std::runtime_error& e) {
    propagated = true;
    EXPECT_STREQ(e.what(), "x");
  }
  EXPECT_EQ(reached_outer, nested.reaches_outer());
  EXPECT_EQ(propagated, nested.propagates());
  Strings groups;
  for (const RemoteError& error : inner) groups.push_back(error.group());
  if (outer.size() != inner.size() || outer.empty() ||
      outer.First()->sequence() != inner.First()->sequence()) {
    for (const RemoteError& error : outer) groups.push_back(error.group());
  }
  EXPECT_EQ(groups, nested.recorded());
}

TYPED_TEST(ExceptTest, NestsAsPromisedInAllCombinations) {
  for (const Level& inner : Levels()) {
    for (const Level& outer : Levels()) {
      for (const auto& [inner_group, outer_group] :
           {std::pair("a", "a"), std::pair("a", "b"), std::pair("", ""), std::pair("", "a")}) {
        for (const bool rethrown : {false, true}) {
          const Nested nested{inner, outer, inner_group, outer_group};
          const TypeParam one;
          CheckNested(nested, one, one, rethrown);
        }
      }
    }
  }
}

TEST(ExceptNestingTest, AcrossObjectsToo) {
  for (const Level& inner : Levels()) {
    for (const Level& outer : Levels()) {
      const auto count = [](const ErrorGatherer& errors) { return errors.size(); };
      const Nested nested{inner, outer, "a", "b"};
      const LocalExcept local;
      const Except shared;
      try {
        shared("b", outer.options(), [&] { local("a", inner.options(), Throwing("x")); });
      } catch (const std::runtime_error&) {
      }
      const Strings recorded = nested.recorded();
      EXPECT_EQ(count(local), static_cast<std::size_t>(std::ranges::count(recorded, "a")));
      EXPECT_EQ(count(shared), static_cast<std::size_t>(std::ranges::count(recorded, "b")));
    }
  }
}

// The examples of the contract, one by one.
TYPED_TEST(ExceptTest, NestedContextsByExample) {
  const TypeParam exc({.raises = false});
  exc("overall", [&] {
    exc([] { throw std::logic_error("swallowed"); });
    exc("init", Throwing("init"));
    EXPECT_THROW(exc({.raises = true}, Throwing("raised")), std::runtime_error);
    EXPECT_THROW(exc({.types = Types<std::logic_error>()}, Throwing("unseen")), std::runtime_error);
    exc("outer", [&] { exc("inner", {.raises = true}, Throwing("once")); });
    exc([&] { exc({.catch_once = false}, Throwing("twice")); });
  });
  Strings records;
  for (const RemoteError& error : exc) records.push_back(error.group() + "/" + error.message());
  EXPECT_THAT(records,
              ElementsAre("/swallowed", "init/init", "/raised", "inner/once", "/twice", "/twice"));
}

TYPED_TEST(ExceptTest, ThreeLevelsRecordOnceAndAnewForEachException) {
  const TypeParam exc;
  for (int i = 0; i < 100; ++i) {
    const auto all = [&] { exc("1", [&] { exc("2", [&] { exc("3", Throwing("x")); }); }); };
    EXPECT_THROW(all(), std::runtime_error);
  }
  EXPECT_EQ(exc.size(), 100u);
  EXPECT_EQ(exc.Group("3").size(), 100u);
}

TYPED_TEST(ExceptTest, WhatLeftAllContextsIsStillKnownWhenItComesBack) {
  const TypeParam exc;
  try {
    exc("first", Throwing("x"));
  } catch (...) {
    EXPECT_THROW(exc("second", [] { throw; }), std::runtime_error);
  }
  EXPECT_THAT(exc.All(), SizeIs(1));
}

TYPED_TEST(ExceptTest, AnErrorWithinHandlingAnErrorIsItsOwn) {
  const TypeParam exc({.raises = false});
  exc("outer", [&] {
    try {
      exc("inner", {.raises = true}, Throwing("first"));
    } catch (const std::runtime_error&) {
      exc("cleanup", Throwing("second"));
      throw std::logic_error("third");
    }
  });
  EXPECT_THAT(Messages(exc.All()), ElementsAre("first", "second", "third"));
  EXPECT_THAT(Messages(exc.Group("outer")), ElementsAre("third"));
}

TEST(ExceptNestingTest, ExceptionsAreNotKeptForEver) {
  struct Counted {
    explicit Counted(int& count) : count(&count) { ++count; }
    Counted(const Counted& other) : count(other.count) { ++*count; }
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --*count; }
    int* count;
  };
  int count = 0;
  const Except exc({.raises = false});
  exc([&] { throw Counted(count); });
  EXPECT_EQ(count, 0) << "it ended in the outermost context";
  EXPECT_THROW(exc({.raises = true}, [&] { throw Counted(count); }), Counted);
  EXPECT_LE(count, 1) << "the last one that left may live";
  exc([] {});
  EXPECT_EQ(count, 0) << "until the next context ends";
  exc([&] {
    for (int i = 0; i < 1000; ++i) exc([&] { throw Counted(count); });
    EXPECT_LE(count, 16);
  });
  EXPECT_EQ(count, 0);
}

TEST(ExceptNestingTest, ThreadsHaveTheirOwn) {
  const Except exc({.raises = false});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        exc("outer", [&] {
          exc("thread " + std::to_string(t), {.raises = true}, Throwing(std::to_string(i)));
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(exc.size(), 400u);
  for (int t = 0; t < 4; ++t) {
    const Strings messages = Messages(exc.Group("thread " + std::to_string(t)));
    ASSERT_EQ(messages.size(), 100u);
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(messages[static_cast<std::size_t>(i)], std::to_string(i));
  }
}

// Filters.

TEST(ExceptForTest, RecordsTheseTypesOnly) {
  const auto check = [](const auto& picky) {
    picky("a", [] { throw std::invalid_argument("x"); });
    picky([] { throw std::out_of_range("y"); });
    EXPECT_THROW(picky([] { throw std::length_error("z"); }), std::length_error);
    EXPECT_THROW(picky([] { throw 42; }), int);
    EXPECT_THAT(Messages(picky.All()), ElementsAre("x", "y"));
    // A context's types come before the object's.
    picky({.types = Types<std::length_error>()}, [] { throw std::length_error("z"); });
    EXPECT_EQ(picky.Last()->message(), "z");
    EXPECT_THROW(picky.RaiseAny("a"), std::invalid_argument);
    EXPECT_EQ(picky.Wrap(Add)(1, 2), 3);
  };
  check(ExceptFor<std::invalid_argument, std::out_of_range>({.raises = false}));
  check(LocalExceptFor<std::invalid_argument, std::out_of_range>({.raises = false}));
  check(Except({.raises = false, .types = Types<std::invalid_argument, std::out_of_range>()}));
  ExceptFor<std::invalid_argument, std::out_of_range> picky;
  EXPECT_THROW(picky([] { throw std::invalid_argument("x"); }), std::invalid_argument);
  EXPECT_EQ(picky.size(), 1u);
  const Except as_any_other = picky;
  EXPECT_EQ(as_any_other.size(), 1u);
}

TEST(ExceptForTest, DerivedTypesMatch) {
  const ExceptFor<std::exception> exc({.raises = false});
  exc([] { throw lab::Lost("x"); });
  EXPECT_THROW(exc([] { throw 42; }), int);
  EXPECT_EQ(exc.size(), 1u);
}

// Options.

class KeptLog : public google::LogSink {
 public:
  KeptLog() { google::AddLogSink(this); }
  ~KeptLog() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity severity, const char*, const char*, int, const struct tm*,
            const char* message, size_t size) override {
    EXPECT_EQ(severity, google::GLOG_ERROR);
    lines.emplace_back(message, size);
  }
  Strings lines;
};

TYPED_TEST(ExceptTest, LogsWhatItRecords) {
  const TypeParam exc({.raises = false});
  KeptLog log;
  exc(Throwing("silent"));
  EXPECT_THAT(log.lines, IsEmpty());
  exc("work", {.log = true}, Throwing("said"));
  exc("work", {.log = true, .log_traceback = true}, Throwing("said with traceback"));
  EXPECT_THAT(log.lines, ElementsAre("work: std::runtime_error: said",
                                     AllOf(StartsWith("Traceback (innermost frame last):\n"),
                                           HasSubstr("std::runtime_error: said with traceback"))));
  log.lines.clear();
  TypeParam({.raises = false, .log = true})("a", {.log = false}, Throwing("silent"));
  EXPECT_THAT(log.lines, IsEmpty());
  exc.Log();
  EXPECT_THAT(log.lines, ElementsAre("std::runtime_error: silent", "work: std::runtime_error: said",
                                     "work: std::runtime_error: said with traceback"));
  log.lines.clear();
  exc.Log(/*with_traceback=*/true);
  EXPECT_THAT(log.lines, testing::Each(StartsWith("Traceback")));
}

TYPED_TEST(ExceptTest, ErrorsHaveTracebacks) {
  const TypeParam exc({.raises = false});
  exc([] { lab::Lose("x"); });
  const RemoteError error = *exc.Last();
  ASSERT_THAT(error.traceback(), Not(IsEmpty()));
  EXPECT_THAT(error.traceback(), testing::Contains(HasSubstr("lab::Lose()")));
  EXPECT_THAT(error.traceback(), testing::Each(Not(HasSubstr("except_internal"))));
}

TYPED_TEST(ExceptTest, Prints) {
  const auto printed = [](const auto& exc) {
    std::ostringstream out;
    out << exc;
    return out.str();
  };
  const TypeParam exc({.raises = false, .types = Types<std::runtime_error, std::logic_error>()});
  const std::string name = std::is_same_v<TypeParam, Except> ? "Except" : "LocalExcept";
  EXPECT_EQ(printed(TypeParam()),
            "<" + name + " raises=true catch_once=true types=any>: no errors");
  exc(Throwing("a"));
  exc("work", Throwing("b"));
  exc("work", [] { throw lab::Lost("c"); });
  EXPECT_EQ(printed(exc), "<" + name +
                              " raises=false catch_once=true types=std::runtime_error, "
                              "std::logic_error>\n"
                              "  (default group): 1, last std::runtime_error: a\n"
                              "  work: 2, last lab::Lost: c");
}

// Ends that are not errors.

TYPED_TEST(ExceptTest, ACancelledThreadPassesThrough) {
  struct Shared {
    TypeParam exc{ExceptOptions{.raises = false}};
    bool went_on = false;
  } shared;
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, nullptr,
                [](void* argument) -> void* {
                  auto& shared = *static_cast<Shared*>(argument);
                  shared.exc([] { pause(); });
                  shared.went_on = true;
                  return nullptr;
                },
                &shared),
            0);
  ASSERT_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_FALSE(shared.went_on);
  EXPECT_TRUE(shared.exc.empty());
}

// Wrap.

TYPED_TEST(ExceptTest, WrapKeepsTheResult) {
  const TypeParam exc;
  const auto wrapped = exc.Wrap(Add);
  const auto other = exc.Wrap(&Add);
  EXPECT_EQ(wrapped.result(), std::nullopt);
  EXPECT_EQ(wrapped(5, 6), std::optional(11));
  EXPECT_EQ(other(1, 1), std::optional(2));
  EXPECT_EQ(wrapped.result(), std::optional(11));
  EXPECT_EQ(other.result(), std::optional(2));
  const auto copy = wrapped;
  copy(20, 2);
  EXPECT_EQ(wrapped.result(), std::optional(22)) << "the last";
}

TYPED_TEST(ExceptTest, WrapKeepsErrors) {
  const TypeParam exc;
  const auto wrapped = exc.Wrap([](int i) {
    if (i < 0) throw std::out_of_range("negative");
    return std::vector<int>{i};
  });
  EXPECT_EQ(wrapped(-1), std::nullopt);
  EXPECT_EQ(wrapped.result(), std::nullopt);
  EXPECT_THROW(exc.RaiseAny(kDefaultGroup), std::out_of_range);
  EXPECT_EQ(wrapped(3), std::vector<int>{3});
  const auto nothing = exc.Wrap([] {});
  static_assert(std::is_void_v<decltype(nothing())>);
  nothing();
  const auto of_no_codec = exc.Wrap([] { return std::this_thread::get_id(); });
  EXPECT_EQ(of_no_codec(), std::this_thread::get_id());
  // Each argument comes as it was given.
  const auto takes = exc.Wrap([](std::unique_ptr<int> p, int& n) { n = *p; });
  int n = 0;
  takes(std::make_unique<int>(4), n);
  EXPECT_EQ(n, 4);
}

template <typename G>
std::vector<int> Listed(G&& generator) {
  std::vector<int> values;
  for (int value : generator) values.push_back(value);
  return values;
}

TYPED_TEST(ExceptTest, WrapKeepsWhatIsYielded) {
  const TypeParam exc;
  const auto wrapped = exc.Wrap(Range);
  static_assert(std::is_void_v<decltype(wrapped(4))>);
  EXPECT_THROW(Listed(wrapped.result(absl::Milliseconds(5))), DeadlineExceeded);
  wrapped(4);
  EXPECT_THAT(Listed(wrapped.result()), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Listed(wrapped.result()), ElementsAre(0, 1, 2, 3)) << "again";
  wrapped(2);
  EXPECT_THAT(Listed(wrapped.result()), ElementsAre(0, 1, 2, 3, 0, 1));
}

TYPED_TEST(ExceptTest, AWrappedGeneratorThatThrowsKeepsWhatItYielded) {
  const TypeParam exc;
  const auto wrapped = exc.Wrap([](int n) -> Generator<std::string> {
    for (int i = 0; i < n; ++i) co_yield std::to_string(i);
    throw std::runtime_error("woah!!");
  });
  wrapped(2);
  Strings values;
  for (const std::string& value : wrapped.result()) values.push_back(value);
  EXPECT_THAT(values, ElementsAre("0", "1"));
  EXPECT_EQ(exc.Last()->message(), "woah!!");
}

TEST(ExceptWrapTest, ValuesComeWhileTheFunctionRuns) {
  const LocalExcept exc;
  const auto wrapped = exc.Wrap(Range);
  std::thread caller([&] { wrapped(1000); });
  EXPECT_THAT(Listed(wrapped.result()), SizeIs(1000));
  caller.join();
}

TEST(ExceptWrapTest, OutlivesItsExcept) {
  const auto wrapped = [] { return Except().Wrap(Add); }();
  wrapped(1, 2);
  EXPECT_EQ(wrapped.result(), 3);
}

TYPED_TEST(ExceptTest, AResultThatIsSetIsPoppedOnce) {
  const TypeParam exc;
  EXPECT_EQ(exc.template PopResult<int>(), std::nullopt);
  exc.SetResult(5);
  exc.SetResult(6);
  EXPECT_EQ(exc.template PopResult<int>(), 6);
  EXPECT_EQ(exc.template PopResult<int>(), std::nullopt);
  exc.SetResult(std::string("text"));
  EXPECT_EQ(exc.template PopResult<std::string>(), "text");
  exc.SetResult(7);
  exc.Clear();
  EXPECT_EQ(exc.template PopResult<int>(), std::nullopt);
}

struct NullWhat : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

TYPED_TEST(ExceptTest, AnErrorThatSaysNullIsRecorded) {
  const TypeParam exc;
  exc({.raises = false, .log = true}, [] { throw NullWhat(); });
  ASSERT_EQ(exc.size(), 1u);
  EXPECT_EQ(exc.Last()->message(), "");
  EXPECT_THAT(exc.Last()->type(), HasSubstr("NullWhat"));
  EXPECT_THROW(exc.RaiseAny(), std::exception);
  std::ostringstream text;
  text << exc << *exc.Last();
  EXPECT_TRUE(text.good());
  try {
    throw NullWhat();
  } catch (...) {
    EXPECT_THAT(CurrentExceptionToStatus().message(), HasSubstr("NullWhat"));
  }
}

TYPED_TEST(ExceptTest, NumbersInTextsAreNotGroupedByALocale) {
  struct Grouping : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\1"; }
  };
  const TypeParam exc;
  for (int i = 0; i < 12; ++i) exc({.raises = false}, [] { throw std::runtime_error("x"); });
  std::ostringstream text;
  text.imbue(std::locale(std::locale::classic(), new Grouping));
  text << exc << *exc.Last();
  EXPECT_THAT(text.str(), HasSubstr("group): 12, last"));
  EXPECT_THAT(text.str(), HasSubstr("pid " + std::to_string(getpid()) + ","));
}

TYPED_TEST(ExceptTest, AnErrorIsRecordedOnAThreadWithASmallStack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's frames are larger";
#endif
  TypeParam exc;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 64 << 10), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &attributes,
                [](void* errors) -> void* {
                  const auto& exc = *static_cast<const TypeParam*>(errors);
                  exc({.raises = false, .log = true, .log_traceback = true},
                      [] { throw lab::Lost("it"); });
                  return nullptr;
                },
                &exc),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  ASSERT_EQ(exc.size(), 1u);
  EXPECT_EQ(exc.Last()->message(), "it");
}

TEST(LocalExceptTest, AnErrorOutlivesTheLibraryThatThrewIt) {
  void* const library = dlopen("except/plugin_of_test.so", RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto* const fails = reinterpret_cast<void (*)()>(dlsym(library, "Throw"));
  ASSERT_NE(fails, nullptr);
  {
    const LocalExcept kept;
    kept({.raises = false}, fails);
    EXPECT_THROW(kept(fails), std::runtime_error);  // It left the outermost context.
    dlclose(library);
    try {
      kept.RaiseAny();
      FAIL();
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "of the plugin");
    }
    kept({.raises = false}, [] { throw std::out_of_range("later"); });
  }
  // With the last error it is unloaded after all.
  EXPECT_EQ(dlopen("except/plugin_of_test.so", RTLD_NOW | RTLD_NOLOAD), nullptr);
}

}  // namespace
}  // namespace remoteobj
