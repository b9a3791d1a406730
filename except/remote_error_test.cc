// SPDX-License-Identifier: MIT
#include "remoteobj/except/remote_error.h"

#include <unistd.h>

#include <any>
#include <filesystem>
#include <functional>
#include <future>
#include <ios>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/traceback.h"
#include "remoteobj/except/try.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/transport/direct_call.h"
#include "remoteobj/transport/interruption.h"

namespace lab {

struct FromText : std::runtime_error {
  using runtime_error::runtime_error;
};

struct FromNothing : std::exception {
  const char* what() const noexcept override { return "made from nothing"; }
};
// At one line, as at the same line of a header and of a file that includes it.
#define REGISTER_BOTH REMOTEOBJ_REGISTER_ERROR(FromText) REMOTEOBJ_REGISTER_ERROR(FromNothing)
REGISTER_BOTH

template <typename T>
struct Templated : std::runtime_error {
  using runtime_error::runtime_error;
};
REMOTEOBJ_REGISTER_ERROR(Templated<std::vector<int>>)

// Its constructor throws, where its message is not what it wants.
struct Picky : std::runtime_error {
  explicit Picky(const std::string& what) : std::runtime_error("picky: " + what) {
    if (what.starts_with("picky: ")) throw std::invalid_argument("twice");
  }
};
REMOTEOBJ_REGISTER_ERROR(Picky)

// Says its status code.
struct Empty : std::out_of_range {
  using out_of_range::out_of_range;
  static constexpr absl::StatusCode kStatusCode = absl::StatusCode::kDataLoss;
};
REMOTEOBJ_REGISTER_ERROR(Empty)
struct OfEmpty : Empty {
  using Empty::Empty;
};

struct Unregistered : std::runtime_error {
  using runtime_error::runtime_error;
};

// Not registered, but derived from what is known.
struct OutOfData : std::out_of_range {
  using out_of_range::out_of_range;
};
struct FurtherDerived : private std::vector<int>, OutOfData {
  using OutOfData::OutOfData;
};
struct NoDevice : std::system_error {
  using system_error::system_error;
};
struct OfRegistered : FromText {
  using FromText::FromText;
};

struct Silent : std::exception {
  const char* what() const noexcept override { return ""; }
};

}  // namespace lab

