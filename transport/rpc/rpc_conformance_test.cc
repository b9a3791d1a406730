// SPDX-License-Identifier: MIT
//
// The conformance suite of channels, over the RPC server and client.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "remoteobj/testing/forked.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/channel_conformance.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/rpc/address.h"
#include "remoteobj/transport/rpc/rpc_channel_testing.h"
#include "remoteobj/transport/wire/codec.h"

namespace remoteobj {
namespace {

Address NewUnixAddress() {
  // Tests that run at a time may have the same pid, each in a namespace of its own.
  static const unsigned kRun = std::random_device()();
  static std::atomic<int> count{0};
  return Address::Parse(
      absl::StrCat("unix-abstract:remoteobj-test-", kRun, "-", count.fetch_add(1)));
}

// A port that was free a moment ago.
Address NewTcpAddress() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&at), size), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  close(fd);
  return Address::Parse(absl::StrCat("tcp:127.0.0.1:", ntohs(at.sin_port)));
}

class Rpc final : public ChannelUnderTest {
 public:
  explicit Rpc(Address address)
      : channel_(
            RpcChannel::Create({.address = std::move(address), .key = "a key for this test"})) {}
  Channel& channel() override { return *channel_; }
  Listener& listener() override { return channel_->listener(); }

 private:
  std::shared_ptr<RpcChannel> channel_;
};

INSTANTIATE_TEST_SUITE_P(
    Rpc, ChannelConformance,
    testing::Values(
        ChannelConformanceParam{.name = "unix_threads",
                                .make = [] { return std::make_unique<Rpc>(NewUnixAddress()); }},
        ChannelConformanceParam{.name = "unix_processes",
                                .make = [] { return std::make_unique<Rpc>(NewUnixAddress()); },
                                .listener = RunInProcess,
                                .caller = RunInProcess},
        ChannelConformanceParam{.name = "tcp_processes",
                                .make = [] { return std::make_unique<Rpc>(NewTcpAddress()); },
                                .listener = RunInProcess,
                                .caller = RunInProcess}),
    ChannelConformanceName);

}  // namespace
}  // namespace remoteobj
