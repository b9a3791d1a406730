// SPDX-License-Identifier: MIT
#include "remoteobj/tools/bench/bare_rpc.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "capnp/rpc-twoparty.h"
#include "kj/async-io.h"
#include "remoteobj/tools/bench/bare.capnp.h"

namespace bench {
namespace {

class Server final : public schema::Counter::Server {
  kj::Promise<void> add(AddContext context) override {
    sum_ += context.getParams().getN();
    context.getResults().setSum(sum_);
    return kj::READY_NOW;
  }
  std::int64_t sum_ = 0;
};

}  // namespace

BareRpc::BareRpc(Kind kind, int server_cpu) {
  const int fd = socket(kind == kUnix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (kind == kTcp) {
    sockaddr_in at = {};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size_ = sizeof at;
    std::memcpy(&address_, &at, sizeof at);
  } else {
    size_ = sizeof(sa_family_t);  // The kernel chooses a name.
    address_.ss_family = AF_UNIX;
  }
  if (bind(fd, address(), size_) != 0 || listen(fd, 10) != 0) throw std::runtime_error("listen");
  size_ = sizeof address_;
  getsockname(fd, address(), &size_);
  server_.emplace([fd, server_cpu] {
    remoteobj_testing::Pin(server_cpu);
    kj::AsyncIoContext io = kj::setupAsyncIo();
    capnp::TwoPartyServer server(kj::heap<Server>());
    auto listener = io.lowLevelProvider->wrapListenSocketFd(fd);
    server.listen(*listener).wait(io.waitScope);
  });
  close(fd);
}

remoteobj_testing::Calls BareRpc::calls(int at_once) {
  return
      [this, at_once](int count, remoteobj_testing::Times& times) { Call(count, times, at_once); };
}

// Connects each time, for a manager's client has an event loop of its own in this thread.
void BareRpc::Call(int count, remoteobj_testing::Times& times, int at_once) {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  auto stream = io.lowLevelProvider
                    ->wrapConnectingSocketFd(socket(address_.ss_family, SOCK_STREAM, 0), address(),
                                             size_, kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP)
                    .wait(io.waitScope);
  if (address_.ss_family == AF_INET) {
    int one = 1;
    stream->setsockopt(IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  capnp::TwoPartyClient client(*stream);
  auto counter = client.bootstrap().castAs<schema::Counter>();
  const auto call = [&] {
    auto request = counter.addRequest();
    request.setN(1);
    request.send().wait(io.waitScope);
  };
  for (int i = 0; i < 20; ++i) call();
  remoteobj_testing::Each([&] {
    for (int i = 0; i < at_once; ++i) call();
  })(count, times);
}

}  // namespace bench
