// SPDX-License-Identifier: MIT
#include "remoteobj/transport/errors.h"

#include <functional>
#include <string>
#include <typeinfo>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace remoteobj {
namespace {

using Kind = CallError::Kind;

// `error` is of this kind and code; with a context it stays what it is.
template <typename E>
void Check(
    const E& error, Kind kind, absl::StatusCode code,
    const std::function<void(const E&)>& check = [](const E&) {}) {
  SCOPED_TRACE(error.what());
  EXPECT_EQ(error.kind(), kind);
  EXPECT_EQ(error.status_code(), code);
  const CallError& base = error;
  try {
    base.ThrowWithContext("Counter.Inc()");
  } catch (const CallError& e) {
    EXPECT_EQ(typeid(e), typeid(E));
    EXPECT_EQ(e.what(), std::string("Counter.Inc(): ") + error.what());
    EXPECT_EQ(e.kind(), kind);
    check(static_cast<const E&>(e));
  }
  check(error);
}

TEST(BadValueTest, SaysWhichPartOfWhichValueWasRefused) {
  const BadValue error("a null");
  EXPECT_STREQ(error.Within(".pose").what(), "a null in value.pose");
  const BadValue inner = error.Within(".pose").Within("[3]");
  EXPECT_STREQ(inner.what(), "a null in value[3].pose");
  EXPECT_STREQ(inner.Within("", "argument 1").what(), "a null in argument 1[3].pose");
  EXPECT_STREQ(error.Within("", "argument 1").what(), "a null in argument 1");
  try {
    inner.ThrowWithContext("f()");
  } catch (const BadValue& named) {
    EXPECT_STREQ(named.what(), "f(): a null in value[3].pose");
    EXPECT_STREQ(named.Within(".a").what(), "f(): a null in value.a[3].pose");
  }
  BadValue deep = error;
  for (int i = 0; i < 1000; ++i) deep = deep.Within("[7]");
  EXPECT_LT(std::string(deep.what()).size(), 400u);
}

TEST(ErrorsTest, EachKindHasACodeAndKeepsItsTypeWithAContext) {
  using absl::StatusCode;
  Check(NotListening("nobody"), Kind::kNotListening, StatusCode::kUnavailable);
  Check<ListenerDied>(ListenerDied("died", {.pid = 12, .signal = 9}, true), Kind::kListenerDied,
                      StatusCode::kAborted, [](const ListenerDied& e) {
                        EXPECT_EQ(e.end(), (ProcessEnd{.pid = 12, .signal = 9}));
                        EXPECT_TRUE(e.evaluating());
                      });
  Check(DeadlineExceeded("late"), Kind::kDeadlineExceeded, StatusCode::kDeadlineExceeded);
  Check(BadValue("bad"), Kind::kBadValue, StatusCode::kInvalidArgument);
  Check(NotDescribed("unknown"), Kind::kNotDescribed, StatusCode::kUnimplemented);
  Check(NotExposed("hidden"), Kind::kNotExposed, StatusCode::kPermissionDenied);
  Check(AuthenticationError("key"), Kind::kAuthenticationError, StatusCode::kUnauthenticated);
  Check(ConnectionRefused("version"), Kind::kConnectionRefused, StatusCode::kFailedPrecondition);
  Check(StaleReference("gone"), Kind::kStaleReference, StatusCode::kNotFound);
}

TEST(ErrorsTest, OnlyACallThatWasNotEvaluatedIsRetryable) {
  const auto retryable = [](const CallError& e) { return e.retryable(); };
  EXPECT_TRUE(retryable(NotListening("nobody")));
  EXPECT_TRUE(retryable(ListenerDied("died", {.pid = 12}, /*evaluating=*/false)));
  EXPECT_FALSE(retryable(ListenerDied("died", {.pid = 12}, /*evaluating=*/true)));
  EXPECT_FALSE(retryable(DeadlineExceeded("late")));
  EXPECT_FALSE(retryable(StaleReference("gone")));
  EXPECT_FALSE(retryable(QuotaExceeded("much")));
}

TEST(ErrorsTest, ADeadlineSaysHowLongItWasWaitedFor) {
  EXPECT_EQ(DeadlineExceeded("late").waited(), std::nullopt);
  const auto error = DeadlineExceeded::After(absl::Milliseconds(300), "late");
  EXPECT_STREQ(error.what(), "late (waited 300ms)");
  Check<DeadlineExceeded>(
      error, Kind::kDeadlineExceeded, absl::StatusCode::kDeadlineExceeded,
      [](const DeadlineExceeded& e) { EXPECT_EQ(e.waited(), absl::Milliseconds(300)); });
}

TEST(ErrorsTest, WhatDerivesFromOneComesWithAContextAsThat) {
  struct Busy : NotListening {
    using NotListening::NotListening;
  };
  try {
    Busy("busy").ThrowWithContext("f()");
  } catch (const CallError& e) {
    EXPECT_EQ(typeid(e), typeid(NotListening));
    EXPECT_STREQ(e.what(), "f(): busy");
  }
}

}  // namespace
}  // namespace remoteobj
