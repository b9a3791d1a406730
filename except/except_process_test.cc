// SPDX-License-Identifier: MIT
//
// Except among processes.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/except/internal/access.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/shared_memory/shared_log.h"

namespace lab {

struct Lost : std::runtime_error {
  using runtime_error::runtime_error;
};
REMOTEOBJ_REGISTER_ERROR(Lost)

[[gnu::noinline]] static void Lose(const std::string& what) { throw Lost(what); }

}  // namespace lab

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

using Strings = std::vector<std::string>;

std::string GroupAndMessage(const RemoteError& error) {
  return error.group() + "/" + error.message();
}

Strings Printed(const ErrorGatherer& errors) {
  Strings all;
  for (const RemoteError& error : errors) all.push_back(GroupAndMessage(error));
  return all;
}

// ThreadSanitizer needs four more bytes for each.
#if defined(__SANITIZE_THREAD__)
constexpr bool kShadowedMemory = true;
#elif defined(__has_feature)
constexpr bool kShadowedMemory = __has_feature(thread_sanitizer);
#else
constexpr bool kShadowedMemory = false;
#endif

// Runs `body` in a child, which must end well.
void InAChild(const std::function<void()>& body) {
  Forked child(body);
  EXPECT_EQ(child.Wait(), 0);
}

TEST(ExceptProcessTest, WhatAChildRecordsIsHere) {
  const Except exc({.raises = false});
  Forked child([&] {
    exc("init", [] { throw std::out_of_range("a"); });
    exc("work", [] { lab::Lose("b"); });
    exc([] { throw 42; });
  });
  const pid_t pid = child.pid();
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_THAT(Printed(exc), ElementsAre("init/a", "work/b", "/42"));
  EXPECT_THROW(exc.RaiseAny("init"), std::out_of_range);
  EXPECT_THROW(exc.RaiseAny("work"), lab::Lost);
  EXPECT_THROW(exc.RaiseAny(), RemoteError);
  const RemoteError error = *exc.Last("work");
  EXPECT_EQ(error.type(), "lab::Lost");
  EXPECT_EQ(error.pid(), pid);
  EXPECT_THAT(error.traceback(), Contains(HasSubstr("lab::Lose()")));
}

TEST(ExceptProcessTest, TheContractsExample) {
  const Except exc;
  InAChild([&] {
    exc({.raises = false}, [&] {
      exc("init", [] {});
      exc("work", {.raises = false}, [] { throw std::invalid_argument("w"); });
      exc("cleanup", [] { throw std::invalid_argument("c"); });
    });
  });
  EXPECT_THAT(Printed(exc), ElementsAre("work/w", "cleanup/c"));
  EXPECT_THROW(exc.RaiseAny("work"), std::invalid_argument);
  EXPECT_NO_THROW(exc.RaiseAny(kDefaultGroup));
  EXPECT_NO_THROW(exc.RaiseAny("init"));
}

TEST(ExceptProcessTest, ErrorsComeInTheOrderInWhichTheyHappened) {
  const Except exc({.raises = false});
  Strings expected;
  for (int i = 0; i < 10; ++i) {
    const std::string what = std::to_string(i);
    InAChild([&] {
      exc("child", [&] { throw std::runtime_error(what); });
      InAChild([&] { exc("grandchild", [&] { throw std::runtime_error(what); }); });
    });
    exc("parent", [&] { throw std::runtime_error(what); });
    for (const char* group : {"child/", "grandchild/", "parent/"}) expected.push_back(group + what);
    EXPECT_EQ(Printed(exc), expected);
  }
}