namespace remoteobj {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// `info` as the other process receives it.
ErrorInfo OverTheWire(const ErrorInfo& info) {
  ErrorInfo received;
  CallDirectly([](RequestWriter request) { request.Operations(0); },
               [&](const RequestReader&, OutcomeWriter& outcome) { outcome.Error(info); },
               [&](const OutcomeReader& outcome) { received = outcome.Error(); });
  return received;
}

template <typename F>
ErrorInfo Captured(F throws) {
  try {
    throws();
  } catch (...) {
    return CaptureCurrentException();
  }
  throw std::logic_error("nothing was thrown");
}

// Calls `check` with what `info` is rethrown as, which must be an E, exactly or derived.
template <typename E>
void CheckRethrown(const ErrorInfo& info, const std::function<void(const E&)>& check) {
  try {
    Rethrow(info);
  } catch (const std::exception& e) {
    EXPECT_NE(RemoteErrorOf(e), nullptr);
    const auto* own = dynamic_cast<const E*>(&e);
    ASSERT_NE(own, nullptr) << TypeName<E>() << " came as " << TypeName(typeid(e));
    check(*own);
  }
}

// `error` comes back as its own type, with its own words.
template <typename E>
void CheckOwnType(const E& error, const std::function<void(const E&)>& check = [](const E&) {}) {
  SCOPED_TRACE(TypeName<E>());
  const ErrorInfo info = OverTheWire(Captured([&] { throw error; }));
  EXPECT_EQ(info.type, TypeName<E>());
  EXPECT_EQ(info.message, error.what());
  CheckRethrown<E>(info, [&](const E& e) {
    EXPECT_STREQ(e.what(), error.what());
    EXPECT_EQ(RemoteErrorOf(e)->type(), TypeName<E>());
    EXPECT_EQ(RemoteErrorOf(e)->message(), error.what());
    EXPECT_EQ(typeid(e), typeid(except_internal::Rethrown<E>)) << "not only a base of it";
    check(e);
    // And once more, as through a third process.
    const ErrorInfo again = OverTheWire(Captured([&] { throw; }));
    EXPECT_EQ(again.type, info.type);
    EXPECT_EQ(again.message, info.message);
    EXPECT_EQ(again.time_ns, info.time_ns);
    CheckRethrown<E>(again, check);
  });
}

// Throws `depth` errors, each nested around the next.
void ThrowNested(int depth) {
  const std::string what = "level " + std::to_string(depth);
  if (depth == 0) throw std::out_of_range(what);
  try {
    ThrowNested(depth - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error(what));
  }
}

TEST(RemoteErrorTest, StandardTypesComeAsThemselves) {
  CheckOwnType(std::exception());
  CheckOwnType(std::bad_exception());
  CheckOwnType(std::bad_alloc());
  CheckOwnType(std::bad_array_new_length());
  CheckOwnType(std::bad_cast());
  CheckOwnType(std::bad_any_cast());
  CheckOwnType(std::bad_typeid());
  CheckOwnType(std::bad_function_call());
  CheckOwnType(std::bad_optional_access());
  CheckOwnType(std::bad_variant_access());
  CheckOwnType(std::bad_weak_ptr());
  CheckOwnType(std::logic_error("logic"));
  CheckOwnType(std::domain_error("domain"));
  CheckOwnType(std::invalid_argument("argument"));
  CheckOwnType(std::length_error("length"));
  CheckOwnType(std::out_of_range("range"));
  CheckOwnType(std::runtime_error("runtime"));
  CheckOwnType(std::overflow_error("overflow"));
  CheckOwnType(std::range_error("range"));
  CheckOwnType(std::underflow_error("underflow"));
}

TEST(RemoteErrorTest, WhatIsThrownByTheLibraryComesAsItself) {
  const auto check = [](const std::function<void()>& throws, std::string_view type) {
    const ErrorInfo info = OverTheWire(Captured(throws));
    EXPECT_EQ(info.type, type);
    EXPECT_THAT(info.message, Not(IsEmpty()));
    try {
      Rethrow(info);
    } catch (const std::exception& e) {
      EXPECT_EQ(e.what(), info.message);
      EXPECT_EQ(TypeName(typeid(e)),
                "remoteobj::except_internal::Rethrown<" + std::string(type) + ">");
    }
  };
  check([] { std::vector<int>().at(3); }, "std::out_of_range");
  check([] { std::stoi("x"); }, "std::invalid_argument");
  check([] { std::string().resize(SIZE_MAX); }, "std::length_error");
  check([] { std::any_cast<int>(std::any(1.5)); }, "std::bad_any_cast");
  check([] { std::get<int>(std::variant<int, double>(1.5)); }, "std::bad_variant_access");
  check([] { std::optional<int>().value(); }, "std::bad_optional_access");
  check([] { std::function<void()>()(); }, "std::bad_function_call");
  check([] { std::shared_ptr<int>(std::weak_ptr<int>()); }, "std::bad_weak_ptr");
}

TEST(RemoteErrorTest, CodesComeAlong) {
  using std::filesystem::filesystem_error;
  const auto same_code = [](const auto& code) {
    return [=](const auto& e) { EXPECT_EQ(e.code(), code); };
  };
  const std::error_code missing(ENOENT, std::generic_category());
  const std::error_code denied(EACCES, std::system_category());
  CheckOwnType<std::system_error>(std::system_error(missing, "opening"), same_code(missing));
  CheckOwnType<std::system_error>(std::system_error(denied), same_code(denied));
  CheckOwnType<std::future_error>(
      std::future_error(std::future_errc::broken_promise),
      same_code(std::make_error_code(std::future_errc::broken_promise)));
  CheckOwnType<std::ios_base::failure>(
      std::ios_base::failure("reading", std::make_error_code(std::io_errc::stream)),
      same_code(std::make_error_code(std::io_errc::stream)));
  CheckOwnType<filesystem_error>(filesystem_error("moving", "/from", "/to", missing),
                                 [&](const filesystem_error& e) {
                                   EXPECT_EQ(e.path1(), "/from");
                                   EXPECT_EQ(e.path2(), "/to");
                                   EXPECT_EQ(e.code(), missing);
                                 });
}

// Its fields used to carry along all of the message that they had come in.
TEST(RemoteErrorTest, DoesNotGrowFromHopToHop) {
  using std::filesystem::filesystem_error;
  const std::error_code missing(ENOENT, std::generic_category());
  const auto hop = [](const ErrorInfo& info) {
    try {
      Rethrow(info);
    } catch (...) {
      return OverTheWire(CaptureCurrentException());
    }
  };
  ErrorInfo info = OverTheWire(Captured([&] {
    throw filesystem_error(std::string(1000, 'x'), "/from", std::string(50, '/'), missing);
  }));
  const std::size_t size = info.fields.size();
  EXPECT_LT(size, 500u);
  for (int i = 0; i < 5; ++i) {
    info = hop(info);
    EXPECT_EQ(info.fields.size(), size);
  }
  CheckRethrown<filesystem_error>(info, [&](const filesystem_error& e) {
    EXPECT_EQ(e.path1(), "/from");
    EXPECT_EQ(e.code(), missing);
  });
}

TEST(RemoteErrorTest, ACodeOfAnUnknownCategoryKeepsItsNumber) {
  class Local final : public std::error_category {
   public:
    const char* name() const noexcept override { return "local"; }
    std::string message(int) const override { return "a local error"; }
  };
  static const Local local;
  const ErrorInfo info =
      OverTheWire(Captured([] { throw std::system_error(7, local, "calibrating"); }));
  CheckRethrown<std::system_error>(info, [](const std::system_error& e) {
    EXPECT_EQ(e.code().value(), 7);
    EXPECT_NE(e.code().category(), std::generic_category());
    EXPECT_STREQ(e.what(), "calibrating: a local error");
  });
}

TEST(RemoteErrorTest, OursComeAsThemselves) {
  CheckOwnType(NotListening("nobody"));
  CheckOwnType(DeadlineExceeded("late"));
  CheckOwnType(BadValue("bad"));
  CheckOwnType(NotDescribed("unknown"));
  CheckOwnType(NotExposed("hidden"));
  CheckOwnType(AuthenticationError("another key"));
  CheckOwnType(ConnectionRefused("version"));
  CheckOwnType(StaleReference("gone"));
  CheckOwnType<ListenerDied>(ListenerDied("died", {.pid = 12, .signal = 9}, true),
                             [](const ListenerDied& e) {
                               EXPECT_EQ(e.pid(), 12);
                               EXPECT_EQ(e.end().signal, 9);
                               EXPECT_EQ(e.end().exit_code, std::nullopt);
                               EXPECT_TRUE(e.evaluating());
                             });
  CheckOwnType<DeadlineExceeded>(
      DeadlineExceeded::After(absl::Milliseconds(20), "late"),
      [](const DeadlineExceeded& e) { EXPECT_EQ(e.waited(), absl::Milliseconds(20)); });
  CheckOwnType<absl::BadStatusOrAccess>(
      absl::BadStatusOrAccess(absl::NotFoundError("nothing there")),
      [](const absl::BadStatusOrAccess& e) {
        EXPECT_EQ(e.status(), absl::NotFoundError("nothing there"));
      });
}

TEST(RemoteErrorTest, RegisteredTypesComeAsThemselves) {
  CheckOwnType(lab::FromText("some text"));
  CheckOwnType(lab::FromText(""));
  CheckOwnType(lab::FromNothing());
  CheckOwnType(lab::Templated<std::vector<int>>("of a template"));
}

TEST(RemoteErrorTest, OthersComeAsRemoteError) {
  const ErrorInfo info = OverTheWire(Captured([] { throw lab::Unregistered("unknown here"); }));
  EXPECT_EQ(info.type, "lab::Unregistered");
  CheckRethrown<RemoteError>(info, [](const RemoteError& e) {
    EXPECT_EQ(e.type(), "lab::Unregistered");
    EXPECT_EQ(e.message(), "unknown here");
    EXPECT_STREQ(e.what(), "lab::Unregistered: unknown here");
    EXPECT_EQ(RemoteErrorOf(e), &e);
  });
  EXPECT_EQ(Captured([] { throw lab::Silent(); }).message, "");
}

TEST(RemoteErrorTest, DerivedOnesComeAsTheNearestKnownBase) {
  const auto check = [](const auto& base, const auto& error, std::string_view type) {
    using Base = std::decay_t<decltype(base)>;
    SCOPED_TRACE(type);
    const auto is_base = [&](const Base& e) {
      EXPECT_STREQ(e.what(), error.what());
      EXPECT_EQ(RemoteErrorOf(e)->type(), type);
      if constexpr (std::is_same_v<Base, std::system_error>) {
        EXPECT_EQ(e.code(), error.code());
      }
    };
    const ErrorInfo info = OverTheWire(Captured([&] { throw error; }));
    EXPECT_EQ(info.type, type);
    CheckRethrown<Base>(info, is_base);
    // Also from a third process, and with a cause.
    CheckRethrown<Base>(OverTheWire(Captured([&] { Rethrow(info); })), is_base);
    const ErrorInfo nested = OverTheWire(Captured([&] {
      try {
        throw 42;
      } catch (...) {
        std::throw_with_nested(error);
      }
    }));
    CheckRethrown<Base>(nested, is_base);
    EXPECT_EQ(nested.causes.size(), 1u);
  };
  check(std::out_of_range(""), lab::OutOfData("x"), "lab::OutOfData");
  check(std::out_of_range(""), lab::FurtherDerived("x"), "lab::FurtherDerived");
  check(std::system_error(std::error_code()),
        lab::NoDevice(std::error_code(ENODEV, std::generic_category()), "opening"),
        "lab::NoDevice");
  check(lab::FromText(""), lab::OfRegistered("x"), "lab::OfRegistered");
}

TEST(RemoteErrorTest, IsKeptAsBytes) {
  ErrorInfo info = Captured([] { ThrowNested(1); });
  info.group = "work";
  const ErrorInfo read = UnpackError(PackError(info));
  EXPECT_EQ(read.type, info.type);
  EXPECT_EQ(read.message, info.message);
  EXPECT_EQ(read.group, "work");
  EXPECT_EQ(read.causes.size(), 1u);
  EXPECT_EQ(read.time_ns, info.time_ns);
  for (const std::string& bytes :
       {std::string(), std::string("rubbish"), std::string(100, '\xff'), Pack(5)}) {
    try {
      UnpackError(bytes);
    } catch (const BadValue&) {
    }
  }
}

TEST(RemoteErrorTest, WhatIsNoExceptionComesAsRemoteError) {
  const auto check = [](const std::function<void()>& throws, std::string_view type,
                        std::string_view message) {
    const ErrorInfo info = OverTheWire(Captured(throws));
    CheckRethrown<RemoteError>(info, [&](const RemoteError& e) {
      EXPECT_EQ(e.type(), type);
      EXPECT_EQ(e.message(), message);
    });
  };
  struct Local {};
  check([] { throw 42; }, "int", "42");
  check([] { throw "literal"; }, "char const*", "literal");
  check([] { throw static_cast<const char*>(nullptr); }, "char const*", "");
  check([] { throw std::string("text"); }, "std::string", "text");
  check([] { throw 1.5; }, "double", "");
  check([] { throw std::vector<int>{1}; }, "std::vector<int, std::allocator<int>>", "");
}

TEST(RemoteErrorTest, TellsWhereItComesFrom) {
  const absl::Time before = absl::Now();
  ErrorInfo info;
  std::thread([&] {
    pthread_setname_np(pthread_self(), "a thread");
    info = Captured([] { throw std::runtime_error("x"); });
  }).join();
  const RemoteError error(OverTheWire(info));
  EXPECT_EQ(error.pid(), getpid());
  EXPECT_EQ(error.thread(), "a thread");
  EXPECT_THAT(error.process(), HasSubstr("remote_error"));
  EXPECT_LE(before, error.time());
  EXPECT_LE(error.time(), absl::Now());
}

TEST(RemoteErrorTest, ALocalErrorHasNoRemoteSide) {
  EXPECT_EQ(RemoteErrorOf(std::runtime_error("local")), nullptr);
  EXPECT_EQ(RemoteErrorOf(NotListening("local")), nullptr);
}

TEST(RemoteErrorTest, CausesComeAlong) {
  const ErrorInfo info = OverTheWire(Captured([] { ThrowNested(3); }));
  CheckRethrown<std::runtime_error>(info, [](const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "level 3");
    const RemoteError* error = RemoteErrorOf(e);
    EXPECT_EQ(error->type(), "std::runtime_error");
    std::vector<std::string> causes;
    for (const ErrorInfo& cause : error->causes()) {
      causes.push_back(cause.type + " " + cause.message);
    }
    EXPECT_THAT(causes, ElementsAre("std::runtime_error level 2", "std::runtime_error level 1",
                                    "std::out_of_range level 0"));
  });
}

