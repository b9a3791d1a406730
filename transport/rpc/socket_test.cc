// SPDX-License-Identifier: MIT
#include "remoteobj/transport/rpc/internal/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/address.h"

namespace {

struct Found {
  addrinfo info = {};
  sockaddr_in address = {};
};

Found& FoundAt(int i, const char* ip, const char* port) {
  static Found found[2];
  Found& one = found[i];
  one.address = {};
  one.address.sin_family = AF_INET;
  one.address.sin_port = htons(static_cast<in_port_t>(std::atoi(port)));
  inet_pton(AF_INET, ip, &one.address.sin_addr);
  one.info = {};
  one.info.ai_family = AF_INET;
  one.info.ai_socktype = SOCK_STREAM;
  one.info.ai_addr = reinterpret_cast<sockaddr*>(&one.address);
  one.info.ai_addrlen = sizeof one.address;
  return one;
}

constexpr char kSilent[] = "127.0.0.66";

}  // namespace

// In this program a host "dual" has two addresses.
extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo*, addrinfo** out) {
  if (std::string(host) != "dual") return EAI_NONAME;
  Found& first = FoundAt(0, kSilent, port);
  first.info.ai_next = &FoundAt(1, "127.0.0.1", port).info;
  *out = &first.info;
  return 0;
}
extern "C" void freeaddrinfo(addrinfo*) {}

namespace remoteobj::transport_internal {
namespace {

Deadline Watchdog() { return Deadline::After(absl::Seconds(20)); }

struct Listening {
  explicit Listening(const std::string& at) : socket(ListenAt(Address::Parse(at), bound, file)) {}

  Address bound = Address::Parse("unix:none");
  SocketFile file;
  Socket socket;
};

// At the first address a queue is full, so that the kernel drops who comes.
TEST(SocketTest, AFirstAddressThatIsSilentDoesNotTakeTheWholeLimit) {
  const Listening listening("tcp:127.0.0.1:0");
  const std::string port = std::to_string(listening.bound.port());
  Found& silent = FoundAt(0, kSilent, port.c_str());
  const Socket full(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(full.fd(), silent.info.ai_addr, silent.info.ai_addrlen), 0);
  ASSERT_EQ(listen(full.fd(), 0), 0);
  std::vector<Socket> queue;
  for (bool taken = true; taken;) {
    queue.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    static_cast<void>(connect(queue.back().fd(), silent.info.ai_addr, silent.info.ai_addrlen));
    pollfd wait{queue.back().fd(), POLLOUT, 0};
    taken = poll(&wait, 1, /*timeout=*/300) > 0;
  }
  EXPECT_GE(ConnectTo(Address::Parse("tcp:dual:" + port), Watchdog()).fd(), 0);
}

TEST(SocketTest, WhereNoAddressAnswersTheErrorNamesTheAddress) {
  const std::string port = [] {
    return std::to_string(Listening("tcp:127.0.0.1:0").bound.port());
  }();
  try {
    ConnectTo(Address::Parse("tcp:dual:" + port), Watchdog());
    FAIL();
  } catch (const NotListening& e) {
    EXPECT_NE(std::string(e.what()).find("tcp:dual:" + port), std::string::npos) << e.what();
  }
}

class SocketFileTest : public testing::Test {
 protected:
  SocketFileTest() { EXPECT_NE(mkdtemp(directory_.data()), nullptr); }
  ~SocketFileTest() override {
    unlink(path().c_str());
    EXPECT_EQ(rmdir(directory_.c_str()), 0) << "something is left there";
  }

  std::string path() const { return directory_ + "/socket"; }
  std::string address() const { return "unix:" + path(); }
  bool exists() const {
    struct stat found = {};
    return lstat(path().c_str(), &found) == 0;
  }
  void Write() const { std::ofstream(path()) << "of the user's"; }
  std::string WhatListeningThrows() const {
    try {
      const Listening listening(address());
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::address_in_use);
      return e.what();
    }
    return "";
  }

 private:
  std::string directory_ = "/tmp/remoteobj-socket-XXXXXX";
};

TEST_F(SocketFileTest, AFileThatIsNoSocketIsNeitherReplacedNorRemoved) {
  Write();
  EXPECT_NE(WhatListeningThrows().find("no socket"), std::string::npos) << WhatListeningThrows();
  EXPECT_TRUE(exists());
}

TEST_F(SocketFileTest, AnotherListenerIsNotReplaced) {
  const Listening listening(address());
  EXPECT_NE(WhatListeningThrows().find("another process listens"), std::string::npos);
  EXPECT_GE(ConnectTo(Address::Parse(address()), Watchdog()).fd(), 0);
}

TEST_F(SocketFileTest, ALeftOverFileIsReplacedAndGoesWithTheListener) {
  {
    const Listening left(address());
  }
  EXPECT_TRUE(exists());
  Listening listening(address());
  EXPECT_GE(ConnectTo(Address::Parse(address()), Watchdog()).fd(), 0);
  listening.file.Remove();
  EXPECT_FALSE(exists());
}

TEST_F(SocketFileTest, WhatHasTakenItsPlaceIsNotRemoved) {
  Listening first(address());
  ASSERT_EQ(unlink(path().c_str()), 0);
  Listening second(address());
  first.file.Remove();
  EXPECT_TRUE(exists());
  ASSERT_EQ(unlink(path().c_str()), 0);
  Write();
  second.file.Remove();
  EXPECT_TRUE(exists());
}

TEST(AbsoluteAddressTest, HasThePathFromTheRoot) {
  const auto absolute = [](const std::string& text) {
    return AbsoluteAddress(Address::Parse(text)).ToString();
  };
  EXPECT_EQ(absolute("unix:/run/a"), "unix:/run/a");
  EXPECT_EQ(absolute("unix-abstract:a"), "unix-abstract:a");
  EXPECT_EQ(absolute("tcp:127.0.0.1:1"), "tcp:127.0.0.1:1");
  ASSERT_EQ(chdir("/tmp"), 0);
  EXPECT_EQ(absolute("unix:a/b"), "unix:/tmp/a/b");
  // There is no room for it: it is left as it is.
  const std::string longest = "unix:" + std::string(105, 'a');
  EXPECT_EQ(absolute(longest), longest);
}

}  // namespace
}  // namespace remoteobj::transport_internal