TEST(ExceptProcessTest, ChildrenAndGrandchildrenAtTheSameTime) {
  constexpr int kChildren = 4, kGrandchildren = 3, kErrors = 200;
  const Except exc({.raises = false});
  const auto record = [&](const std::string& group) {
    for (int i = 0; i < kErrors; ++i) {
      exc("all", [&] {
        exc(group, {.raises = true}, [&] { throw std::runtime_error(std::to_string(i)); });
      });
    }
  };
  std::vector<std::unique_ptr<Forked>> children;
  Strings groups;
  for (int c = 0; c < kChildren; ++c) {
    const std::string name = "child " + std::to_string(c);
    groups.push_back(name);
    for (int g = 0; g < kGrandchildren; ++g) groups.push_back(name + "." + std::to_string(g));
    children.push_back(std::make_unique<Forked>([&, name] {
      std::vector<std::unique_ptr<Forked>> grandchildren;
      for (int g = 0; g < kGrandchildren; ++g) {
        grandchildren.push_back(
            std::make_unique<Forked>([&, g] { record(name + "." + std::to_string(g)); }));
      }
      record(name);
      for (auto& grandchild : grandchildren) {
        if (grandchild->Wait() != 0) _exit(1);
      }
    }));
  }
  record("parent");
  groups.push_back("parent");
  for (auto& child : children) EXPECT_EQ(child->Wait(), 0);
  EXPECT_EQ(exc.size(), groups.size() * kErrors);
  std::map<std::string, int> next;
  std::uint64_t before = 0;
  for (const RemoteError& error : exc) {
    EXPECT_EQ(error.message(), std::to_string(next[error.group()]++)) << error.group();
    EXPECT_TRUE(before == 0 || error.sequence() > before);
    before = error.sequence();
  }
  for (const std::string& group : groups) EXPECT_EQ(next[group], kErrors) << group;
}

TEST(ExceptProcessTest, AKillRightAfterAContextLosesNothing) {
  for (int round = 0; round < 50; ++round) {
    const Except exc({.raises = false});
    Forked child([&] {
      for (int i = 0; i <= round; ++i) {
        exc("work", [&] { throw std::runtime_error(std::to_string(i)); });
      }
      raise(SIGKILL);
    });
    EXPECT_EQ(child.Wait(), -SIGKILL);
    ASSERT_THAT(exc.All(), SizeIs(round + 1));
    EXPECT_EQ(exc.Last("work")->message(), std::to_string(round));
  }
}

TEST(ExceptProcessTest, AKillAtAnyTimeLeavesAPrefix) {
  for (int round = 0; round < 30; ++round) {
    const Except exc({.raises = false});
    Forked child([&] {
      for (int i = 0;; ++i) exc([&] { throw std::runtime_error(std::to_string(i)); });
    });
    remoteobj_testing::Eventually(
        "errors are recorded", [&] { return exc.size() >= static_cast<std::size_t>(5 * round); },
        absl::Seconds(30), absl::Microseconds(50));
    child.Kill();
    int next = 0;
    for (const RemoteError& error : exc) EXPECT_EQ(error.message(), std::to_string(next++));
    EXPECT_GE(next, 5 * round);
    // And others can go on.
    exc([] { throw std::runtime_error("here"); });
    EXPECT_EQ(exc.Last()->message(), "here");
  }
}

TEST(ExceptProcessTest, LargeErrors) {
  constexpr std::size_t kErrors = kShadowedMemory ? 100 : 1000, kBytes = 1 << 20;
  const Except exc({.raises = false});
  InAChild([&] {
    const std::string large(kBytes, 'x');
    for (std::size_t i = 0; i < kErrors; ++i) {
      exc([&] { throw std::runtime_error(std::to_string(i) + large); });
    }
  });
  ASSERT_EQ(exc.size(), kErrors);
  std::size_t next = 0;
  for (const RemoteError& error : exc) {
    const std::string number = std::to_string(next++);
    EXPECT_EQ(error.message().size(), number.size() + kBytes);
    EXPECT_TRUE(error.message().starts_with(number + "x"));
  }
  exc.Clear();
  EXPECT_EQ(exc.size(), 0u);
}