TEST(RemoteErrorTest, VeryDeepCausesAreCutShort) {
  const ErrorInfo info = OverTheWire(Captured([] { ThrowNested(200); }));
  EXPECT_EQ(info.message, "level 200");
  EXPECT_EQ(info.causes.size(), 16u);
  EXPECT_EQ(info.causes[15].message, "level 184");
}

TEST(RemoteErrorTest, CausesOfAllKinds) {
  const auto nested = [](auto cause) {
    return OverTheWire(Captured([&] {
      try {
        throw cause;
      } catch (...) {
        std::throw_with_nested(lab::Templated<std::vector<int>>("around it"));
      }
    }));
  };
  EXPECT_EQ(nested(42).causes.at(0).type, "int");
  EXPECT_EQ(nested(lab::Unregistered("u")).causes.at(0).type, "lab::Unregistered");
  const ErrorInfo of_template = nested(std::logic_error("l"));
  EXPECT_EQ(of_template.type, (TypeName<lab::Templated<std::vector<int>>>()));
  CheckRethrown<lab::Templated<std::vector<int>>>(
      of_template, [](const auto& e) { EXPECT_EQ(RemoteErrorOf(e)->causes().at(0).message, "l"); });
  // The cause has itself come from another process.
  ErrorInfo remote;
  remote.type = "far::Away";
  remote.message = "far";
  remote.pid = 77;
  EXPECT_EQ(nested(RemoteError(remote)).causes.at(0).pid, 77);
}

