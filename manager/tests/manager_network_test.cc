// SPDX-License-Identifier: MIT
//
// Two network namespaces as two hosts, with a cable between them that is cut.
//
// Needs the right to make them (root, or user namespaces) and `ip`; else it skips. A client that
// waits without a deadline gets an error after about a minute; the test does not wait for that.
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/manager/errors.h"
#include "remoteobj/manager/manager.h"
#include "remoteobj/manager/tests/manager_testing.h"
#include "remoteobj/testing/eventually.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/tls.h"

namespace remoteobj {
namespace {

using remoteobj_testing::Forked;

constexpr char kAddress[] = "tcp:10.77.0.2:7000";

bool Ip(const std::string& arguments) {
  return std::system(absl::StrCat("ip ", arguments, " 2>/dev/null").c_str()) == 0;
}

void Await(int event) {
  std::uint64_t count;
  while (read(event, &count, sizeof count) != sizeof count) {
  }
}
void Tell(int event) {
  const std::uint64_t one = 1;
  ASSERT_EQ(write(event, &one, sizeof one), static_cast<ssize_t>(sizeof one));
}

std::string Pem(const std::string& name) {
  std::ifstream in("manager/tests/testdata/tls/" + name + ".pem");
  std::string pem{std::istreambuf_iterator<char>(in), {}};
  EXPECT_FALSE(pem.empty()) << name;
  return pem;
}

// With the key alone, and within TLS.
class ManagerNetworkTest : public testing::TestWithParam<bool> {
 protected:
  static ManagerOptions Options(TlsOptions tls) {
    ManagerOptions options{.authkey = "the key of both hosts"};
    if (GetParam()) options.tls = NewTls(std::move(tls));
    return options;
  }
  static ManagerOptions Servers() {
    return Options({.certificate = Pem("server"), .private_key = Pem("server_key")});
  }
  static ManagerOptions Clients() {
    return Options({.authorities = Pem("ca"), .server_name = "server.remoteobj.test"});
  }

  void SetUp() override {
    if (!Ip("-V >/dev/null")) GTEST_SKIP() << "there is no `ip` (iproute2)";
    // A process without the right may have it as the root of a user namespace of its own.
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
      GTEST_SKIP() << "this process may not make network namespaces";
    }
    const int is_apart = eventfd(0, EFD_CLOEXEC);
    const int has_cable = eventfd(0, EFD_CLOEXEC);
    there_ = std::make_unique<Forked>([&] {
      if (unshare(CLONE_NEWNET) != 0) _exit(1);
      Tell(is_apart);
      Await(has_cable);
      if (!Ip("addr add 10.77.0.2/24 dev there") || !Ip("link set there up")) _exit(1);
      Manager(kAddress, Servers()).ServeForever();
    });
    Await(is_apart);
    if (!Ip(absl::StrCat("link add here type veth peer name there netns ", there_->pid()))) {
      GTEST_SKIP() << "this process may not make network devices";
    }
    ASSERT_TRUE(Ip("addr add 10.77.0.1/24 dev here") && Ip("link set here up"));
    Tell(has_cable);
    close(is_apart);
    close(has_cable);
    ManagerOptions clients = Clients();
    clients.wait_until_serving = true;
    manager_.emplace(Manager::Connect(kAddress, clients));
  }

  void AwaitWaiting() {
    remoteobj_testing::Eventually("a call waits",
                                  [&] { return manager_internal::Waiting(*manager_) != 0; });
  }

  std::unique_ptr<Forked> there_;
  std::optional<Manager> manager_;
};

INSTANTIATE_TEST_SUITE_P(Ways, ManagerNetworkTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Tls" : "Key"; });

TEST_P(ManagerNetworkTest, WhoWaitsWithADeadlineIsToldInTimeThatTheCableIsCut) {
  ManagerOptions other = Clients();
  other.authkey = "another key of one host";
  EXPECT_THROW(Manager::Connect(kAddress, other), AuthenticationError);
  const auto jobs = manager_->Queue<int>();
  jobs->put(1);
  EXPECT_EQ(jobs->get(), 1);

  std::string how = "an item";
  std::thread waiter([&] {
    try {
      jobs->get(absl::Seconds(2));
    } catch (const DeadlineExceeded&) {
      how = "in time";
    } catch (const QueueEmpty&) {
      how = "in time";
    } catch (const std::exception& e) {
      how = e.what();
    }
  });
  AwaitWaiting();
  ASSERT_TRUE(Ip("link set here down"));
  waiter.join();
  EXPECT_EQ(how, "in time");

  ASSERT_TRUE(Ip("link set here up"));
  jobs->put(2);
  EXPECT_EQ(jobs->get(), 2);
  EXPECT_EQ(jobs->size(), 0u);
}

TEST_P(ManagerNetworkTest, AHostThatVanishesIsNoticedWithinADeadline) {
  const auto jobs = manager_->Queue<int>();
  ASSERT_TRUE(Ip("link set here down"));
  there_->Kill();  // Nobody is there to say that the connections are gone.
  EXPECT_THROW(jobs->get(absl::Milliseconds(100)), DeadlineExceeded);
}

}  // namespace
}  // namespace remoteobj