TEST(ExceptProcessTest, ClearWhileOthersRecord) {
  const Except exc({.raises = false});
  constexpr int kErrors = 5000;
  std::vector<std::unique_ptr<Forked>> children;
  for (int c = 0; c < 2; ++c) {
    children.push_back(std::make_unique<Forked>([&, c] {
      for (int i = 0; i < kErrors; ++i) {
        exc(std::to_string(c), [&] { throw std::runtime_error(std::to_string(i)); });
      }
    }));
  }
  for (int i = 0; i < 200; ++i) {
    std::map<std::string, int> last;
    for (const RemoteError& error : exc) {
      const int number = std::stoi(error.message());
      const auto [at, first] = last.try_emplace(error.group(), number);
      if (!first) {
        EXPECT_EQ(number, ++at->second) << "without a gap";
      }
    }
    exc.Clear();
  }
  for (auto& child : children) EXPECT_EQ(child->Wait(), 0);
  exc.Clear();
  EXPECT_TRUE(exc.empty());
  InAChild([&] { exc("after", [] { throw std::runtime_error("x"); }); });
  EXPECT_THAT(Printed(exc), ElementsAre("after/x"));
}

TEST(ExceptProcessTest, AChildClearsForAll) {
  const Except exc({.raises = false});
  exc([] { throw std::runtime_error("x"); });
  EXPECT_EQ(exc.size(), 1u);
  InAChild([&] {
    if (exc.size() != 1) _exit(1);
    exc.Clear();
    exc("child", [] { throw std::runtime_error("y"); });
  });
  EXPECT_THAT(Printed(exc), ElementsAre("child/y"));
}

TEST(ExceptProcessTest, NestsInAChildAsHere) {
  const auto nested = [](const ErrorGatherer& exc) {
    const auto fail = [](const char* what) { return [=] { throw std::runtime_error(what); }; };
    exc("outer", {.raises = false}, [&] { exc("inner", fail("once")); });
    exc("outer", {.raises = false}, [&] { exc("inner", {.catch_once = false}, fail("twice")); });
    exc("outer", {.raises = false}, [&] { exc("inner", {.raises = false}, fail("inside")); });
    exc("outer", {.raises = false},
        [&] { exc("inner", {.types = Types<std::bad_alloc>()}, fail("filtered")); });
    exc("", {.raises = false}, [&] { exc(fail("same group")); });
  };
  const Except exc;
  InAChild([&] { nested(exc); });
  const LocalExcept local;
  nested(local);
  EXPECT_EQ(Printed(exc), Printed(local));
  EXPECT_THAT(Printed(exc), ElementsAre("inner/once", "inner/twice", "outer/twice", "inner/inside",
                                        "outer/filtered", "/same group"));
}

int Add(int x, int y) { return x + y; }
Generator<std::string> Words(int n) {
  for (int i = 0; i < n; ++i) co_yield std::to_string(i);
}

TEST(ExceptProcessTest, ResultsOfWrappedFunctionsComeHere) {
  const Except exc;
  const auto add = exc.Wrap(Add);
  const auto fail = exc.Wrap([](int) -> int { throw lab::Lost("no result"); });
  InAChild([&] {
    add(5, 6);
    fail(1);
  });
  EXPECT_EQ(add.result(), 11);
  EXPECT_EQ(fail.result(), std::nullopt);
  EXPECT_THROW(exc.RaiseAny(), lab::Lost);
  InAChild([&] {
    if (add.result() != 11) _exit(1);
    InAChild([&] { add(20, 2); });
  });
  EXPECT_EQ(add.result(), 22);
}

TEST(ExceptProcessTest, WrapsMadeInDifferentProcessesDoNotMixUp) {
  const Except exc;
  const auto here = exc.Wrap(Add);
  InAChild([&] {
    exc.Wrap(Add)(1, 1);
    exc.Wrap([] { return 5; })();
  });
  EXPECT_EQ(here.result(), std::nullopt);
}

TEST(ExceptProcessTest, YieldsComeWhileTheChildRuns) {
  const Except exc;
  const auto words = exc.Wrap(Words);
  Forked child([&] { words(500); });
  int next = 0;
  for (const std::string& word : words.result(absl::Seconds(60))) {
    EXPECT_EQ(word, std::to_string(next++));
  }
  EXPECT_EQ(next, 500);
  EXPECT_EQ(child.Wait(), 0);
}