TEST(RemoteErrorTest, ANestedExceptionThatIsEmptyIsNone) {
  struct Hollow : std::runtime_error, std::nested_exception {
    Hollow() : runtime_error("hollow") {}
  };
  EXPECT_THAT(Captured([] { throw Hollow(); }).causes, IsEmpty());
}

TEST(RemoteErrorTest, DamagedErrorsAreStillErrors) {
  for (const char* type : {"std::system_error", "std::ios_base::failure[abi:cxx11]",
                           "std::future_error", "std::filesystem::filesystem_error",
                           "remoteobj::ListenerDied", "absl::BadStatusOrAccess"}) {
    for (const std::string& fields :
         {std::string(), std::string("rubbish"), std::string(1000, '\xff'), Pack(5),
          Pack(std::vector<std::string>{"a", "b"})}) {
      ErrorInfo info;
      info.type = type;
      info.message = "what it said";
      info.fields = fields;
      CheckRethrown<RemoteError>(info, [&](const RemoteError& e) {
        EXPECT_EQ(e.type(), type);
        EXPECT_EQ(e.message(), "what it said");
      });
    }
  }
}

TEST(RemoteErrorTest, AnErrorThatCannotBeMadeAnewIsStillAnError) {
  const ErrorInfo info = OverTheWire(Captured([] { throw lab::Picky("first"); }));
  CheckRethrown<RemoteError>(info, [](const RemoteError& e) {
    EXPECT_EQ(e.type(), "lab::Picky");
    EXPECT_EQ(e.message(), "picky: first");
  });
}

