// SPDX-License-Identifier: MIT
//
// What methods throw that has no text, or is no std::exception: it comes as an error, and ends
// neither the listener nor the manager.
#include <unistd.h>

#include <exception>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/testing/forked.h"

namespace lab {

struct NullWhat : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

struct Thrower {
  void ThrowNullWhat() { throw NullWhat(); }
  void ThrowInt() { throw 5; }
  int Inc() { return ++count; }
  int count = 0;
};
REMOTEOBJ_DESCRIBE(Thrower, ThrowNullWhat, ThrowInt, Inc)

}  // namespace lab

namespace remoteobj {
namespace {

using lab::Thrower;
using testing::HasSubstr;

void ExpectErrors(const Proxy<Thrower>& thrower) {
  try {
    thrower->ThrowNullWhat();
    FAIL() << "nothing was thrown";
  } catch (const std::exception& e) {
    const RemoteError* const error = RemoteErrorOf(e);
    ASSERT_NE(error, nullptr);
    EXPECT_THAT(error->type(), HasSubstr("NullWhat"));
    EXPECT_NE(e.what(), nullptr);
  }
  try {
    thrower->ThrowInt();
    FAIL() << "nothing was thrown";
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "int");
    EXPECT_THAT(error.message(), HasSubstr("5"));
  }
  EXPECT_EQ(thrower->Inc(), 1);
}

TEST(OddErrorsTest, OfAnotherProcess) {
  Thrower here;
  const Proxy<Thrower> remote(here);
  remoteobj_testing::Forked listener([&] {
    const auto listening = remote.ListenInBackground();
    for (;;) pause();
  });
  remote.WaitUntilListening();
  ExpectErrors(remote);
}

TEST(OddErrorsTest, OfAManagersObject) {
  for (const auto run : {remoteobj::Run::kOnThread, remoteobj::Run::kInServer}) {
    Manager manager;
    manager.Register<Thrower>("Thrower", {.run = run});
    manager.Start();
    ExpectErrors(manager.Create<Thrower>("Thrower"));
  }
}

}  // namespace
}  // namespace remoteobj