TEST(ExceptProcessTest, AKilledGeneratorIsMissedAfterTheTimeout) {
  const Except exc;
  const auto words = exc.Wrap([]() -> Generator<int> {
    co_yield 1;
    co_yield 2;
    raise(SIGKILL);
  });
  Forked child([&] { words(); });
  EXPECT_EQ(child.Wait(), -SIGKILL);
  std::vector<int> values;
  const auto read = [&] {
    for (int value : words.result(absl::Milliseconds(10))) values.push_back(value);
  };
  EXPECT_THROW(read(), DeadlineExceeded);
  EXPECT_THAT(values, ElementsAre(1, 2));
}

TEST(ExceptProcessTest, OtherRecordsAndDamagedOnesAreSkipped) {
  const auto log = std::make_shared<SharedLog>();
  const Except exc = ExceptAccess::Make({.raises = false}, log);
  EXPECT_EQ(&ExceptAccess::Log(exc), log.get());
  exc([] { throw std::runtime_error("a"); });
  for (const char* bytes :
       {"", "rubbish", "a longer piece of rubbish, of many words, at least 8"}) {
    for (const std::uint32_t kind : {0, 1, 2, 3, 4, 16}) log->Append(kind, bytes);
  }
  ErrorInfo info;
  info.type = "std::out_of_range";
  info.message = "recorded directly";
  ExceptAccess::Record(exc, info, "work");
  EXPECT_THAT(Printed(exc), ElementsAre("/a", "work/recorded directly"));
  EXPECT_THROW(exc.RaiseAny("work"), std::out_of_range);
}

TEST(ExceptProcessTest, AChildThatKeepsAppendingKeepsNoReader) {
  const auto log = std::make_shared<SharedLog>();
  const Except exc = ExceptAccess::Make({.raises = false}, log);
  const auto words = exc.Wrap(Words);
  const auto flood = [&] {
    for (;;) log->Append(0, "no record of an Except");
  };
  Forked child(flood), other(flood);
  remoteobj_testing::Eventually(
      "records are appended", [&] { return log->Backlog() > 100'000; }, absl::Seconds(30));
  EXPECT_EQ(exc.size(), 0u);
  const auto read = [&] {
    for (const std::string& word : words.result(absl::Milliseconds(10))) ADD_FAILURE() << word;
  };
  EXPECT_THROW(read(), DeadlineExceeded);
  child.Kill();
  other.Kill();
}

// The end was believed only when the log was empty.
TEST(ExceptProcessTest, AChildThatKeepsAppendingKeepsNoGeneratorFromEnding) {
  const auto log = std::make_shared<SharedLog>();
  const Except exc = ExceptAccess::Make({.raises = false}, log);
  const auto words = exc.Wrap(Words);
  InAChild([&] { words(3); });
  const auto flood = [&] {
    for (;;) log->Append(0, "no record of an Except");
  };
  Forked child(flood), other(flood);
  remoteobj_testing::Eventually(
      "records are appended", [&] { return log->Backlog() > 100'000; }, absl::Seconds(30));
  int read = 0;
  for (const std::string& word : words.result()) EXPECT_EQ(word, std::to_string(read++));
  EXPECT_EQ(read, 3);
  child.Kill();
  other.Kill();
}

TEST(ExceptProcessTest, AForkWhileOtherThreadsReadAndRecord) {
  const Except exc({.raises = false});
  const LocalExcept local({.raises = false});
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop) {
      exc([] { throw std::runtime_error("busy"); });
      local([] { throw std::out_of_range("busy"); });
      exc.Clear();
      local.Clear();
      exc.size();
    }
  });
  for (int i = 0; i < 50; ++i) {
    Forked child([&] {
      exc("child", [] { throw std::runtime_error("x"); });
      local("child", [] { throw std::out_of_range("x"); });
      exc.size();
      if (local.Group("child").size() != 1) _exit(1);
    });
    EXPECT_EQ(child.Wait(), 0);
  }
  stop = true;
  busy.join();
}

}  // namespace
}  // namespace remoteobj