TEST(RemoteErrorTest, NeedsNoTypeAndNoMessage) {
  CheckRethrown<RemoteError>(OverTheWire(ErrorInfo()), [](const RemoteError& e) {
    EXPECT_EQ(e.type(), "");
    EXPECT_EQ(e.message(), "");
    EXPECT_EQ(e.pid(), 0);
  });
}

std::string Print(const RemoteError& error) {
  std::ostringstream out;
  out << error;
  return out.str();
}

TEST(RemoteErrorTest, Prints) {
  ErrorInfo info;
  info.type = "app::Lost";
  info.message = "the key";
  EXPECT_EQ(Print(RemoteError(info)), "app::Lost: the key");
  info.pid = 12;
  info.process = "worker";
  info.thread = "main";
  EXPECT_EQ(Print(RemoteError(info)),
            "app::Lost: the key (in process worker, pid 12, thread main)");
  info.group = "work";
  info.traceback = {"main", "app::Work()"};
  info.causes.resize(2);
  info.causes[0].type = "std::out_of_range";
  info.causes[0].message = "far";
  info.causes[0].traceback = {"app::Seek() at app/seek.cc:7"};
  info.causes[1].type = "int";
  EXPECT_EQ(Print(RemoteError(OverTheWire(info))),
            "Traceback (innermost frame last):\n"
            "  main\n"
            "  app::Work()\n"
            "app::Lost: the key (in process worker, pid 12, thread main, group work)\n"
            "  caused by std::out_of_range: far\n"
            "    app::Seek() at app/seek.cc:7\n"
            "  caused by int: ");
}

TEST(RemoteErrorTest, TellsWhereItWasThrown) {
  const TracebackScope scope;
  const auto in_throw_nested = Contains(HasSubstr("ThrowNested()"));
  const ErrorInfo info = OverTheWire(Captured([] { ThrowNested(2); }));
  EXPECT_THAT(info.traceback, in_throw_nested);
  ASSERT_EQ(info.causes.size(), 2u);
  EXPECT_THAT(info.causes[0].traceback, in_throw_nested);
  EXPECT_THAT(info.causes[1].traceback, in_throw_nested);
  EXPECT_FALSE(Captured([] { throw 42; }).traceback.empty());
  // An error from another process keeps its traceback.
  EXPECT_EQ(Captured([&] { Rethrow(info); }).traceback, info.traceback);
}

TEST(RemoteErrorTest, CopiesShareWhatTheySay) {
  ErrorInfo info;
  info.message = "m";
  const RemoteError error(info);
  const RemoteError copy = error;
  EXPECT_EQ(&copy.info(), &error.info());
  EXPECT_TRUE(std::is_nothrow_copy_constructible_v<RemoteError>);
}

TEST(RemoteErrorTest, BecomesAStatus) {
  using absl::StatusCode;
  const auto check = [](auto error, StatusCode code, std::string_view message) {
    SCOPED_TRACE(TypeName<decltype(error)>());
    const auto status = [&](const std::function<void()>& throws) {
      try {
        throws();
      } catch (...) {
        return CurrentExceptionToStatus();
      }
      return absl::OkStatus();
    };
    const absl::Status local = status([&] { throw error; });
    EXPECT_EQ(local.code(), code);
    EXPECT_THAT(std::string(local.message()), HasSubstr(std::string(message)));
    const ErrorInfo info = OverTheWire(Captured([&] { throw error; }));
    EXPECT_EQ(status([&] { Rethrow(info); }), local) << "the same when it comes from elsewhere";
  };
  check(NotListening("nobody"), StatusCode::kUnavailable, "nobody");
  check(ListenerDied("died", {.pid = 1}, false), StatusCode::kAborted, "died");
  check(DeadlineExceeded("late"), StatusCode::kDeadlineExceeded, "late");
  check(NotDescribed("what"), StatusCode::kUnimplemented, "what");
  check(NotExposed("hidden"), StatusCode::kPermissionDenied, "hidden");
  check(AuthenticationError("what"), StatusCode::kUnauthenticated, "what");
  check(ConnectionRefused("version"), StatusCode::kFailedPrecondition, "version");
  check(StaleReference("gone"), StatusCode::kNotFound, "gone");
  check(BadValue("bad"), StatusCode::kInvalidArgument, "bad");
  check(absl::BadStatusOrAccess(absl::DataLossError("lost")), StatusCode::kDataLoss, "lost");
  check(std::out_of_range("far"), StatusCode::kOutOfRange, "far");
  check(std::invalid_argument("arg"), StatusCode::kInvalidArgument, "arg");
  check(std::bad_alloc(), StatusCode::kResourceExhausted, "");
  check(lab::OutOfData("none"), StatusCode::kOutOfRange, "none");
  check(lab::Empty("empty"), StatusCode::kDataLoss, "empty");
  check(lab::OfEmpty("emptier"), StatusCode::kDataLoss, "emptier");
  check(std::logic_error("logic"), StatusCode::kFailedPrecondition, "logic");
  check(std::domain_error("domain"), StatusCode::kFailedPrecondition, "domain");
  check(std::system_error(ENOSPC, std::system_category(), "full"), StatusCode::kResourceExhausted,
        "full: ");
  check(std::system_error(std::make_error_code(std::errc::no_such_file_or_directory)),
        StatusCode::kNotFound, "No such file");
  check(std::ios_base::failure("stream"), StatusCode::kUnknown, "stream");
  check(lab::FromText("text"), StatusCode::kUnknown, "lab::FromText: text");
  check(42, StatusCode::kUnknown, "int: 42");
  check(std::string("text"), StatusCode::kUnknown, "std::string: text");
}

TEST(RemoteErrorTest, ACallThatTheObjectMadeItselfIsNotForItsCallerToRetry) {
  EXPECT_TRUE(NotListening("nobody").retryable());
  try {
    Rethrow(OverTheWire(Captured([] { throw NotListening("nobody"); })));
  } catch (const NotListening& e) {
    ASSERT_NE(RemoteErrorOf(e), nullptr);
    EXPECT_FALSE(e.retryable());
  }
}

TEST(TryTest, ReturnsAStatusOfWhatIsThrown) {
  int calls = 0;
  EXPECT_TRUE(Try([&] { ++calls; }).ok());
  EXPECT_EQ(Try([&] { return ++calls; }).value(), 2);
  EXPECT_EQ(*Try([&]() -> const int& { return calls; }), 2) << "a copy";
  EXPECT_EQ(*Try([] { return std::make_unique<int>(3); }).value(), 3);
  EXPECT_EQ(Try([] { throw std::out_of_range("far"); }), absl::OutOfRangeError("far"));
  const absl::StatusOr<int> none = Try([]() -> int { throw lab::Empty("empty"); });
  EXPECT_EQ(none.status(), absl::DataLossError("empty"));
  EXPECT_EQ(Try([] { throw StopRequested(); }).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Try([] { std::throw_with_nested(lab::Empty("empty")); }), absl::DataLossError("empty"));
}

TEST(TypeNameTest, NamesTypesAsPeopleWriteThem) {
  EXPECT_EQ(TypeName<int>(), "int");
  EXPECT_EQ(TypeName<std::string>(), "std::string");
  EXPECT_EQ(TypeName<lab::Silent>(), "lab::Silent");
  EXPECT_EQ(TypeName<lab::Templated<std::string>>(), "lab::Templated<std::string>");
  EXPECT_EQ(TypeName<lab::Templated<lab::Templated<int>>>(), "lab::Templated<lab::Templated<int>>");
  EXPECT_EQ(TypeName<std::system_error>(), "std::system_error");
  EXPECT_EQ(TypeName<std::filesystem::filesystem_error>(), "std::filesystem::filesystem_error");
}

}  // namespace
}  // namespace remoteobj
